"""What W&B shows of a run: a row of metrics for each record, and at the end tables, the curve of
accuracy against FLOPs, and the files. All of it follows from scoreboards and stored outcomes, so a
stored run can be shown again."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tts_ray.analysis.cost import per_problem
from tts_ray.analysis.metrics import wilson
from tts_ray.analysis.outcomes import Outcome
from tts_ray.analysis.scoreboard import Score, Scoreboard
from tts_ray.analysis.seconds import Seconds
from tts_ray.analysis.stored import stored_outcomes
from tts_ray.flops import CONVENTIONS, Sizes, flops
from tts_ray.results.folder import Folder
from tts_ray.results.grade_file import grade_files
from tts_ray.results.stored_parts import parts
from tts_ray.types import SearchId


@dataclass(frozen=True)
class Table:
    """Rows under named columns."""

    columns: list[str]
    rows: list[list[Any]]


class Log(Protocol):
    """Where it is shown."""

    def log(self, values: Mapping[str, float | int]) -> None: ...
    def table(self, name: str, columns: list[str], rows: list[list[Any]]) -> None: ...
    def keep(self, name: str, addresses: Iterable[str]) -> None: ...


def metrics(board: Scoreboard, sizes: Sizes, search: SearchId) -> Iterator[tuple[str, float]]:
    """Totals of the run, and of the search that a record came from: its running accuracy with the
    ends of its 95 % interval (Wilson) for each aggregation, and by level of the dataset; pass@N and
    the share of the gap to it that is closed; how candidates ended, ties, and mean seconds."""
    work = board.work
    yield "problems_done", board.done
    yield "failed", board.failed
    yield "ungraded", board.ungraded
    yield "unscored_share", board.unscored_share
    yield "tokens/policy_generated", work.policy.generated_tokens
    yield "tokens/policy_computed", work.policy.computed_tokens
    yield "tokens/prm_computed", work.reward.computed_tokens
    for name, usage in (("policy", work.policy), ("prm", work.reward)):
        yield f"cache_hit_rate/{name}", usage.hit_rate
    for name, value in flops(work, sizes).items():
        yield f"flops/{name}", value
    score = board.scores[search]
    if score.coverage is not None and score.tied_share is not None:
        yield f"coverage/{search}", score.coverage
        yield f"no_answer_share/{search}", score.endings.no_answer_share
        yield f"cut_share/{search}", score.endings.cut_share
        yield f"tied_share/{search}", score.tied_share
        yield f"seconds/{search}", sum(score.times) / score.done
    for aggregation, closed in score.closed.items():
        if closed is not None:
            yield f"closed/{search}/{aggregation}", closed
    for aggregation, right in score.right.items():
        low, high = wilson(right, score.done)
        yield f"accuracy/{search}/{aggregation}", right / score.done
        yield f"accuracy_low/{search}/{aggregation}", low
        yield f"accuracy_high/{search}/{aggregation}", high
    for level, tally in sorted(score.levels.items()):
        yield f"accuracy_by_level/{search}/{level}", tally.right / tally.done


def show_results(log: Log, name: str, board: Scoreboard, sizes: Sizes, run: Folder) -> None:
    """Show a run that ended: its searches, its problems, its curve, and its files as an artifact
    of that name."""
    for row in curve(board, sizes):
        log.log(row)
    for title, table in (
        ("searches", searches_table(board, sizes)),
        ("problems", problems_table(stored_outcomes(run, failed=True))),
    ):
        log.table(title, table.columns, table.rows)
    log.keep(name, [run.address(file) for file in ("run.yaml", *parts(run), *grade_files(run))])


def show_sweep(log: Log, sweep: Folder, cells: Mapping[str, tuple[Scoreboard, Sizes]]) -> None:
    """Show a sweep as a whole: a table of all cells, and its strategies as an artifact."""
    tables = {cell: searches_table(board, sizes) for cell, (board, sizes) in cells.items()}
    columns = next(iter(tables.values())).columns
    rows = [[cell, *row] for cell, table in tables.items() for row in table.rows]
    log.table("cells", ["cell", *columns], rows)
    strategies = [name for name in sweep.files() if name.startswith("strategy-")]
    log.keep(f"{sweep.name}-strategies", map(sweep.address, strategies))


def curve(board: Scoreboard, sizes: Sizes) -> list[dict[str, float]]:
    """One row for each search, the cheapest first: FLOPs a problem by every convention, pass@N, and
    the final accuracy of its method by aggregation."""
    found = []
    for key, score in board.scores.items():
        if score.coverage is None:
            continue
        costs = per_problem(score.finished, score.done, sizes)
        row = {f"curve/flops_{name}": value for name, value in costs.items()}
        row[f"curve/coverage/{key.label}"] = score.coverage
        for aggregation, accuracy in score.accuracy.items():
            row[f"curve/accuracy/{key.label}/{aggregation}"] = accuracy
        found.append(row)
    return sorted(found, key=lambda row: row["curve/flops_paper"])


def searches_table(board: Scoreboard, sizes: Sizes) -> Table:
    """A row for each search and aggregation."""
    columns = ["search", "n", "problems", "failed", "ungraded", "unscored_share"]
    columns += ["no_answer_share", "cut_share", "tied_share", "seconds_median", "seconds_p90"]
    columns += ["coverage", "aggregation", "accuracy", "low", "high", "closed"]
    rows = [
        [*counts(key, score), *row, *spent(score, sizes)]
        for key, score in board.scores.items()
        for row in accuracies(score)
    ]
    return Table([*columns, *(f"flops_{name}" for name in CONVENTIONS)], rows)


def counts(key: SearchId, score: Score) -> list[str | float | None]:
    """A search, its budget, its problems, what of them is not certain, how their candidates ended,
    how long they took, and pass@N."""
    seconds, endings = Seconds.of(score.times), score.endings
    return [
        *(key.label, key.n, score.done, score.failed, score.ungraded, score.unscored_share),
        *(endings.no_answer_share, endings.cut_share, score.tied_share),
        *((seconds.median, seconds.p90) if seconds else (None, None)),
        score.coverage,
    ]


def accuracies(score: Score) -> list[list[Any]]:
    """Aggregation, accuracy, the ends of its interval, and the share of the gap to pass@N that it
    closes; one empty row if nothing was done."""
    closed = score.closed
    found: list[list[Any]] = [
        [aggregation, right / score.done, *wilson(right, score.done), closed[aggregation]]
        for aggregation, right in score.right.items()
    ]
    return found or [[None] * 5]


def spent(score: Score, sizes: Sizes) -> list[float | None]:
    """FLOPs by convention, in their order."""
    found = flops(score.work, sizes)
    return [found.get(name) for name in CONVENTIONS]


def problems_table(outcomes: Iterable[Outcome]) -> Table:
    """A row for each problem and search, failed attempts included."""
    columns = ["problem", "level", "search", "n", "right", "candidates"]
    columns += ["policy_tokens", "prm_tokens"]
    rows = [
        [
            outcome.problem_id,
            outcome.level,
            outcome.search.label,
            outcome.search.n,
            None if outcome.error else outcome.right(outcome.headline),
            len(outcome.pool.groups),
            outcome.policy_usage.generated_tokens,
            outcome.reward_usage.computed_tokens,
            outcome.seconds,
            outcome.repeats,
            outcome.error,
            outcome.ungraded,
            outcome.unscored,
            outcome.right_candidates,
            outcome.endings.no_answer,
            outcome.endings.cut,
            None if outcome.error else outcome.is_tied,
        ]
        for outcome in outcomes
    ]
    columns += ["seconds", "repeats", "error", "ungraded", "unscored"]
    return Table([*columns, "right_candidates", "no_answer", "cut", "tied"], rows)
