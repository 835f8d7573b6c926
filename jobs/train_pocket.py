"""Train the pocket suite from its seeds and write the checkpoints."""

import sys

from tts_ray.door import enter

if __name__ == "__main__":
    sys.exit(enter("train_pocket"))
