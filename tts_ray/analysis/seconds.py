"""How long a search takes: wall-clock seconds of one problem, in the load of its job."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Seconds:
    """Of the searches of several problems: half of them took no more than the `median`, nine in
    ten no more than `p90`."""

    median: float
    p90: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Seconds | None":
        """The quantiles, interpolated; None of nothing."""
        if not seconds:
            return None
        median, p90 = np.percentile(seconds, [50, 90])
        return cls(float(median), float(p90))

    def __str__(self) -> str:
        """E.g. "12.3 / 40.1"."""
        return f"{self.median:.3g} / {self.p90:.3g}"
