"""A run's report: a table for the terminal and plots as PNG."""

from collections.abc import Callable, Mapping, Sequence

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from rich.table import Table
from rich.text import Text

from tts_ray.analysis.curves import Point, headline
from tts_ray.analysis.figure import png
from tts_ray.analysis.metrics import Estimate
from tts_ray.flops import CONVENTIONS, Convention

SHOWN = ("majority", "last-max", "last-vote", "min-vote", "mean-vote", "prod-vote")

UNGRADED_NOTE = (
    "ungraded: problems with an answer that could not be compared within the limits of grading, "
    "which then counts as different"
)
UNSCORED_NOTE = (
    "unscored: % of the answers that are longer than the reward model's context; they have no "
    "voice but in the majority vote"
)


def percent(estimate: Estimate) -> str:
    """E.g. "62.5 [55.5, 69.0]", in percent."""
    return f"{estimate.mean:.1%} [{estimate.low:.0%}, {estimate.high:.0%}]".replace("%", "")


def accuracy_table(points: Sequence[Point], title: str) -> Table:
    """Every search at every budget: accuracy in percent with 95 % intervals, tokens, FLOPs; the
    problems whose grades are not certain and the share of answers without a score, if there are
    any."""
    shown = [name for name in SHOWN if any(name in point.accuracy for point in points)]
    uncertain = any(point.ungraded for point in points)
    unscored = any(point.unscored for point in points)
    caption = (
        "accuracy in % [95 % bootstrap interval]; per problem: "
        "tokens the policy generated, and GFLOPs by convention"
    )
    if uncertain:
        caption += f"\n{UNGRADED_NOTE}"
    if unscored:
        caption += f"\n{UNSCORED_NOTE}"
    table = Table(title=title, caption=caption)
    table.add_column("search")
    doubts = [*["ungraded"] * uncertain, *["unscored"] * unscored]
    for column in ("N", *shown, "tokens", *CONVENTIONS, *doubts):
        table.add_column(column, justify="right")
    for point in points:
        table.add_row(
            Text(point.name),
            str(point.n),
            *(percent(point.accuracy[name]) if name in point.accuracy else "" for name in shown),
            f"{point.tokens:.0f}",
            *(
                f"{point.flops[name] / 1e9:.3g}" if name in point.flops else ""
                for name in CONVENTIONS
            ),
            *[str(point.ungraded)] * uncertain,
            *[f"{100 * point.unscored:.1f}"] * unscored,
        )
    return table


def part_table(parts: Mapping[object, Sequence[Point]], by: str) -> Table:
    """Headline accuracy of every search at every budget, one column per part."""
    table = Table(title=f"accuracy by {by} (%), {headline_note(parts)}")
    table.add_column("search")
    table.add_column("N", justify="right")
    for part in parts:
        table.add_column(str(part), justify="right")
    rows = dict.fromkeys((point.search, point.n) for points in parts.values() for point in points)
    for search, n in rows:
        cells = [
            next((percent(p.headline) for p in points if (p.search, p.n) == (search, n)), "")
            for points in parts.values()
        ]
        table.add_row(Text(search.label), str(n), *cells)
    return table


def headline_note(parts: Mapping[object, Sequence[Point]]) -> str:
    names = {headline(point.accuracy) for points in parts.values() for point in points}
    return " or ".join(sorted(names))


def plot_curves(points: Sequence[Point]) -> bytes:
    """Accuracy against N and against FLOPs, side by side, as PNG."""
    convention: Convention = (
        "algorithmic" if all("algorithmic" in point.flops for point in points) else "paper"
    )
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True)
    draw(left, points, lambda point: point.n)
    left.set_xlabel("budget N")
    left.set_ylabel("accuracy (%)")
    draw(right, points, lambda point: point.flops[convention])
    right.set_xlabel(f"FLOPs per problem ({convention})")
    right.legend(fontsize=8)
    return png(figure)


def plot_parts(parts: Mapping[object, Sequence[Point]], by: str) -> bytes:
    """Accuracy against N, one panel per part, as PNG."""
    figure, axes = plt.subplots(
        1, len(parts), figsize=(3.2 * len(parts), 3.4), sharey=True, squeeze=False
    )
    for axis, (part, points) in zip(axes[0], parts.items(), strict=True):
        draw(axis, points, lambda point: point.n)
        axis.set_title(f"{by} {part}")
        axis.set_xlabel("budget N")
    axes[0][0].set_ylabel("accuracy (%)")
    axes[0][-1].legend(fontsize=7)
    return png(figure)


def draw(axis: Axes, points: Sequence[Point], x: Callable[[Point], float]) -> None:
    """One line with its interval per search; a search with one budget is a dashed level."""
    for name in dict.fromkeys(point.name for point in points):
        mine = [point for point in points if point.name == name]
        heads = [100 * point.headline.mean for point in mine]
        if len(mine) == 1 and mine[0].n == 1:
            axis.axhline(heads[0], linestyle="--", color="grey", label=name)
            continue
        (line,) = axis.plot([x(point) for point in mine], heads, marker="o", label=name)
        axis.fill_between(
            [x(point) for point in mine],
            [100 * point.headline.low for point in mine],
            [100 * point.headline.high for point in mine],
            color=line.get_color(),
            alpha=0.12,
        )
    axis.set_xscale("log")
    axis.grid(alpha=0.3)
