"""Run searches on a dataset with one policy and one reward model; resume by the same command."""

import argparse
from collections.abc import Sequence

from tts_ray.commands import CONFIGS
from tts_ray.config import load_config
from tts_ray.runtime.console import job_console, say
from tts_ray.runtime.run import run

EPILOG = """\
arguments are merged left to right:
  FILE.yaml            a configuration, or a part of one
  GROUP=NAME           configs/GROUP/NAME.yaml for policy, prm, dataset or search
  KEY.SUB=VALUE        one setting; a list under search.* runs one search for each value, but of
                       n only the largest where it holds the smaller (best_of_n, majority, dvts)

examples:
  python jobs/evaluate.py configs/pocket.yaml
  python jobs/evaluate.py configs/pocket.yaml policy=pocket-m search.name=dvts run=runs/m
  python jobs/evaluate.py configs/pocket.yaml dataset.path=mine.jsonl dataset.limit=20 run=runs/x

exit codes: 0 all problems searched; 1 some searches failed (--retry-failed tries them again); 2 the
run could not start or go on; 4 it was interrupted (the same command goes on)
"""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="+", metavar="FILE.yaml|GROUP=NAME|KEY.SUB=VALUE")
    parser.add_argument(
        "--retry-failed", action="store_true", help="try searches again that failed in earlier jobs"
    )
    arguments = parser.parse_args(argv)
    console = job_console()
    config = load_config(arguments.config, CONFIGS)
    board = run(config, console, retry_failed=arguments.retry_failed)
    if board.ungraded:
        say(
            console,
            f"{board.ungraded} problems have answers that could not be compared and count as "
            f"wrong; jobs/regrade.py tries them again",
        )
    left = board.total - board.done
    if left:
        say(console, f"{left} of {board.total} searches failed; --retry-failed tries them again")
    return 1 if left else 0
