"""Run a sweep: every cell of its grids; resume by the same command.

    python jobs/sweep.py configs/sweep/pocket.yaml --plan
    python jobs/sweep.py configs/sweep/pocket.yaml limits.gpu_hours=2

Exit codes: 0 every cell is done; 1 some searches or cells failed (run again, for failed searches
with --retry-failed); 2 the sweep could not start or go on; 3 it stopped at a limit (raise it and
run again to go on); 4 it was interrupted (run again to go on).
"""

import argparse
from collections.abc import Sequence

from tts_ray.commands import CONFIGS, count
from tts_ray.runtime.console import job_console
from tts_ray.runtime.sweep import run_sweep
from tts_ray.sweep import load_sweep


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="+", metavar="FILE.yaml|KEY.SUB=VALUE")
    parser.add_argument(
        "--plan",
        action="store_true",
        help="run a pilot on a few problems of the smallest budgets and print what the rest takes",
    )
    parser.add_argument("--pilot", type=count, default=8, help="problems of the pilot (8)")
    parser.add_argument(
        "--retry-failed", action="store_true", help="try searches again that failed in earlier jobs"
    )
    arguments = parser.parse_args(argv)
    sweep, cells = load_sweep(arguments.config, CONFIGS)
    pilot = arguments.pilot if arguments.plan else None
    retry_failed = arguments.retry_failed
    return run_sweep(sweep, cells, job_console(), pilot=pilot, retry_failed=retry_failed)
