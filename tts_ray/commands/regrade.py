"""Grade a stored run again with today's grader, or only where a comparison was given up.

    python jobs/regrade.py runs/pocket
    python jobs/regrade.py runs/pocket --ungraded --seconds 30

The first grades stay in the run's parts; the new ones lie beside them in grades-NNNNNN.parquet, and
count from then on. Accuracies that changed are printed. Exit code 1 if something is ungraded still.
"""

import argparse
from collections.abc import Sequence

from tts_ray.results.folder import folder_at
from tts_ray.runtime.console import job_console, say
from tts_ray.runtime.regrade import regrade


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="a run directory: a path, or the URL of an object store")
    parser.add_argument(
        "--ungraded", action="store_true", help="only searches of which a comparison was given up"
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="CPU time of one comparison (5)")
    parser.add_argument("--workers", type=int, default=1, help="grading processes (1)")
    arguments = parser.parse_args(argv)
    console = job_console()
    found = regrade(
        folder_at(arguments.run),
        everything=not arguments.ungraded,
        workers=arguments.workers,
        seconds=arguments.seconds,
    )
    say(
        console,
        f"{found.searches} searches graded again: {found.changed} grades changed, "
        f"{found.ungraded} answers are ungraded still",
    )
    if not found.accuracies:
        say(console, "no accuracy changed")
    for search, aggregation, before, after in found.accuracies:
        say(console, f"{search} {aggregation}: {before:.1%} -> {after:.1%}")
    return 1 if found.ungraded else 0
