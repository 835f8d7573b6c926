"""Run a sweep: every cell of its grids; resume by the same command."""

import sys

from tts_ray.door import enter

if __name__ == "__main__":
    sys.exit(enter("sweep"))
