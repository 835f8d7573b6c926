"""Score a stored best-of-N or majority pool with another PRM, without sampling again."""

from tts_ray.door import enter, leave

if __name__ == "__main__":
    leave(enter("rescore"))
