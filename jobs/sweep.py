"""Run a sweep: every cell of its grids; resume by the same command."""

from tts_ray.door import enter, leave

if __name__ == "__main__":
    leave(enter("sweep"))
