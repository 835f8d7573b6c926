"""Train the pocket suite from its seeds and write the checkpoints."""

from tts_ray.door import enter, leave

if __name__ == "__main__":
    leave(enter("train_pocket"))
