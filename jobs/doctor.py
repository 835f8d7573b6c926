"""Check what a run needs before it costs anything."""

import sys

from tts_ray.door import enter

if __name__ == "__main__":
    sys.exit(enter("doctor"))
