"""Print a run's tables and write its plots: accuracy against N and FLOPs, and by difficulty."""

import argparse
from collections.abc import Sequence

from tts_ray.analysis.curves import difficulties, points, split
from tts_ray.analysis.metrics import Difficulty
from tts_ray.analysis.report import (
    accuracy_table,
    effort_table,
    gap_table,
    part_table,
    plot_curves,
    plot_parts,
)
from tts_ray.analysis.stored import stored_outcomes, stored_sizes
from tts_ray.errors import StoreError
from tts_ray.results.description import describe
from tts_ray.results.folder import folder_at
from tts_ray.runtime.console import job_console, say


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="a run directory: a path, or the URL of an object store")
    arguments = parser.parse_args(argv)
    console = job_console()
    run = folder_at(arguments.run)
    sizes = stored_sizes(run)
    outcomes = stored_outcomes(run)
    if not outcomes:
        raise StoreError(f"{run} holds no finished search yet")
    found = points(outcomes, sizes)
    console.print(accuracy_table(found, title=str(run)))
    gaps = gap_table(found)
    if gaps:
        console.print(gaps)
    console.print(effort_table(found))
    problems = describe(run).problems
    if problems and problems.said:
        say(console, problems.said)
    plots = {"accuracy.png": plot_curves(found)}
    bins = difficulties(outcomes)
    by_difficulty = split(outcomes, lambda outcome: bins.get(outcome.problem_id))
    by_level = split(outcomes, lambda outcome: outcome.level)
    for by, parts, order in (
        ("difficulty", by_difficulty, list(Difficulty)),
        ("level", by_level, sorted(by_level, key=str)),
    ):
        if parts:
            by_part = {part: points(parts[part], sizes) for part in order if part in parts}
            console.print(part_table(by_part, by))
            plots[f"by_{by}.png"] = plot_parts(by_part, by)
    try:
        for name, plot in plots.items():
            run.write(name, plot)
    except OSError as error:
        raise StoreError(f"the plots cannot be written to {run}: {error}") from None
    written = ", ".join(map(run.address, plots))
    say(console, f"plots: {written}")
    return 0
