"""A sweep's figure: accuracy against FLOPs, a panel for each policy, a line for each method."""

from collections.abc import Sequence

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from tts_ray.analysis.compute_optimal import Evidence
from tts_ray.analysis.curves import highest
from tts_ray.analysis.figure import CEILING, png
from tts_ray.analysis.metrics import accuracy
from tts_ray.analysis.outcomes import HEADLINE
from tts_ray.analysis.study import Study


def plot(studies: Sequence[Study]) -> bytes:
    """The figure as PNG. The dashed level is each policy's greedy answer."""
    figure, axes = plt.subplots(
        1, len(studies), figsize=(4.2 * len(studies), 3.8), sharey=True, squeeze=False
    )
    for axis, study in zip(axes[0], studies, strict=True):
        draw(axis, study.evidence())
        axis.set_title(study.name, fontsize=9)
        axis.set_xlabel(f"FLOPs per problem ({study.sizes.convention})")
    axes[0][0].set_ylabel(f"accuracy (%), {HEADLINE}")
    axes[0][-1].legend(fontsize=8)
    return png(figure, dpi=130)


def draw(axis: Axes, evidence: Evidence) -> None:
    """One panel, with 95 % intervals."""
    for label in dict.fromkeys(arm.search.label for arm in evidence.values):
        mine = sorted(
            (a for a in evidence.values if (a.search.label, a.aggregation) == (label, HEADLINE)),
            key=lambda arm: arm.n,
        )
        if not mine:
            greedy = next(arm for arm in evidence.values if arm.search.label == label)
            level = 100 * float(evidence.values[greedy].mean())
            axis.axhline(level, linestyle="--", color="grey", label=label)
            continue
        found = [accuracy(evidence.values[arm]) for arm in mine]
        costs = [float(evidence.costs[arm].mean()) for arm in mine]
        (line,) = axis.plot(costs, [100 * e.mean for e in found], marker="o", label=label)
        low, high = ([100 * getattr(e, end) for e in found] for end in ("low", "high"))
        axis.fill_between(costs, low, high, color=line.get_color(), alpha=0.12)
        ceilings = [100 * highest(evidence.read[arm.search], arm.n).mean for arm in mine]
        axis.plot(costs, ceilings, color=line.get_color(), **CEILING)
    axis.plot([], [], color="grey", label="pass@N of the same colour", **CEILING)
    axis.set_xscale("log")
    axis.grid(alpha=0.3)
