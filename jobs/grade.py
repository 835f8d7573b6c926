"""Say whether two answers are the same, and why."""

from tts_ray.door import enter, leave

if __name__ == "__main__":
    leave(enter("grade"))
