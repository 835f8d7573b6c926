"""Accuracy against budget: what a run's outcomes say of each search at each budget.

A search with a unit is read at every budget of whole units that is compared; the compute of a
budget k of its N is taken as k/N of what the whole cost, which is its expectation.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tts_ray.analysis.cost import per_problem
from tts_ray.analysis.metrics import (
    Difficulty,
    Estimate,
    accuracy,
    difficulty_bin,
    pass_at_k,
)
from tts_ray.analysis.outcomes import Outcome
from tts_ray.flops import Convention, Sizes, Work
from tts_ray.types import SearchId

HEADLINE = "last-vote"
"""The aggregation shown where one must stand for all; the majority vote where nothing is scored."""


@dataclass(frozen=True)
class Point:
    """One search at one budget: accuracy by aggregation; tokens that the policy generated and
    FLOPs by convention, means per problem. Of `ungraded` problems a grade is not certain;
    `unscored` is the share of all answers that are longer than the reward model's context."""

    search: SearchId
    n: int
    accuracy: dict[str, Estimate]
    tokens: float
    flops: dict[Convention, float]
    ungraded: int = 0
    unscored: float = 0.0

    @property
    def name(self) -> str:
        return self.search.label

    @property
    def headline(self) -> Estimate:
        return self.accuracy[headline(self.accuracy)]


def headline(accuracy: Iterable[str]) -> str:
    """The aggregation that stands for all."""
    return HEADLINE if HEADLINE in accuracy else "majority"


def points(outcomes: Sequence[Outcome], sizes: Sizes) -> list[Point]:
    """One point per search and budget, in the order of first appearance, budgets rising."""
    runs: dict[SearchId, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.error is None:
            runs.setdefault(outcome.search, []).append(outcome)
    read = readings({search: len(mine) for search, mine in runs.items()})
    found = []
    for search, budgets in read.items():
        mine = runs[search]
        accuracies = curves(mine, budgets)
        ungraded = sum(outcome.ungraded > 0 for outcome in mine)
        asked = sum(outcome.asked for outcome in mine)
        unscored = sum(outcome.unscored for outcome in mine) / max(1, asked)
        found += [
            Point(
                search.at(k),
                k,
                {name: each[at] for name, each in accuracies.items()},
                *cost(mine, k / search.n, sizes),
                ungraded,
                unscored,
            )
            for at, k in enumerate(budgets)
        ]
    order = list(dict.fromkeys(search.label for search in runs))
    return sorted(found, key=lambda each: (order.index(each.name), each.n))


def budgets(search: SearchId, also: Iterable[int] = ()) -> list[int]:
    """The budgets that a run can be read at: its own and, if it has a unit, one unit, the powers
    of 4 in whole units, and those of `also` that are whole units."""
    n, unit = search.n, search.unit
    if unit is None:
        return [n]
    powers = [4**power // unit * unit for power in range(n.bit_length()) if 4**power < n]
    smaller = [unit, *powers, *(k for k in also if k % unit == 0)]
    return sorted({n, *(k for k in smaller if unit <= k < n)})


def readings(problems: Mapping[SearchId, int]) -> dict[SearchId, list[int]]:
    """The budgets to read each run at: its own, and those of the others that it holds. Of runs of
    one search that hold the same budget, only the one with the most problems is read at it, and of
    those the largest.

    Args:
        problems: how many problems each run has.
    """
    compared = {k for search in problems for k in budgets(search)}
    holder: dict[SearchId, SearchId] = {}
    for run in sorted(problems, key=lambda run: (problems[run], run.n)):
        holder |= {run.at(k): run for k in budgets(run, compared)}
    read: dict[SearchId, list[int]] = {run: [] for run in problems if run in holder.values()}
    for at, run in holder.items():
        read[run].append(at.n)
    return {run: sorted(ks) for run, ks in read.items()}


def curves(outcomes: Sequence[Outcome], budgets: list[int]) -> dict[str, list[Estimate]]:
    """Accuracy by aggregation at each budget."""
    scored = max(outcomes, key=lambda outcome: len(outcome.aggregations))
    found = {}
    for aggregation in scored.aggregations:
        values = [outcome.chances(aggregation, budgets) for outcome in outcomes]
        found[aggregation] = [accuracy(column) for column in zip(*values, strict=True)]
    return found


def cost(
    outcomes: Sequence[Outcome], share: float, sizes: Sizes
) -> tuple[float, dict[Convention, float]]:
    """Mean tokens generated and FLOPs per problem, of a share of each pool."""
    total = sum((outcome.work for outcome in outcomes), Work())
    count = len(outcomes)
    tokens = share * total.policy.generated_tokens / count
    return tokens, per_problem(total, count, sizes, share)


def difficulties(outcomes: Sequence[Outcome]) -> dict[str, Difficulty]:
    """Difficulty of each problem for this policy: its pass@1 in the largest i.i.d. pool of the
    run, in the paper's absolute bins (arXiv 2502.06703). Empty without such a pool."""
    pools = [o for o in outcomes if o.search.is_pool and o.error is None]
    bins = {}
    for outcome in sorted(pools, key=lambda outcome: outcome.search.n):
        pass_at_1 = pass_at_k(outcome.pool.size, outcome.pool.right_units, 1)
        bins[outcome.problem_id] = difficulty_bin(pass_at_1)
    return bins


def split(
    outcomes: Sequence[Outcome], key: Callable[[Outcome], object]
) -> dict[object, list[Outcome]]:
    """Outcomes by `key`; those whose key is None are in no part."""
    parts: dict[object, list[Outcome]] = {}
    for outcome in outcomes:
        part = key(outcome)
        if part is not None:
            parts.setdefault(part, []).append(outcome)
    return parts
