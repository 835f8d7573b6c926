"""Accuracy from pools of units: pass@k, the expected accuracy of an aggregation, intervals, bins.

A pool is what one search left of one problem, in units that are independent and alike: samples of
best-of-N, subtrees of DVTS. Any k of its units are what a run of that size leaves, so what an
aggregation achieves with k of them is its mean over all subsets of k units: in closed form where
there is one, over all of them where they are few, else over random ones. Candidates within a unit
and those of a beam search depend on each other; of a beam search only the whole means something.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from tts_ray.analysis.ballots import Ballots, subsets
from tts_ray.grading.selection import (
    Weight,
    aggregate,
    path_weights,
    right_groups,
    scoring_and_voting,
)

DRAWS = 1000
"""Random subsets per k: the standard error on one problem is at most 0.5 / sqrt(1000) = 1.6 %,
and over 500 problems that of their mean is below 0.1 %."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The candidates of one problem in lineage order, and the exchangeable units they are of.

    `groups[i]` is the equivalence class of answer i (None: no answer), `correct[i]` whether that
    answer is right, `step_scores[i]` the scores of its steps (nan: unscored). `units[i]` is the
    unit of candidate i, in 0..count-1; a unit of which nothing was left has no candidate. Without
    `units` and `count` every candidate is a unit of its own. A failed search leaves an empty pool,
    which has no accuracy at any k.
    """

    groups: Sequence[int | None]
    correct: Sequence[bool]
    step_scores: Sequence[Sequence[float]]
    units: Sequence[int] | None = None
    count: int | None = None

    def __post_init__(self) -> None:
        sizes = {len(self.groups), len(self.correct), len(self.step_scores)}
        if len(sizes) != 1:
            raise ValueError(f"a pool needs one group, grade and score each, got sizes {sizes}")
        if self.units is None and self.count is None:
            return
        if self.units is None or self.count is None or {len(self.units)} != sizes:
            raise ValueError("a pool needs a unit for each candidate and the count of all units")
        if not all(0 <= unit < self.count for unit in self.units):
            raise ValueError(f"every unit must be in 0..{self.count - 1}, not {self.units}")

    @property
    def size(self) -> int:
        """How many units there are."""
        return len(self.groups) if self.count is None else self.count

    @property
    def unit_of(self) -> Sequence[int]:
        """The unit of each candidate."""
        return range(len(self.groups)) if self.units is None else self.units

    @property
    def right_units(self) -> int:
        """How many units hold a correct answer: `pass_at_k(size, right_units, k)` is what no
        aggregation of k units can exceed."""
        candidates = zip(self.unit_of, self.groups, self.correct, strict=True)
        return len({unit for unit, group, right in candidates if right and group is not None})


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over `count` problems with the ends of its confidence interval."""

    mean: float
    low: float
    high: float
    count: int


class Difficulty(StrEnum):
    """The paper's bins of pass@1 (arXiv 2502.06703, section 3)."""

    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"


def wilson(right: int, count: int) -> tuple[float, float]:
    """The ends of the 95 % interval of a share of `count` > 0 problems (Wilson 1927): near the
    bootstrap's at no cost, and never empty at 0 and 1."""
    z = 1.96
    share = right / count
    middle = share + z**2 / (2 * count)
    half = z * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    # Rounding alone may put an end beside the share itself.
    low, high = ((middle + sign * half) / (1 + z**2 / count) for sign in (-1, 1))
    return max(0.0, min(low, share)), min(1.0, max(high, share))


def difficulty_bin(pass_at_1: float) -> Difficulty:
    """Easy from 50 %, medium from 10 %, hard below: an edge belongs to the easier bin."""
    if not 0 <= pass_at_1 <= 1:
        raise ValueError(f"pass@1 is a fraction in [0, 1], not {pass_at_1}")
    if pass_at_1 >= 0.5:
        return Difficulty.EASY
    return Difficulty.MEDIUM if pass_at_1 >= 0.1 else Difficulty.HARD


def pass_at_k(n: int, c: int, k: int) -> float:
    """Unbiased chance that k samples hold a correct one, given c correct of n.

    1 - C(n-c, k) / C(n, k) as a product of factors in [0, 1] (Chen et al. 2021,
    arXiv 2107.03374), which neither overflows nor cancels.
    """
    if not 0 <= c <= n or not 1 <= k <= n:
        raise ValueError(f"pass@k needs 0 <= c <= n and 1 <= k <= n, not n={n}, c={c}, k={k}")
    if k == 1:
        return c / n  # Exactly, as the difficulty bins compare it with their edges.
    return 1.0 - math.prod(1.0 - k / i for i in range(n - c + 1, n + 1))


