"""Say whether two answers are the same, and why."""

import sys

from tts_ray.door import enter

if __name__ == "__main__":
    sys.exit(enter("grade"))
