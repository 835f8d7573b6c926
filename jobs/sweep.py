"""Run a sweep: every cell of its grids; resume by the same command.

    python jobs/sweep.py configs/sweep/pocket.yaml --plan
    python jobs/sweep.py configs/sweep/pocket.yaml limits.gpu_hours=2

Exit codes: 0 every cell is done; 1 some searches or cells failed (run again, for failed searches
with --retry-failed); 2 the sweep could not start or go on; 3 it stopped at a limit (raise it and
run again to go on); 4 it was interrupted (run again to go on).
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from tts_ray.errors import TtsError
from tts_ray.runtime.sweep import run_sweep
from tts_ray.sweep import load_sweep

CONFIGS = Path(__file__).parent.parent / "configs"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="+", metavar="FILE.yaml|KEY.SUB=VALUE")
    parser.add_argument(
        "--plan",
        action="store_true",
        help="run a pilot on a few problems of the smallest budgets and print what the rest takes",
    )
    parser.add_argument("--pilot", type=int, default=8, help="problems of the pilot (8)")
    parser.add_argument(
        "--retry-failed", action="store_true", help="try searches again that failed in earlier jobs"
    )
    arguments = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 160)
    try:
        sweep, cells = load_sweep(arguments.config, CONFIGS)
        pilot = arguments.pilot if arguments.plan else None
        return run_sweep(sweep, cells, console, pilot=pilot, retry_failed=arguments.retry_failed)
    except TtsError as error:
        Console(stderr=True).print(
            f"error: {error}", style="red", highlight=False, soft_wrap=True, markup=False
        )
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