def expected_accuracy(
    pool: Pool, aggregation: str, ks: Sequence[int], *, seed: int = 0, draws: int = DRAWS
) -> list[float]:
    """For each k, how often `aggregation` selects a correct answer from k units of the pool.

    Exact for k = 1, for all units, for every "max" (the best of a random subset follows from
    hypergeometric weights; of equal scores the earlier candidate wins, as in `select`), and where
    there are no more than `draws` subsets of k. Else the mean over `draws` subsets without
    replacement, with a standard error of at most 0.5 / sqrt(draws). The subsets depend on nothing
    but `seed`, `draws` and the number of units, so aggregations are compared on the same ones. In
    subsets, sums that differ by less than one part in 1e9 tie.
    """
    if not all(1 <= k <= pool.size for k in ks):
        raise ValueError(f"every k must be in 1..{pool.size}, the size of the pool, not {list(ks)}")
    halves = scoring_and_voting(aggregation)
    weights = path_weights(pool.step_scores, halves[0]) if halves else [1.0] * len(pool.groups)
    votes = [
        None if group is None else weight
        for group, weight in zip(pool.groups, weights, strict=True)
    ]
    if halves and halves[1] == "max":
        return _best_of(pool, votes, ks)
    found = {}
    for k in ks:
        if k == pool.size:
            found[k] = _of_all(pool, aggregation, range(len(pool.groups)))
        elif k == 1:
            found[k] = _of_each(pool, aggregation, votes)
    between = [k for k in ks if k not in found]
    if between:
        ballots = Ballots.of(pool.groups, pool.correct, votes, pool.unit_of)
        for k in between:
            found[k] = ballots.share_right(subsets(pool.size, k, seed, draws))
    return [found[k] for k in ks]


def _of_all(pool: Pool, aggregation: str, candidates: Sequence[int]) -> float:
    """Whether the aggregation is right on these candidates; a group is as most of them are."""
    groups = [pool.groups[i] for i in candidates]
    winner = aggregate(aggregation, groups, [pool.step_scores[i] for i in candidates])
    return float(winner in right_groups(groups, [pool.correct[i] for i in candidates]))


def _of_each(pool: Pool, aggregation: str, votes: Sequence[Weight | None]) -> float:
    """The mean over units of whether the aggregation is right on the unit alone."""
    answers: dict[int, list[int]] = {}
    for i, unit in enumerate(pool.unit_of):
        if pool.groups[i] is not None:
            answers.setdefault(unit, []).append(i)
    right = sum(
        _of_all(pool, aggregation, mine)
        if len(mine) > 1
        else pool.correct[mine[0]] and votes[mine[0]] is not None
        for mine in answers.values()
    )
    return right / pool.size


def _best_of(pool: Pool, votes: Sequence[Weight | None], ks: Sequence[int]) -> list[float]:
    """Expected correctness of the best of k units, each by its best candidate: the r-th best of n
    is the best of a random subset with probability C(n-1-r, k-1) / C(n, k). Units without a vote
    rank last."""
    n = pool.size
    voters = [(weight, i) for i, weight in enumerate(votes) if weight is not None]
    best: dict[int, bool] = {}
    for _, i in sorted(voters, key=lambda voter: voter[0], reverse=True):
        best.setdefault(pool.unit_of[i], pool.correct[i])
    ranks = [rank for rank, right in enumerate(best.values()) if right]
    return [sum(math.comb(n - 1 - r, k - 1) for r in ranks) / math.comb(n, k) for k in ks]


def bootstrap_interval(
    values: ArrayLike, seed: int = 0, draws: int = 2000, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean over problems; `values` is [problems].

    With few problems it is too narrow, and of no width at all when all values are equal.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or not sample.size or not 0 < level < 1:
        raise ValueError(f"need a non-empty [problems] array and 0 < level < 1, not {level}")
    rng = np.random.default_rng(seed)
    # Counts per problem are a resample, at a fraction of the memory of its indices.
    counts = rng.multinomial(sample.size, np.full(sample.size, 1 / sample.size), size=draws)
    means = counts @ sample / sample.size
    tail = 50 * (1 - level)
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)


def accuracy(values: ArrayLike, seed: int = 0) -> Estimate:
    """Mean of per-problem values in [0, 1] with its 95 % bootstrap interval."""
    sample = np.asarray(values, dtype=np.float64)
    low, high = bootstrap_interval(sample, seed)
    return Estimate(float(sample.mean()), low, high, sample.size)
