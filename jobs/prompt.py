"""Print what the policy and the PRM read of one problem, token by token. Loads no weights."""

import sys

from tts_ray.door import enter

if __name__ == "__main__":
    sys.exit(enter("prompt"))
