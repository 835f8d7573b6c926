"""Submit a run or a sweep to a Ray cluster, follow it, and end with its exit code."""

import sys

from tts_ray.door import enter

if __name__ == "__main__":
    sys.exit(enter("submit"))
