"""Log a stored run, or every cell of a sweep, to W&B again: from Parquet alone."""

from tts_ray.door import enter, leave

if __name__ == "__main__":
    leave(enter("sync"))
