"""What W&B shows of a run: a row of metrics for each record, and a table at the end. Both follow
from a scoreboard, so a stored run can be shown again."""

from collections.abc import Iterator
from typing import Any

from tts_ray.analysis.scoreboard import Scoreboard
from tts_ray.flops import CONVENTIONS, Sizes, flops

COLUMNS = ["search", "problems", "failed", "aggregation", "accuracy"]


def metrics(board: Scoreboard, sizes: Sizes) -> Iterator[tuple[str, float]]:
    """Totals of the run and the running accuracy of each search."""
    work = board.work
    yield "problems_done", board.done
    yield "failed", board.failed
    yield "tokens/policy_generated", work.policy.generated_tokens
    yield "tokens/policy_computed", work.policy.computed_tokens
    yield "tokens/prm_computed", work.reward.computed_tokens
    for name, usage in (("policy", work.policy), ("prm", work.reward)):
        yield f"cache_hit_rate/{name}", usage.hit_rate
    for name, value in flops(work, sizes).items():
        yield f"flops/{name}", value
    for key, score in board.scores.items():
        for aggregation, accuracy in score.accuracy.items():
            yield f"accuracy/{key}/{aggregation}", accuracy


def summary(board: Scoreboard, sizes: Sizes) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows: one for each search and aggregation."""
    rows: list[list[Any]] = []
    for key, score in board.scores.items():
        spent = [flops(score.work, sizes).get(name) for name in CONVENTIONS]
        for aggregation, accuracy in score.accuracy.items():
            rows.append([key, score.done, score.failed, aggregation, accuracy, *spent])
    return [*COLUMNS, *(f"flops_{name}" for name in CONVENTIONS)], rows
