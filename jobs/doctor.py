"""Check what a run needs before it costs anything."""

from tts_ray.door import enter, leave

if __name__ == "__main__":
    leave(enter("doctor"))
