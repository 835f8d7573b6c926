"""Check what a run needs before it costs anything: models, cluster, places, nodes, directory, W&B.

    python jobs/doctor.py my-run.yaml cluster.address=auto
    python jobs/doctor.py my-run.yaml cluster.address=auto --fetch

Takes the arguments of jobs/evaluate.py. Exit codes: 0 all is well; 1 something will not do, and the
table says what would; 2 the configuration is wrong.
"""

import argparse
from collections.abc import Sequence

from tts_ray.commands import CONFIGS
from tts_ray.config import load_config
from tts_ray.runtime.console import job_console
from tts_ray.runtime.doctor import checks_table, examine


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="+", metavar="FILE.yaml|GROUP=NAME|KEY.SUB=VALUE")
    parser.add_argument(
        "--fetch", action="store_true", help="download missing models, once on each node"
    )
    arguments = parser.parse_args(argv)
    config = load_config(arguments.config, CONFIGS)
    checks = list(examine(config, fetch=arguments.fetch))
    job_console().print(checks_table(checks))
    return 1 if any(check.has_failed for check in checks) else 0
