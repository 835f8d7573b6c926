"""Run searches on a dataset with one policy and one reward model; resume by the same command."""

from tts_ray.door import enter, leave

if __name__ == "__main__":
    leave(enter("evaluate"))
