"""Log a stored run, or every cell of a sweep, to W&B again: from Parquet alone."""

import sys

from tts_ray.door import enter

if __name__ == "__main__":
    sys.exit(enter("sync"))
