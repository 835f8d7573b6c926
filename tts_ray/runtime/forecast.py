"""What a sweep will take, from a pilot on a few problems of every method's smallest budget.

Tokens grow in proportion to the budget N (each method has N candidates per depth), which is the
one assumption; their interval is the pilot's bootstrap interval over problems. Time assumes the
pilot's rate, which a full batch only betters: the finish time is an upper estimate.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from rich.table import Table

from tts_ray.analysis.cost import per_problem
from tts_ray.analysis.metrics import bootstrap_interval
from tts_ray.analysis.outcomes import Outcome
from tts_ray.analysis.stored import stored_outcomes
from tts_ray.evaluate import Trial
from tts_ray.flops import Work
from tts_ray.runtime.cell import Cell
from tts_ray.runtime.console import literal


def family(cell: Cell) -> str:
    """What cells share that differ in the budget and the seed alone."""
    (search,) = cell.searches
    models = [asdict(model) for model in cell.config.models().values()]
    return repr((models, cell.config.dataset, search.name, search.id.settings))


def pilot_trials(cell: Cell, cells: Sequence[Cell], problems: int) -> list[Trial]:
    """The first problems of a cell that is the smallest of its family; none of another."""
    smallest = min((c for c in cells if family(c) == family(cell)), key=lambda c: budget(c))
    if cell is not smallest:
        return []
    total = len(cell.problems)
    count = min(problems, total)
    wanted = {cell.problems[at * total // count].id for at in range(count)}
    return [trial for trial in cell.trials if trial.problem.id in wanted]


def budget(cell: Cell) -> int:
    """The budget of a cell, which has one search."""
    (search,) = cell.searches
    return search.n


@dataclass(frozen=True)
class Forecast:
    """What is left of one cell: searches, tokens to generate with their interval, FLOPs, seconds;
    None where the pilot of its family came to nothing, or ran in an earlier job."""

    cell: Cell
    tokens: tuple[float, float, float] | None = None
    flops: float = 0.0
    seconds: float | None = None


def forecast(cell: Cell, pilots: Sequence[Cell]) -> Forecast:
    """From the outcomes of the pilot of the cell's family."""
    pilot = next(p for p in pilots if family(p) == family(cell))
    outcomes = stored_outcomes(pilot.directory.folder)
    if not outcomes:
        return Forecast(cell)
    tokens = [outcome.policy_usage.generated_tokens for outcome in outcomes]
    scale = budget(cell) / budget(pilot) * cell.unfinished
    mean = sum(tokens) / len(tokens)
    low, high = bootstrap_interval(tokens)
    return Forecast(
        cell,
        (mean * scale, low * scale, high * scale),
        mean_flops(outcomes, pilot) * scale,
        mean * scale / pilot.rate if pilot.rate else None,
    )


def mean_flops(outcomes: Sequence[Outcome], cell: Cell) -> float:
    """FLOPs per problem, executed if that can be counted, else by the paper's convention."""
    work = sum((outcome.work for outcome in outcomes), Work())
    found = per_problem(work, len(outcomes), cell.sizes)
    return found.get("executed", found["paper"])


def forecast_table(cells: Sequence[Cell], gpus: float) -> Table:
    """A row for each cell with searches left, and their sum; `gpus` are held meanwhile."""
    pilots = sorted(cells, key=budget)
    rows = [forecast(cell, pilots) for cell in cells if cell.unfinished]
    table = Table(title="what is left of the sweep, from its pilot")
    table.add_column("cell")
    for column in ("searches", "Mtokens [95 %]", "FLOPs", "hours", "GPU-hours"):
        table.add_column(column, justify="right")
    for row in rows:
        name = row.cell.directory.folder.name
        if row.tokens is None:
            table.add_row(literal(name), str(row.cell.unfinished), "pilot failed")
            continue
        table.add_row(
            literal(name),
            str(row.cell.unfinished),
            *amounts(row.tokens, row.flops, row.seconds, gpus),
        )
    known = [row for row in rows if row.tokens is not None]
    sums = [sum(row.tokens[at] for row in known if row.tokens) for at in range(3)]
    times = [row.seconds for row in known if row.seconds is not None]
    seconds = sum(times) if known and len(times) == len(known) else None
    total = amounts((sums[0], sums[1], sums[2]), sum(r.flops for r in known), seconds, gpus)
    table.add_section()
    table.add_row("all", str(sum(row.cell.unfinished for row in rows)), *total)
    notes = []
    if seconds is not None:
        finish = datetime.now() + timedelta(seconds=seconds)
        notes.append(f"finished by {finish:%Y-%m-%d %H:%M} if begun now and not interrupted")
    elif known:
        notes.append("how long it takes is not known: the pilot ran in an earlier job")
    if failed := len(rows) - len(known):
        notes.append(f"not counted: {failed} cell{'s' * (failed > 1)} whose pilot failed")
    table.caption = "\n".join(notes)
    return table


def amounts(
    tokens: tuple[float, float, float], flops: float, seconds: float | None, gpus: float
) -> list[str]:
    """The cells of a row; what is not known stays empty."""
    mean, low, high = (count / 1e6 for count in tokens)
    times = ["", ""] if seconds is None else [f"{seconds / 3600 * k:.3g}" for k in (1, gpus)]
    return [f"{mean:.3g} [{low:.3g}, {high:.3g}]", f"{flops:.3g}", *times]
