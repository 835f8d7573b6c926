"""Run searches on a dataset with one policy and one reward model; resume by the same command."""

import sys

from tts_ray.door import enter

if __name__ == "__main__":
    sys.exit(enter("evaluate"))
