"""Score a stored best-of-N or majority pool with another PRM, without sampling again.

python jobs/rescore.py runs/pool prm=skywork-prm-7b run=runs/pool-skywork
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from tts_ray.errors import TtsError
from tts_ray.results.folder import folder_at
from tts_ray.runtime.rescore import rescore, rescored_config

CONFIGS = Path(__file__).parent.parent / "configs"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pool", help="the run directory of the pool")
    parser.add_argument("config", nargs="+", metavar="prm=NAME|KEY.SUB=VALUE")
    arguments = parser.parse_args()
    try:
        pool = folder_at(arguments.pool)
        config = rescored_config(pool, arguments.config, CONFIGS)
        owed = rescore(pool, config, Console())
    except TtsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if owed:
        print(f"{owed} problems are not scored; run the same command to retry")
    return 1 if owed else 0


if __name__ == "__main__":
    sys.exit(main())
