"""Run searches on a dataset with one policy and one reward model; resume by the same command."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from tts_ray.config import load_config
from tts_ray.errors import TtsError
from tts_ray.runtime.run import run

CONFIGS = Path(__file__).parent.parent / "configs"

EPILOG = """\
arguments are merged left to right:
  FILE.yaml            a configuration, or a part of one
  GROUP=NAME           configs/GROUP/NAME.yaml for policy, prm, dataset or search
  KEY.SUB=VALUE        one setting; a list under search.* runs one search for each value

examples:
  python jobs/evaluate.py configs/pocket.yaml
  python jobs/evaluate.py configs/pocket.yaml policy=pocket-m search.name=dvts run=runs/m
  python jobs/evaluate.py configs/pocket.yaml dataset.path=mine.jsonl dataset.limit=20 run=runs/x

exit codes: 0 all problems searched; 1 some searches failed (run again to retry); 2 the run could
not start or go on
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="+", metavar="FILE.yaml|GROUP=NAME|KEY.SUB=VALUE")
    console = Console()
    try:
        config = load_config(parser.parse_args().config, CONFIGS)
        board = run(config, console)
    except TtsError as error:
        Console(stderr=True).print(
            f"error: {error}", style="red", highlight=False, soft_wrap=True, markup=False
        )
        return 2
    owed = board.total - board.done
    if owed:
        console.print(f"{owed} of {board.total} searches failed; run the same command to retry")
    return 1 if owed else 0


if __name__ == "__main__":
    sys.exit(main())
