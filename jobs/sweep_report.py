"""Report a sweep from its Parquet files: tables, a figure, and a strategy file for each policy."""

from tts_ray.door import enter, leave

if __name__ == "__main__":
    leave(enter("sweep_report"))
