"""The ceiling of selection: how often there is a right answer to be selected at all.

    closed = (accuracy - pass@1) / (pass@N - pass@1)

is the share of the gap that a selection closes: 0 is what one sample achieves, 1 what a selection
that always knows the right answer would.
"""

from collections.abc import Iterable

from tts_ray.analysis.metrics import pass_at_k
from tts_ray.analysis.outcomes import Outcome

SMALLEST_GAP = 1e-9
"""A gap that is smaller is none: means of the same numbers in another order differ by less."""


def ceiling(outcome: Outcome, n: int) -> float:
    """The chance that one of `n` candidates is right: pass@k of k units if the search has any; else
    whether one of the kept candidates is."""
    pool, unit = outcome.pool, outcome.search.unit
    if unit is None:
        return float(pool.right_units > 0)
    return pass_at_k(pool.size, pool.right_units, n // unit)


def pass_at_1(outcomes: Iterable[Outcome]) -> dict[str, float]:
    """pass@1 of each problem that has an i.i.d. pool, from the largest one; the mean over those of
    several seeds. Empty without a pool."""
    pools = [each for each in outcomes if each.search.is_pool and each.error is None]
    largest: dict[str, list[Outcome]] = {}
    for each in pools:
        held = largest.setdefault(each.problem_id, [])
        if held and each.search.n > held[0].search.n:
            held.clear()
        if not held or each.search.n == held[0].search.n:
            held.append(each)
    return {
        problem: sum(ceiling(each, 1) for each in held) / len(held)
        for problem, held in largest.items()
    }


def closed_share(accuracy: float, one_sample: float | None, highest: float) -> float | None:
    """The share of the gap from pass@1 to pass@N that a selection closes; negative for one that is
    worse than one sample. None where pass@1 is not known or there is no gap above it."""
    if one_sample is None or highest - one_sample < SMALLEST_GAP:
        return None
    return (accuracy - one_sample) / (highest - one_sample)
