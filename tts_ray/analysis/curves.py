"""Accuracy against budget: what a run's outcomes say of each search at each budget.

A search with a unit is read at every budget of whole units that is compared; the compute of a
budget k of its N is taken as k/N of what the whole cost, which is its expectation.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tts_ray.analysis.ceiling import ceiling, closed_share, pass_at_1
from tts_ray.analysis.cost import per_problem
from tts_ray.analysis.endings import NO_ENDINGS, Endings
from tts_ray.analysis.metrics import (
    Difficulty,
    Estimate,
    accuracy,
    difficulty_bin,
)
from tts_ray.analysis.outcomes import HEADLINE, Outcome
from tts_ray.analysis.seconds import Seconds
from tts_ray.flops import Convention, Sizes, Work
from tts_ray.grading.selection import MAJORITY
from tts_ray.types import SearchId


@dataclass(frozen=True)
class Point:
    """One search at one budget.

    accuracy  by aggregation
    ceiling   pass@n: no selection from its candidates can be right more often
    closed    by aggregation, the share of the gap from pass@1 to the ceiling that it closes; None
              where pass@1 is not known or is the ceiling
    tokens    that the policy generated, and `flops` by convention, means per problem
    endings   of all candidates of the search
    ungraded  problems of which a grade is not certain
    unscored  the share of all answers that are longer than the reward model's context
    tied      the share of problems whose majority vote is decided by order
    seconds   of a search

    The last two are of the budget that ran, and None at the smaller ones that it is read at.
    """

    search: SearchId
    n: int
    accuracy: dict[str, Estimate]
    ceiling: Estimate
    closed: dict[str, float | None]
    tokens: float
    flops: dict[Convention, float]
    endings: Endings
    ungraded: int = 0
    unscored: float = 0.0
    tied: float | None = None
    seconds: Seconds | None = None

    @property
    def name(self) -> str:
        return self.search.label

    @property
    def headline(self) -> Estimate:
        return self.accuracy[headline(self.accuracy)]


def headline(accuracy: Iterable[str]) -> str:
    """The aggregation that stands for all."""
    return HEADLINE if HEADLINE in accuracy else MAJORITY


def points(outcomes: Sequence[Outcome], sizes: Sizes) -> list[Point]:
    """One point per search and budget, in the order of first appearance, budgets rising. A problem
    with several outcomes of a search, one for each seed, counts as their mean."""
    singles = pass_at_1(outcomes)
    runs: dict[SearchId, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.error is None:
            runs.setdefault(outcome.search, []).append(outcome)
    read = readings({search: len(mine) for search, mine in runs.items()})
    found = []
    for search, budgets in read.items():
        mine = runs[search]
        accuracies = curves(mine, budgets)
        found += [
            point(mine, k, {name: each[at] for name, each in accuracies.items()}, singles, sizes)
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


def point(
    outcomes: Sequence[Outcome],
    n: int,
    accuracies: dict[str, Estimate],
    singles: Mapping[str, float],
    sizes: Sizes,
) -> Point:
    """One search at budget `n`.

    Args:
        outcomes: of the search, at this budget or a larger one that it is read from.
        singles: pass@1 by problem, for a search that is no pool and has none of its own.
    """
    search = outcomes[0].search
    is_whole = n == search.n
    most = highest(outcomes, n)
    asked = sum(outcome.asked for outcome in outcomes)
    tokens, flops = cost(outcomes, n / search.n, sizes)
    base = one_sample(outcomes, singles) if n > 1 else None
    return Point(
        search,
        n,
        accuracies,
        most,
        {name: closed_share(each.mean, base, most.mean) for name, each in accuracies.items()},
        tokens,
        flops,
        sum((outcome.endings for outcome in outcomes), NO_ENDINGS),
        sum(outcome.ungraded > 0 for outcome in outcomes),
        sum(outcome.unscored for outcome in outcomes) / max(1, asked),
        sum(outcome.is_tied for outcome in outcomes) / len(outcomes) if is_whole else None,
        Seconds.of([outcome.seconds for outcome in outcomes]) if is_whole else None,
    )


def highest(outcomes: Sequence[Outcome], n: int) -> Estimate:
    """pass@n over the problems of a search."""
    return accuracy(by_problem(outcomes, [ceiling(each, n) for each in outcomes]))


def one_sample(outcomes: Sequence[Outcome], singles: Mapping[str, float]) -> float | None:
    """Mean pass@1 over the problems of a search: of itself if it is a pool, else of `singles`;
    None if a problem is missing there."""
    if outcomes[0].search.is_pool:
        singles = pass_at_1(outcomes)
    problems = {outcome.problem_id for outcome in outcomes}
    if not problems <= set(singles):
        return None
    return float(np.mean([singles[problem] for problem in sorted(problems)]))


def by_problem(outcomes: Sequence[Outcome], values: Sequence[float]) -> NDArray[np.float64]:
    """Values of outcomes as means of each problem [problems], in the order of first appearance."""
    found: dict[str, list[float]] = {}
    for outcome, value in zip(outcomes, values, strict=True):
        found.setdefault(outcome.problem_id, []).append(value)
    return np.array([sum(each) / len(each) for each in found.values()])


def curves(outcomes: Sequence[Outcome], budgets: list[int]) -> dict[str, list[Estimate]]:
    """Accuracy by aggregation at each budget."""
    scored = max(outcomes, key=lambda outcome: len(outcome.aggregations))
    found = {}
    for aggregation in scored.aggregations:
        values = [outcome.chances(aggregation, budgets) for outcome in outcomes]
        columns = zip(*values, strict=True)
        found[aggregation] = [accuracy(by_problem(outcomes, column)) for column in columns]
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
    return {problem: difficulty_bin(value) for problem, value in pass_at_1(outcomes).items()}


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
