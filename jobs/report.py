"""Print a run's tables and write its plots: accuracy against N and FLOPs, and by difficulty."""

import sys

from tts_ray.door import enter

if __name__ == "__main__":
    sys.exit(enter("report"))
