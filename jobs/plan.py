"""Print the GPUs and memory a run needs, as the run itself would decide it. Starts nothing."""

import sys

from tts_ray.door import enter

if __name__ == "__main__":
    sys.exit(enter("plan"))
