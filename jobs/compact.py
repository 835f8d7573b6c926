"""Merge the parts of a stored run, or of every run of a sweep, into few large ones."""

import sys

from tts_ray.door import enter

if __name__ == "__main__":
    sys.exit(enter("compact"))
