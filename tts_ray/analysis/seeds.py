"""Several seeds of one study: by how much a mean over problems moves from seed to seed.

The bootstrap over problems says what other problems would change, this what another draw on the
same problems would: the two are told apart, neither holds the other.
"""

import math
import statistics
from collections.abc import Sequence


def standard_error(means: Sequence[float]) -> float | None:
    """The standard deviation of the means of the seeds (n - 1) over the root of their number; None
    of one seed."""
    if len(means) < 2:
        return None
    return statistics.stdev(means) / math.sqrt(len(means))


def spread(means: Sequence[float], seeds: int) -> str:
    """What stands beside a mean over those of `seeds` seeds that have it, e.g. " ±0.8 (3 seeds)",
    " ±1.2 (2 of 3 seeds)" in percent; nothing in a study of one seed."""
    if seeds == 1:
        return ""
    error = standard_error(means)
    shown = "" if error is None else f" ±{100 * error:.1f}"
    held = f"{seeds} seeds" if len(means) == seeds else f"{len(means)} of {seeds} seeds"
    return f"{shown} ({held})"
