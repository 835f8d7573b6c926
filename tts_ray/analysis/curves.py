"""Accuracy against budget: what a run's outcomes say of each search at each budget.

A search whose candidates are i.i.d. is read at every budget its pool holds; the compute of k of
its N candidates is taken as k/N of what the pool cost, which is its expectation.
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
    expected_accuracy,
)
from tts_ray.analysis.outcomes import Outcome
from tts_ray.analysis.seconds import Seconds
from tts_ray.flops import Convention, Sizes, Work
from tts_ray.types import SearchId

HEADLINE = "last-vote"
"""The aggregation shown where one must stand for all; the majority vote where nothing is scored."""


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
    return HEADLINE if HEADLINE in accuracy else "majority"


def points(outcomes: Sequence[Outcome], sizes: Sizes) -> list[Point]:
    """One point per search and budget, in the order of first appearance, budgets rising. A problem
    with several outcomes of a search, one for each seed, counts as their mean."""
    singles = pass_at_1(outcomes)
    found = []
    for search in dict.fromkeys(outcome.search for outcome in outcomes):
        mine = [o for o in outcomes if o.search == search and o.error is None]
        if not mine:
            continue
        n = search.n
        budgets = nested_budgets(n) if search.is_pool else [n]
        accuracies = curves(mine, budgets)
        found += [
            point(mine, k, {name: each[at] for name, each in accuracies.items()}, singles, sizes)
            for at, k in enumerate(budgets)
        ]
    order = list(dict.fromkeys(each.name for each in found))
    return sorted(found, key=lambda each: (order.index(each.name), each.n))


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


def nested_budgets(n: int) -> list[int]:
    """The budgets a pool of `n` is read at: 1, 4, 16, ... and n itself."""
    budgets = [4**power for power in range(n.bit_length()) if 4**power < n]
    return [*budgets, n]


def curves(outcomes: Sequence[Outcome], budgets: list[int]) -> dict[str, list[Estimate]]:
    """Accuracy by aggregation at each budget; with one budget, over all kept candidates."""
    scored = max(outcomes, key=lambda outcome: len(outcome.aggregations))
    found = {}
    for aggregation in scored.aggregations:
        values = [
            expected_accuracy(outcome.pool, aggregation, budgets)
            if len(budgets) > 1
            else [float(outcome.right(aggregation))]
            for outcome in outcomes
        ]
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
