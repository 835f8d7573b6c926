"""Check what a run needs before it costs anything: models, cluster, places, nodes, directory, W&B.

    python jobs/doctor.py my-run.yaml cluster.address=auto
    python jobs/doctor.py my-run.yaml cluster.address=auto --fetch

Takes the arguments of jobs/evaluate.py. Exit codes: 0 all is well; 1 something will not do, and the
table says what would; 2 the configuration is wrong.
"""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from tts_ray.config import load_config
from tts_ray.errors import TtsError
from tts_ray.runtime.doctor import checks_table, examine

CONFIGS = Path(__file__).parent.parent / "configs"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="+", metavar="FILE.yaml|GROUP=NAME|KEY.SUB=VALUE")
    parser.add_argument(
        "--fetch", action="store_true", help="download missing models, once on each node"
    )
    arguments = parser.parse_args()
    try:
        config = load_config(arguments.config, CONFIGS)
    except TtsError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    checks = list(examine(config, fetch=arguments.fetch))
    Console(width=None if sys.stdout.isatty() else 160).print(checks_table(checks))
    return 1 if any(check.remedy for check in checks) else 0


if __name__ == "__main__":
    sys.exit(main())
