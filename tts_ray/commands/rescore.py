"""Score a stored best-of-N or majority pool with another PRM, without sampling again.

    python jobs/rescore.py runs/pool prm=skywork-prm-7b run=runs/pool-skywork

Exit codes: 0 all problems are scored; 1 some are not; 4 interrupted by SIGTERM or Ctrl-C. The same
command goes on.
"""

import argparse
from collections.abc import Sequence

from tts_ray.commands import CONFIGS
from tts_ray.results.folder import folder_at
from tts_ray.runtime.console import job_console, say
from tts_ray.runtime.rescore import rescore, rescored_config


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pool", help="the run directory of the pool")
    parser.add_argument("config", nargs="+", metavar="prm=NAME|KEY.SUB=VALUE")
    arguments = parser.parse_args(argv)
    pool = folder_at(arguments.pool)
    config = rescored_config(pool, arguments.config, CONFIGS)
    console = job_console()
    left = rescore(pool, config, console)
    if left:
        say(console, f"{left} problems are not scored; run the same command to retry")
    return 1 if left else 0
