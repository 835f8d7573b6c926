"""Print the GPUs and memory a run needs, as the run itself would decide it. Starts nothing."""

from tts_ray.door import enter, leave

if __name__ == "__main__":
    leave(enter("plan"))
