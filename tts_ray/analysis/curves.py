"""Accuracy against budget: what a run's outcomes say of each search at each budget.

A search whose candidates are i.i.d. is read at every budget its pool holds; the compute of k of
its N candidates is taken as k/N of what the pool cost, which is its expectation.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tts_ray.analysis.cost import per_problem
from tts_ray.analysis.metrics import (
    Difficulty,
    Estimate,
    accuracy,
    difficulty_bin,
    expected_accuracy,
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
    found = []
    for search in dict.fromkeys(outcome.search for outcome in outcomes):
        mine = [o for o in outcomes if o.search == search and o.error is None]
        if not mine:
            continue
        n = search.n
        budgets = nested_budgets(n) if search.is_pool else [n]
        accuracies = curves(mine, budgets)
        ungraded = sum(outcome.ungraded > 0 for outcome in mine)
        asked = sum(outcome.asked for outcome in mine)
        unscored = sum(outcome.unscored for outcome in mine) / max(1, asked)
        found += [
            Point(
                search,
                k,
                {name: each[at] for name, each in accuracies.items()},
                *cost(mine, k / n, sizes),
                ungraded,
                unscored,
            )
            for at, k in enumerate(budgets)
        ]
    order = list(dict.fromkeys(each.name for each in found))
    return sorted(found, key=lambda each: (order.index(each.name), each.n))


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
        right = [
            correct and group is not None
            for correct, group in zip(outcome.pool.correct, outcome.pool.groups, strict=True)
        ]
        bins[outcome.problem_id] = difficulty_bin(pass_at_k(len(right), sum(right), 1))
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
