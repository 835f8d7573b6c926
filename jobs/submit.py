"""Submit a run or a sweep to a Ray cluster, follow it, and end with its exit code."""

from tts_ray.door import enter, leave

if __name__ == "__main__":
    leave(enter("submit"))
