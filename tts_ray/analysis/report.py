"""A run's report: a table for the terminal and plots as PNG."""

from collections.abc import Callable, Mapping, Sequence

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from rich.table import Table
from rich.text import Text

from tts_ray.analysis.curves import Point, headline
from tts_ray.analysis.figure import CEILING, png
from tts_ray.analysis.metrics import Estimate
from tts_ray.flops import CONVENTIONS, Convention

SHOWN = ("majority", "last-max", "last-vote", "min-vote", "mean-vote", "prod-vote")

NOTES = {
    "ungraded": "problems with an answer that could not be compared within the limits of grading, "
    "which then counts as different",
    "unscored %": "of the answers, that are longer than the reward model's context; they have no "
    "voice but in the majority vote",
    "no answer %": "of all candidates, that are complete but hold no answer",
    "cut %": "of all candidates, that met a limit before they were complete; they are no answers",
    "tied %": "of the problems, whose majority vote is decided by order: several answers have the "
    "most votes",
}
"""What each column says that is there only if there is something to say."""


def percent(estimate: Estimate) -> str:
    """E.g. "62.5 [55.5, 69.0]", in percent."""
    return f"{estimate.mean:.1%} [{estimate.low:.0%}, {estimate.high:.0%}]".replace("%", "")


def accuracy_table(points: Sequence[Point], title: str) -> Table:
    """Every search at every budget: accuracy in percent with 95 % intervals, beside pass@N."""
    shown = aggregations(points)
    caption = (
        "accuracy in % [95 % bootstrap interval]; pass@N: % of problems with a right answer among "
        "the candidates, which no selection can exceed"
    )
    table = searches_table(title, caption, [*shown, "pass@N"])
    for point in points:
        table.add_row(
            *named(point),
            *(percent(point.accuracy[name]) if name in point.accuracy else "" for name in shown),
            f"{100 * point.ceiling.mean:.1f}",
        )
    return table


def gap_table(points: Sequence[Point]) -> Table | None:
    """The share of the gap from pass@1 to pass@N that each aggregation closes; None if no gap is
    known."""
    rows = [point for point in points if any(v is not None for v in point.closed.values())]
    if not rows:
        return None
    shown = aggregations(rows)
    caption = (
        "0: as good as one sample; 100: as good as always selecting a right answer if there is one"
    )
    title = "share of the gap from pass@1 to pass@N that a selection closes, %"
    table = searches_table(title, caption, shown)
    for point in rows:
        shares = (point.closed.get(name) for name in shown)
        table.add_row(*named(point), *("" if s is None else f"{100 * s:.1f}" for s in shares))
    return table


def effort_table(points: Sequence[Point]) -> Table:
    """What every search took at every budget and, if there are any, the candidates that are no
    answers and the problems whose result is not certain."""
    told = {name: [doubt(point, name) for point in points] for name in NOTES}
    doubts = [name for name, cells in told.items() if any(c not in ("", "0", "0.0") for c in cells)]
    caption = (
        "per problem: tokens the policy generated, GFLOPs by convention, and seconds of the search "
        "(median / 90 % quantile)"
    )
    caption += "".join(f"\n{name}: {NOTES[name]}" for name in doubts)
    columns = ["tokens", *(f"GFLOPs {name}" for name in CONVENTIONS), "seconds", *doubts]
    table = searches_table("what it took", caption, columns)
    for at, point in enumerate(points):
        table.add_row(
            *named(point),
            f"{point.tokens:.0f}",
            *(
                f"{point.flops[name] / 1e9:.3g}" if name in point.flops else ""
                for name in CONVENTIONS
            ),
            str(point.seconds or ""),
            *(told[name][at] for name in doubts),
        )
    return table


def doubt(point: Point, name: str) -> str:
    """The cell of a column of NOTES."""
    if name == "ungraded":
        return str(point.ungraded)
    share = {
        "unscored %": point.unscored,
        "no answer %": point.endings.no_answer_share,
        "cut %": point.endings.cut_share,
        "tied %": point.tied,
    }[name]
    return "" if share is None else f"{100 * share:.1f}"


def aggregations(points: Sequence[Point]) -> list[str]:
    """Those of SHOWN that there are."""
    return [name for name in SHOWN if any(name in point.accuracy for point in points)]


def searches_table(title: str, caption: str, columns: Sequence[str]) -> Table:
    """A table with a row for each search at each budget, still empty."""
    table = Table(title=title, caption=caption)
    table.add_column("search")
    for column in ("N", *columns):
        table.add_column(column, justify="right")
    return table


def named(point: Point) -> tuple[Text, str]:
    """How a row begins."""
    return Text(point.name), str(point.n)


def part_table(parts: Mapping[object, Sequence[Point]], by: str) -> Table:
    """Headline accuracy of every search at every budget, one column per part."""
    title = f"accuracy by {by} (%), {headline_note(parts)}"
    table = searches_table(title, "", [str(part) for part in parts])
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
    """Accuracy and pass@N against N and against FLOPs, side by side, as PNG."""
    convention: Convention = (
        "algorithmic" if all("algorithmic" in point.flops for point in points) else "paper"
    )
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True)
    draw(left, points, lambda point: point.n)
    draw_ceilings(left, points, lambda point: point.n)
    left.set_xlabel("budget N")
    left.set_ylabel("accuracy (%)")
    draw(right, points, lambda point: point.flops[convention])
    draw_ceilings(right, points, lambda point: point.flops[convention])
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
    """One line with its interval per search; a search of one sample is a dashed level."""
    for name, mine in by_name(points).items():
        heads = [100 * point.headline.mean for point in mine]
        if is_level(mine):
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


def draw_ceilings(axis: Axes, points: Sequence[Point], x: Callable[[Point], float]) -> None:
    """pass@N of each search that `draw` drew a line for, dotted and of the same colour."""
    colours = {line.get_label(): line.get_color() for line in axis.get_lines()}
    curves = {name: mine for name, mine in by_name(points).items() if not is_level(mine)}
    for name, mine in curves.items():
        axis.plot(
            [x(point) for point in mine],
            [100 * point.ceiling.mean for point in mine],
            color=colours[name],
            **CEILING,
        )
    if curves:
        axis.plot([], [], color="grey", label="pass@N of the same colour", **CEILING)


def by_name(points: Sequence[Point]) -> dict[str, list[Point]]:
    """The points of each search."""
    found: dict[str, list[Point]] = {}
    for point in points:
        found.setdefault(point.name, []).append(point)
    return found


def is_level(points: Sequence[Point]) -> bool:
    """Whether a search has no other budget than one sample."""
    return len(points) == 1 and points[0].n == 1
