"""Grade a stored run again: the comparisons that were given up, or all of it."""

import sys

from tts_ray.door import enter

if __name__ == "__main__":
    sys.exit(enter("regrade"))
