"""Score a stored best-of-N or majority pool with another PRM, without sampling again."""

import sys

from tts_ray.door import enter

if __name__ == "__main__":
    sys.exit(enter("rescore"))
