"""Accuracy from pools of samples: pass@k, the expected accuracy of an aggregation, intervals, bins.

A pool is N independent candidates of one problem. What an aggregation would have achieved with
k <= N of them is its mean over all subsets of size k: in closed form where there is one, else over
random subsets. Candidates of a guided search (beams, subtrees) depend on each other: they are no
pool, and only k = N means something for them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

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
FLOAT_BITS = 1000.0
"""A float is never so many times halved that nothing is left of it."""


@dataclass(frozen=True, slots=True)
class Pool:
    """N independent candidates of one problem, in sampling order.

    `groups[i]` is the equivalence class of answer i (None: no answer), `correct[i]` whether that
    answer is right, `step_scores[i]` the scores of its steps (nan: unscored). A failed search
    leaves an empty pool, which has no accuracy at any k.
    """

    groups: Sequence[int | None]
    correct: Sequence[bool]
    step_scores: Sequence[Sequence[float]]

    def __post_init__(self) -> None:
        sizes = {len(self.groups), len(self.correct), len(self.step_scores)}
        if len(sizes) != 1:
            raise ValueError(f"a pool needs one group, grade and score each, got sizes {sizes}")


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
    """For each k, how often `aggregation` selects a correct answer from k candidates of the pool.

    Exact for k = 1, k = N and every "max" (the best of a random subset follows from hypergeometric
    weights; of equal scores the earlier candidate wins, as in `select`). Else the mean over
    `draws` subsets without replacement, which depend on nothing but `seed`, `draws` and N, so
    aggregations are compared on the same subsets. There, sums that differ by less than one part in
    1e9 tie.
    """
    n = len(pool.groups)
    if not all(1 <= k <= n for k in ks):
        raise ValueError(f"every k must be in 1..{n}, the size of the pool, not {list(ks)}")
    halves = scoring_and_voting(aggregation)
    weights = path_weights(pool.step_scores, halves[0]) if halves else [1.0] * n
    votes = [
        None if group is None else weight
        for group, weight in zip(pool.groups, weights, strict=True)
    ]
    if halves and halves[1] == "max":
        return [_best_of_k(votes, pool.correct, k) for k in ks]
    sampled = [k for k in ks if 1 < k < n]
    estimates = dict(zip(sampled, _sampled_votes(pool, votes, sampled, seed, draws), strict=True))
    for k in set(ks) - set(sampled):
        estimates[k] = _best_of_k(votes, pool.correct, 1) if k == 1 else _whole(pool, aggregation)
    return [estimates[k] for k in ks]


def _whole(pool: Pool, aggregation: str) -> float:
    """Whether the aggregation is right on all N; a group is as most of its candidates are."""
    winner = aggregate(aggregation, pool.groups, pool.step_scores)
    return float(winner in right_groups(pool.groups, pool.correct))


def _best_of_k(votes: Sequence[Weight | None], correct: Sequence[bool], k: int) -> float:
    """Expected correctness of the best of k: the r-th best of n is the best of a random subset
    with probability C(n-1-r, k-1) / C(n, k). Candidates without a vote (None) rank last."""
    n = len(votes)
    voters = [(weight, i) for i, weight in enumerate(votes) if weight is not None]
    ranked = [i for _, i in sorted(voters, key=lambda voter: voter[0], reverse=True)]
    favourable = sum(math.comb(n - 1 - r, k - 1) for r, i in enumerate(ranked) if correct[i])
    return favourable / math.comb(n, k)


def _sampled_votes(
    pool: Pool, votes: Sequence[Weight | None], ks: Sequence[int], seed: int, draws: int
) -> list[float]:
    """Mean correctness of the group with the largest sum of votes in random subsets, per k."""
    if not ks:
        return []
    logs = np.array([math.nan if w is None else math.log2(w) if w else -math.inf for w in votes])
    voting = ~np.isnan(logs)
    members = [
        np.flatnonzero([g == group for g in pool.groups] & voting)
        for group in dict.fromkeys(pool.groups)
        if group is not None
    ]
    members = [indices for indices in members if indices.size]
    if not members:
        return [0.0] * len(ks)
    right_ones = right_groups(pool.groups, pool.correct)
    right = np.array([pool.groups[indices[0]] in right_ones for indices in members])
    n = len(votes)
    # The rank of each candidate in one random order per draw: the subset of size k is rank < k.
    order = np.random.default_rng(seed).random((draws, n)).argsort(axis=1)
    ranks = order.argsort(axis=1)  # [draws, candidates]
    means = []
    for k in ks:
        chosen = ranks < k
        won = _winners(chosen, _comparable(logs, chosen), members)
        means.append(float(np.mean(np.where(won >= 0, right[won], False))))
    return means


def _comparable(logs: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights to add up within a draw, from their logarithms to base 2 [candidates]: those of all
    draws [1, candidates], or of each [draws, candidates] where some would be below the smallest
    float beside the largest of all."""
    known = np.where(np.isnan(logs), -np.inf, logs)
    largest = known.max(keepdims=True)[None]
    if np.any(known[np.isfinite(known)] < largest - FLOAT_BITS):
        largest = np.where(chosen, known, -np.inf).max(axis=1, keepdims=True)
    # With nothing but zeros there is nothing to be measured by.
    shifted = known - np.where(np.isfinite(largest), largest, 0.0)
    weights: NDArray[np.float64] = np.exp2(np.minimum(shifted, 0.0))
    return weights


def _winners(
    chosen: NDArray[np.bool_], weights: NDArray[np.float64], members: list[NDArray[np.intp]]
) -> NDArray[np.intp]:
    """The winning group of each draw [draws], -1 where nobody votes.

    `chosen` is [draws, candidates], `weights` as `_comparable`; `members` lists the voting
    candidates of each group.
    """
    totals = np.empty((len(chosen), len(members)))
    first = np.empty((len(chosen), len(members)))
    for group, indices in enumerate(members):
        here = chosen[:, indices]
        present = here.any(axis=1)
        sums = np.where(here, weights[:, indices], 0.0).sum(axis=1)
        totals[:, group] = np.where(present, sums, -np.inf)
        first[:, group] = np.where(present, indices[here.argmax(axis=1)], np.inf)
    best = totals.max(axis=1, keepdims=True)
    tied = np.isclose(totals, best, rtol=1e-9, atol=0.0) & np.isfinite(first)
    winner = np.where(tied, first, np.inf).argmin(axis=1)
    return np.where(tied.any(axis=1), winner, -1)


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
