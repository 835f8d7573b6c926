"""A sweep's report: what each policy gains by each method, which strategy pays, who overtakes whom.

Markdown, from the cells' Parquet files alone.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from tts_ray.analysis.adaptive import adaptive_values, route_taken
from tts_ray.analysis.compute_optimal import (
    EDGES,
    PILOT,
    Arm,
    Chosen,
    Evidence,
    bins_of,
    cross_validated,
    deployable,
    fixed,
    oracle,
    quantile_edges,
)
from tts_ray.analysis.cost import per_problem
from tts_ray.analysis.curves import HEADLINE, budgets, cost
from tts_ray.analysis.metrics import Estimate, accuracy
from tts_ray.analysis.scaling import fits, lead
from tts_ray.analysis.study import Study
from tts_ray.flops import CONVENTIONS, Convention, Work

BINS = ("hard", "medium", "easy")


def percent(found: Estimate) -> str:
    """E.g. "62.5 [55, 69]"."""
    return f"{100 * found.mean:.1f} [{100 * found.low:.0f}, {100 * found.high:.0f}]"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [header, ["---"] * len(header), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def budgets_table(evidence: Evidence) -> str:
    """Every method at every budget by the headline aggregation: accuracy and FLOPs."""
    rows = []
    for arm in sorted(evidence.values, key=lambda arm: (arm.search.label, arm.n)):
        wanted = "majority" if arm.name == "greedy" else HEADLINE
        if arm.aggregation == wanted:
            found = accuracy(evidence.values[arm])
            cost = f"{evidence.costs[arm].mean():.3g}"
            rows.append([arm.search.label, str(arm.n), percent(found), cost])
    for arm in evidence.values:
        if arm.name == "best_of_n" and arm.aggregation == "majority" and arm.n > 1:
            found = accuracy(evidence.values[arm])
            rows.append(["majority of the pool", str(arm.n), percent(found), ""])
    return table(("method", "N", f"accuracy % ({HEADLINE})", "FLOPs per problem"), rows)


def fixed_arms(evidence: Evidence, n: int) -> list[Arm]:
    """Every method by the headline aggregation, and the majority vote, at budget `n`."""
    arms = [arm for arm in evidence.arms(n) if arm.aggregation == HEADLINE]
    return [*arms, *(a for a in evidence.arms(n) if (a.name, a.aggregation) == MAJORITY)]


MAJORITY = ("best_of_n", "majority")


def strategies(evidence: Evidence, n: int) -> list[Chosen]:
    """The three strategies and the fixed methods at one budget."""
    chosen = [oracle(evidence, n), cross_validated(evidence, n), deployable(evidence, n)]
    return chosen + [fixed(evidence, arm) for arm in fixed_arms(evidence, n)]


def adaptive_table(study: Study, evidence: Evidence) -> str:
    """Every adaptive search against each fixed method at its budget, on the same problems."""
    rows = []
    for key, strategy in study.strategies.items():
        found = {o.problem_id: o for o in study.outcomes if o.search == key}
        if not set(found) >= set(evidence.problems):
            continue
        mine = [found[problem] for problem in evidence.problems]
        values, n = adaptive_values(mine, strategy), key.n
        work = sum((outcome.work for outcome in mine), Work())
        cost = per_problem(work, len(mine), study.sizes)[study.sizes.convention]
        taken = Counter(route_taken(outcome, strategy).search for outcome in mine)
        routes = ", ".join(f"{count} {name}" for name, count in taken.most_common())
        rows.append(["adaptive", str(n), percent(accuracy(values)), f"{cost:.3g}", routes, ""])
        for arm in fixed_arms(evidence, n):
            ahead = lead(values, evidence.values[arm])
            rows.append(
                [
                    str(arm),
                    str(n),
                    percent(accuracy(evidence.values[arm])),
                    f"{evidence.costs[arm].mean():.3g}",
                    "",
                    f"{100 * ahead.mean:+.1f} [{100 * ahead.low:+.0f}, {100 * ahead.high:+.0f}]",
                ]
            )
    if not rows:
        return ""
    header = ("method", "N", "accuracy %", "FLOPs per problem", "routes taken", "adaptive leads by")
    return "### The adaptive search\n\n" + table(header, rows)


def strategies_table(evidence: Evidence) -> str:
    """Accuracy of every strategy and fixed method at every budget."""
    columns = {
        n: {each.name: percent(each.accuracy) for each in strategies(evidence, n)}
        for n in evidence.budgets
    }
    names = list(dict.fromkeys(name for found in columns.values() for name in found))
    rows = [[str(n), *(found.get(name, "") for name in names)] for n, found in columns.items()]
    return table(("N", *names), rows)


def routes_table(evidence: Evidence) -> str:
    """What the oracle gives to each difficulty, and how often the folds agree."""
    rows = []
    for n in evidence.budgets:
        (routes,) = oracle(evidence, n).routes
        apart = cross_validated(evidence, n).routes
        cells = []
        for at, _ in enumerate(BINS):
            if at not in routes:
                cells.append("")
                continue
            agree = sum(fold.get(at) == routes[at] for fold in apart)
            cells.append(f"{routes[at]} ({agree}/{len(apart)})")
        rows.append([str(n), *cells])
    return table(("N", *BINS), rows)


def difficulty_line(evidence: Evidence) -> str:
    """How many problems each bin has."""
    counts = Counter(BINS[each] for each in bins_of(evidence.pass_at_1, EDGES))
    edges = ", ".join(f"{100 * e:.0f} %" for e in quantile_edges(evidence.pass_at_1, 5))
    error = 100 * float(
        np.sqrt(evidence.pass_at_1 * (1 - evidence.pass_at_1) / evidence.samples).max()
    )
    return (
        f"Difficulty from {evidence.samples} samples a problem (standard error at most "
        f"{error:.1f} points): {', '.join(f'{counts[name]} {name}' for name in BINS)}; quintiles "
        f"would lie at {edges}. The label-free estimate of {PILOT} samples "
        f"{correlation(evidence)}.\n"
    )


def correlation(evidence: Evidence) -> str:
    """How the label-free estimate goes with pass@1, in words."""
    if not (np.ptp(evidence.looks) and np.ptp(evidence.pass_at_1)):
        return "cannot be compared with pass@1: one of them is the same for all problems"
    found = float(np.corrcoef(evidence.looks, evidence.pass_at_1)[0, 1])
    return f"correlates with pass@1 by {found:.2f}"


def fits_table(evidence: Evidence) -> str:
    """The curves of every method with several budgets."""
    rows = []
    for label in dict.fromkeys(arm.search.label for arm in evidence.values):
        mine = sorted(
            (a for a in evidence.values if (a.search.label, a.aggregation) == (label, HEADLINE)),
            key=lambda arm: arm.n,
        )
        if len(mine) < 2:
            continue
        means = [float(evidence.values[arm].mean()) for arm in mine]
        axes = {
            "N": [float(arm.n) for arm in mine],
            "GFLOPs": [float(evidence.costs[arm].mean()) / 1e9 for arm in mine],
        }
        for x, values in axes.items():
            for fit in fits(values, means):
                error = "" if np.isnan(fit.error) else f"{100 * fit.error:.1f}"
                rows.append([label, x, fit.form, fit.formula(x), error])
    header = ("method", "against", "form", "accuracy", "error of a left-out point (points)")
    return table(header, rows)


def overtaking(found: Sequence[Study]) -> str:
    """Of each dataset's smallest policy with search against its largest one's greedy answers."""
    parts = []
    for dataset in dict.fromkeys(study.dataset for study in found):
        mine = [study for study in found if study.dataset == dataset]
        if mine[0].policy != mine[-1].policy:
            parts.append(overtaking_table(mine[0], mine[-1], mine[0].evidence()))
    return "\n".join(["## Small with search against large\n", *parts]) if parts else ""


def overtaking_table(small: Study, large: Study, evidence: Evidence) -> str:
    """The smaller policy with search against the larger one's greedy answer, on one dataset."""
    answers = {o.problem_id: o for o in large.outcomes if o.search.name == "greedy"}
    if not set(answers) >= set(evidence.problems):
        return (
            f"{small.policy} cannot be compared with {large.policy} on {large.dataset}, whose "
            f"greedy answers are not all there: add search.name=greedy to its cells.\n"
        )
    greedy = np.array([float(answers[key].right("majority")) for key in evidence.problems])
    base = mean_flops(large, "greedy", 1)
    rows = []
    for arm in sorted(evidence.values, key=lambda arm: (arm.search.label, arm.n)):
        if arm.aggregation != HEADLINE or (arm.n == 1):
            continue
        found = lead(evidence.values[arm], greedy)
        cost = mean_flops(small, arm.search.label, arm.n)
        ratios = [
            f"{cost[c] / base[c]:.3g}" if c in cost and c in base else "" for c in CONVENTIONS
        ]
        rows.append(
            [
                arm.search.label,
                str(arm.n),
                f"{100 * found.mean:+.1f} [{100 * found.low:+.0f}, {100 * found.high:+.0f}]",
                f"{100 * found.certainty:.0f} %",
                *ratios,
            ]
        )
    title = (
        f"{small.policy} against {large.policy} greedy ({100 * greedy.mean():.1f} %) "
        f"on {large.dataset}"
    )
    header = ("method", "N", "lead in points", "above in", *(f"FLOPs, {c}" for c in CONVENTIONS))
    return f"**{title}**; FLOPs as a multiple of the larger policy's\n\n" + table(header, rows)


def mean_flops(study: Study, label: str, n: int) -> dict[Convention, float]:
    """FLOPs per problem of one search at one budget, by convention; none if no run holds it."""
    mine = [o for o in study.outcomes if o.search.label == label and o.error is None]
    runs = Counter(o.search for o in mine if n in budgets(o.search, [n]))
    if not runs:
        return {}
    run = max(runs, key=lambda run: (runs[run], run.n))
    return cost([o for o in mine if o.search == run], n / run.n, study.sizes)[1]


def report(found: Sequence[Study]) -> str:
    """The whole report."""
    parts = []
    for study in found:
        evidence = study.evidence()
        left_out = f" Not finished, left out: {', '.join(evidence.unfinished)}."
        parts += [
            f"## {study.name}\n",
            f"{len(evidence.problems)} problems.{left_out if evidence.unfinished else ''}\n",
            difficulty_line(evidence),
            budgets_table(evidence),
            "### Strategies\n",
            strategies_table(evidence),
            "What the oracle gives to each difficulty (and in how many folds the others agree):\n",
            routes_table(evidence),
            adaptive_table(study, evidence),
            "### Curves\n",
            fits_table(evidence),
        ]
    return "\n".join([*parts, overtaking(found)])
