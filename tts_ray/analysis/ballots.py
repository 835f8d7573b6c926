"""Votes in many subsets of a pool's units at once."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tts_ray.grading.selection import Weight

FLOAT_BITS = 1000.0
"""A float is never so many times halved that nothing is left of it."""

Subsets = NDArray[np.bool_]
"""Which units are in each subset [subsets, units]."""


def subsets(count: int, k: int, seed: int, draws: int) -> Subsets:
    """All subsets of k of `count` units if there are no more than `draws`, else that many."""
    if math.comb(count, k) > draws:
        return _ranks(count, seed, draws) < k
    every = np.array(list(itertools.combinations(range(count), k)))
    chosen = np.zeros((len(every), count), dtype=np.bool_)
    np.put_along_axis(chosen, every, True, axis=1)
    return chosen


@lru_cache(maxsize=2)
def _ranks(count: int, seed: int, draws: int) -> NDArray[np.int32]:
    """The rank of each unit in one random order per draw [draws, units]: the subset of k is
    rank < k."""
    order = np.random.default_rng(seed).random((draws, count)).argsort(axis=1)
    return order.argsort(axis=1).astype(np.int32)


@dataclass(frozen=True, slots=True)
class Ballots:
    """The answers of a pool, in its order: the unit, the logarithm to base 2 of the weight (nan: no
    vote), and 1 or -1 for right or wrong, each [answers]; and the answers of each group."""

    units: NDArray[np.intp]
    logs: NDArray[np.float64]
    signs: NDArray[np.intp]
    groups: list[NDArray[np.intp]]

    @classmethod
    def of(
        cls,
        groups: Sequence[int | None],
        correct: Sequence[bool],
        votes: Sequence[Weight | None],
        units: Sequence[int],
    ) -> "Ballots":
        """Of a pool's candidates; those without a group have no answer."""
        answers = [i for i, group in enumerate(groups) if group is not None]
        members: dict[int | None, list[int]] = {}
        for at, i in enumerate(answers):
            members.setdefault(groups[i], []).append(at)
        return cls(
            np.array([units[i] for i in answers], dtype=np.intp),
            np.array([_log(votes[i]) for i in answers], dtype=np.float64),
            np.array([1 if correct[i] else -1 for i in answers], dtype=np.intp),
            [np.array(mine) for mine in members.values()],
        )

    def share_right(self, chosen: Subsets) -> float:
        """In how many of the subsets the group with the largest sum of votes is right, as most of
        its answers in the subset are. Of equal sums the group that votes first wins."""
        if not self.groups:
            return 0.0
        here = chosen[:, self.units]  # [subsets, answers]
        voting = here & ~np.isnan(self.logs)
        weights = _comparable(self.logs, voting)
        shape = (len(chosen), len(self.groups))
        totals, first, balance = np.empty(shape), np.empty(shape), np.empty(shape)
        for group, answers in enumerate(self.groups):
            votes = voting[:, answers]
            present = votes.any(axis=1)
            sums = np.where(votes, weights[:, answers], 0.0).sum(axis=1)
            totals[:, group] = np.where(present, sums, -np.inf)
            first[:, group] = np.where(present, answers[votes.argmax(axis=1)], np.inf)
            balance[:, group] = self._balance(here, answers)
        best = totals.max(axis=1, keepdims=True)
        tied = np.isclose(totals, best, rtol=1e-9, atol=0.0) & np.isfinite(first)
        winner = np.where(tied, first, np.inf).argmin(axis=1)
        right = np.take_along_axis(balance, winner[:, None], axis=1)[:, 0] > 0
        return float(np.mean(right & tied.any(axis=1)))

    def _balance(self, here: NDArray[np.bool_], answers: NDArray[np.intp]) -> NDArray[np.intp]:
        """By how many the right answers of a group exceed the wrong ones, in each subset."""
        signs = self.signs[answers]
        if len(set(signs.tolist())) == 1:
            return signs[:1]
        balance: NDArray[np.intp] = np.where(here[:, answers], signs, 0).sum(axis=1)
        return balance


def _log(weight: Weight | None) -> float:
    if weight is None:
        return math.nan
    return math.log2(weight) if weight else -math.inf


def _comparable(logs: NDArray[np.float64], voting: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights to add up within a subset, from their logarithms to base 2 [answers]: those of all
    subsets [1, answers], or of each [subsets, answers] where some would be below the smallest float
    beside the largest of all."""
    known = np.where(np.isnan(logs), -np.inf, logs)
    largest = known.max(keepdims=True)[None]
    if np.any(known[np.isfinite(known)] < largest - FLOAT_BITS):
        largest = np.where(voting, known, -np.inf).max(axis=1, keepdims=True)
    # With nothing but zeros there is nothing to be measured by.
    shifted = known - np.where(np.isfinite(largest), largest, 0.0)
    weights: NDArray[np.float64] = np.exp2(np.minimum(shifted, 0.0))
    return weights
