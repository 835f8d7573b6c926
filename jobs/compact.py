"""Merge the parts of a stored run, or of every run of a sweep, into few large ones."""

from tts_ray.door import enter, leave

if __name__ == "__main__":
    leave(enter("compact"))
