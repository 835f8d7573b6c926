"""Report a sweep from its Parquet files: tables, a figure, and a strategy file for each policy."""

import sys

from tts_ray.door import enter

if __name__ == "__main__":
    sys.exit(enter("sweep_report"))
