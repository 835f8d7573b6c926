"""Print a run's tables and write its plots: accuracy against N and FLOPs, and by difficulty."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from tts_ray.analysis.curves import difficulties, points, split
from tts_ray.analysis.metrics import Difficulty
from tts_ray.analysis.report import accuracy_table, part_table, plot_curves, plot_parts
from tts_ray.analysis.stored import stored_outcomes, stored_sizes
from tts_ray.errors import TtsError


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="a run directory")
    run: Path = parser.parse_args().run
    console = Console(width=None if sys.stdout.isatty() else 160)
    try:
        sizes = stored_sizes(run)
        outcomes = stored_outcomes(run)
    except TtsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if not outcomes:
        console.print(f"{run} holds no finished search yet")
        return 2
    found = points(outcomes, sizes)
    console.print(accuracy_table(found, title=str(run)))
    plot_curves(found, run / "accuracy.png")
    files = [run / "accuracy.png"]
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
            plot_parts(by_part, by, run / f"by_{by}.png")
            files.append(run / f"by_{by}.png")
    console.print(f"plots: {', '.join(map(str, files))}", highlight=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
