"""Print what the policy and the PRM read of one problem, token by token. Loads no weights."""

from tts_ray.door import enter, leave

if __name__ == "__main__":
    leave(enter("prompt"))
