"""How accuracy grows with the budget, and where one curve reaches or overtakes another.

    log         a + b * log2(N)
    saturating  c - a * N ** -b,  a, b > 0, c <= 1

The forms are compared by the error of predicting each point from the others. Overtaking is read
from measured points; its certainty comes from resampling problems, the same ones on both sides.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

EXPONENTS = np.geomspace(0.02, 3.0, 120)
DRAWS = 2000


@dataclass(frozen=True)
class Fit:
    """A fitted form: its name, its parameters, and the root mean square error of leaving one point
    out, nan with fewer points than it takes."""

    form: str
    parameters: tuple[float, ...]
    error: float

    def formula(self, x: str) -> str:
        """It written out, in terms of `x`."""
        if self.form == "log":
            return f"{self.parameters[0]:.3f} + {self.parameters[1]:.4f} log2 {x}"
        limit, scale, b = self.parameters
        return f"{limit:.3f} - {scale:.3f} {x}^-{b:.2f}"


def fit_log(n: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, ...]:
    """Least squares of a + b log2 N."""
    slope, start = np.polyfit(np.log2(n), y, 1)
    return float(start), float(slope)


def fit_saturating(n: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, ...]:
    """Least squares of c - a N^-b over a grid of b, with c <= 1; flat where a would be negative."""
    best = (math.inf, (float(y.mean()), 0.0, 1.0))
    for b in EXPONENTS:
        slope, limit = np.polyfit(n**-b, y, 1)
        if slope > 0 or limit > 1:
            continue
        error = float(((limit + slope * n**-b - y) ** 2).sum())
        best = min(best, (error, (float(limit), -float(slope), float(b))))
    return best[1]


def predict(form: str, parameters: Sequence[float], n: float) -> float:
    """The form's accuracy at budget `n`."""
    if form == "log":
        start, slope = parameters
        return start + slope * math.log2(n)
    limit, scale, b = parameters
    return float(limit - scale * n**-b)


FORMS = {"log": (fit_log, 3), "saturating": (fit_saturating, 4)}
"""Each form's fit, and the points that leaving one out takes."""


def fits(budgets: Sequence[float], accuracies: Sequence[float]) -> list[Fit]:
    """Every form fitted to the points, the one that predicts best first. Two points at least. The
    budget may be N or FLOPs in any unit."""
    n, y = np.asarray(budgets, dtype=np.float64), np.asarray(accuracies, dtype=np.float64)
    if len(n) < 2 or len(n) != len(y):
        raise ValueError(f"a curve needs two points or more, got {len(n)} and {len(y)}")
    found = []
    for form, (fit, needed) in FORMS.items():
        error = math.nan
        if len(n) >= needed:
            misses = [
                predict(form, fit(np.delete(n, at), np.delete(y, at)), n[at]) - y[at]
                for at in range(len(n))
            ]
            error = float(np.sqrt(np.mean(np.square(misses))))
        found.append(Fit(form, fit(n, y), error))
    return sorted(found, key=lambda each: (math.isnan(each.error), each.error))


@dataclass(frozen=True)
class Lead:
    """By how much one side's mean is above another's, with its 95 % interval, and the share of
    resamples in which it is."""

    mean: float
    low: float
    high: float
    certainty: float


def lead(
    values: NDArray[np.float64], others: NDArray[np.float64], seed: int = 0, draws: int = DRAWS
) -> Lead:
    """The lead of `values` over `others` [problems], problems resampled in pairs."""
    difference = np.asarray(values) - np.asarray(others)
    size = difference.size
    counts = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), size=draws)
    means = counts @ difference / size
    low, high = np.percentile(means, [2.5, 97.5])
    return Lead(float(difference.mean()), float(low), float(high), float((means > 0).mean()))


@dataclass(frozen=True)
class Gain:
    """By what factor one curve needs less budget than another to reach the other's best accuracy.

    `n` is the smallest budget of the other's `best`, `reached` where this curve has it too, None
    if nowhere or if the best is 0. `at_least`: that is its smallest budget, and a smaller one might
    do.
    """

    best: float
    n: float
    reached: float | None
    at_least: bool = False

    @property
    def factor(self) -> float | None:
        return None if self.reached is None else self.n / self.reached


Curve = Sequence[tuple[float, float]]
"""Points of budget and accuracy, budgets rising."""


def gain(curve: Curve, other: Curve) -> Gain:
    """The efficiency gain of `curve` over `other` (arXiv 2502.06703, Table 5), along straight lines
    between points. Neither is empty."""
    best = max(accuracy for _, accuracy in other)
    n = next(n for n, accuracy in other if accuracy == best)
    if best == 0:
        return Gain(best, n, None)
    first, accuracy = curve[0]
    if accuracy >= best:
        return Gain(best, n, first, at_least=True)
    for (left, low), (right, high) in pairwise(curve):
        if high >= best:
            return Gain(best, n, left + (right - left) * (best - low) / (high - low))
    return Gain(best, n, None)
