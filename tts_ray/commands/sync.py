"""Log a stored run, or every cell of a sweep, to W&B again: from Parquet alone.

    python jobs/sync.py runs/pocket --mode online
    python jobs/sync.py runs/pocket-sweep --group pocket-sweep

The W&B run has the id that the job's own has, so an online run is gone on with, not doubled.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict

from tts_ray.analysis.live import metrics, show_results, show_sweep
from tts_ray.analysis.scoreboard import Scoreboard
from tts_ray.analysis.stored import last_attempts, stored_outcomes, stored_sizes
from tts_ray.config import WandbConfig
from tts_ray.errors import StoreError
from tts_ray.flops import Sizes
from tts_ray.results.description import describe, stored_identity
from tts_ray.results.folder import Folder, folder_at
from tts_ray.results.run_directory import runs_at
from tts_ray.results.tracking import sweep_tracker, tracker_of


def sync(run: Folder, settings: WandbConfig) -> tuple[Scoreboard, Sizes]:
    """Log one run directory; return its totals."""
    sizes = stored_sizes(run)
    identity, facts = stored_identity(run), describe(run).problems
    outcomes = stored_outcomes(run, failed=True)
    last = last_attempts(outcomes)
    board = Scoreboard(total=len(last))
    with tracker_of(identity, settings, run, asdict(facts) if facts else None) as tracker:
        for outcome in outcomes:
            if last[outcome.problem_id, outcome.search] is outcome:
                board.add(outcome)
            else:
                board.spend(outcome)
            tracker.log(dict(metrics(board, sizes, outcome.search)))
        show_results(tracker, tracker.id, board, sizes, run)
    return board, sizes


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="a run directory, or a sweep's: a path or a URL")
    parser.add_argument("--mode", choices=("auto", "online", "offline"), default="auto")
    parser.add_argument("--project", default="tts_ray")
    parser.add_argument("--entity")
    parser.add_argument("--group")
    arguments = parser.parse_args(argv)
    settings = WandbConfig(
        mode=arguments.mode,
        project=arguments.project,
        entity=arguments.entity,
        group=arguments.group,
    )
    here = folder_at(arguments.run)
    try:
        runs = runs_at(here)
        cells = {}
        for run in runs:
            board, _ = cells[run.name] = sync(run, settings)
            print(f"{run}: {board.done} done, {board.failed} failed")
        if here not in runs:
            with sweep_tracker(here, settings, cells) as tracker:
                show_sweep(tracker, here, cells)
    except OSError as error:
        raise StoreError(f"{here} cannot be read: {error}") from None
    return 0
