"""How sure a policy was of its tokens: top-K log-probabilities, reduced to a few numbers a step.

As in DeepConf (arXiv 2508.15260), from the log-probabilities that vLLM gives: the model's own,
before temperature, top-p and top-k. DeepConf's code also averages in the sampled token where it is
not among the top K, and rounds to three decimals; here are the top K and no rounding.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from tts_ray.types import Confidence, Step

WINDOW = 2048
"""Tokens of a group, as in DeepConf."""

Numbers = NDArray[np.float64]


def per_token(rows: NDArray[np.floating]) -> tuple[Numbers, Numbers]:
    """The confidence C_t and the entropy of each token, in nats, each of shape (tokens,).

    Args:
        rows: (tokens, K) log-probabilities of the K most probable tokens at each place.
    """
    logs = rows.astype(np.float64)
    weights = np.exp(logs)
    totals = weights.sum(axis=1)
    entropy = np.log(totals) - (weights * logs).sum(axis=1) / totals
    # Rounding may leave the entropy of a certain token just below 0.
    return -logs.mean(axis=1), np.maximum(entropy, 0.0)


def with_confidence(
    steps: tuple[Step, ...], confidence: Sequence[float], entropy: Sequence[float]
) -> tuple[Step, ...]:
    """Steps that were generated together, with the confidence of each.

    Args:
        steps: one after the other.
        confidence: C_t of each of their tokens; what follows their last token is left out, and
            without any the steps are returned as they are.
        entropy: likewise.
    """
    if not confidence:
        return steps
    ends = [0, *accumulate(len(step.token_ids) for step in steps)]
    every = np.asarray(confidence[: ends[-1]])
    entropies = np.asarray(entropy[: ends[-1]])
    lowest = lowest_groups(every, ends)
    return tuple(
        replace(
            step,
            confidence=Confidence(
                float(every[start:end].mean()), group, float(entropies[start:end].mean())
            ),
        )
        if end > start
        else step
        for step, (start, end), group in zip(steps, pairwise(ends), lowest, strict=True)
    )


def lowest_groups(
    confidence: Numbers, ends: Sequence[int], window: int = WINDOW
) -> list[float | None]:
    """The lowest mean of `confidence` over `window` consecutive tokens that end in each step; None
    where no such group ends. Fewer tokens than that are one group, which ends in the last step.

    Args:
        confidence: of each token.
        ends: 0, and how many tokens there are up to the end of each step.
    """
    window = min(window, len(confidence))
    if not window:
        return [None] * (len(ends) - 1)
    sums = np.concatenate([[0.0], np.cumsum(confidence)])
    # Group i holds the tokens i to i + window - 1.
    groups = (sums[window:] - sums[:-window]) / window
    ending = (
        groups[max(0, start + 1 - window) : max(0, end + 1 - window)]
        for start, end in pairwise(ends)
    )
    return [float(found.min()) if found.size else None for found in ending]
