"""Submit a run or a sweep to a Ray cluster, follow it, and end with its exit code.

    python jobs/submit.py configs/pocket.yaml run=/shared/runs/pocket --address http://head:8265
    python jobs/submit.py --job sweep configs/sweep/pocket.yaml run=/shared/s --address ...

The project is uploaded; files are named relative to it. `run` has to be an absolute path on a file
system that all nodes share, or the URL of an object store. Submitting a run again while it goes on
is refused; after it has ended it is resumed. Keys (WANDB_API_KEY, HF_TOKEN) are not sent: set them
where the cluster starts. Ctrl-C ends the following, not the job.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tts_ray.commands import CONFIGS, PROJECT
from tts_ray.config import load_config
from tts_ray.errors import ConfigError
from tts_ray.results.tracking import run_id
from tts_ray.runtime.submission import Submissions
from tts_ray.sweep import load_sweep


def identify(job: str, arguments: list[str]) -> str:
    """Check a run's configuration as its job will; return its id.

    Raises:
        ConfigError: it is wrong, or what it names is not where the job will run.
    """
    for argument in arguments:
        if "=" not in argument and not (PROJECT / argument).resolve().is_relative_to(PROJECT):
            raise ConfigError(f"{argument} lies outside {PROJECT}, which is what is uploaded")
    if job == "sweep":
        sweep, cells = load_sweep(arguments, CONFIGS)
        where, identity = sweep.run, {"cells": [cell.identity() for cell in cells]}
    else:
        config = load_config(arguments, CONFIGS)
        where, identity = config.run, config.identity()
    if "://" not in where and not Path(where).is_absolute():
        raise ConfigError(
            f"run={where} would be lost with the job's copy of the project; "
            f"give an absolute path on a file system that all nodes share, or a URL"
        )
    return run_id(Path(where).name, identity)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="+", metavar="FILE.yaml|GROUP=NAME|KEY.SUB=VALUE")
    parser.add_argument("--address", required=True, help="of the dashboard: http://head:8265")
    parser.add_argument("--job", choices=("evaluate", "sweep"), default="evaluate")
    parser.add_argument("--no-wait", action="store_true", help="print how to follow it, and end")
    arguments = parser.parse_intermixed_args(argv)
    name = identify(arguments.job, arguments.config)
    jobs = Submissions(arguments.address)
    command = ["python", f"jobs/{arguments.job}.py", *arguments.config]
    name = jobs.submit(name, command, PROJECT)
    print(f"submitted {name}. {jobs.how_to(name)}", flush=True)
    try:
        return 0 if arguments.no_wait else jobs.follow(name)
    except KeyboardInterrupt:
        print(f"\n{name} goes on. {jobs.how_to(name)}", file=sys.stderr)
        return 130
