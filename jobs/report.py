"""Print a run's tables and write its plots: accuracy against N and FLOPs, and by difficulty."""

from tts_ray.door import enter, leave

if __name__ == "__main__":
    leave(enter("report"))
