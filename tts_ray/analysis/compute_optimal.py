"""Which method is worth its compute, by difficulty: the compute-optimal strategy as a choice.

    theta*(x, R, N) = argmax over methods of E[correct]     (arXiv 2502.06703, reward-aware)

An arm is a method with its M, aggregation and budget; its value on a problem is the chance of a
correct answer. A strategy gives every difficulty the arm with the largest mean value:

    oracle           difficulty is the problem's pass@1, and the arms are chosen on the problems
                     they are then measured on, as the paper did: optimistic
    cross_validated  the same bins, arms chosen on the other folds
    deployable       difficulty is the label-free estimate of a pilot, in thirds of the training
                     folds; arms chosen there; the pilot's cost is added

Of equal arms the cheaper one is taken. The choice for a fold sees no outcome of its problems.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tts_ray.analysis.ceiling import pass_at_1
from tts_ray.analysis.cost import per_problem
from tts_ray.analysis.curves import readings
from tts_ray.analysis.metrics import Estimate, accuracy
from tts_ray.analysis.outcomes import Outcome
from tts_ray.errors import StoreError
from tts_ray.flops import Sizes
from tts_ray.search.strategy import METHODS, Route, Strategy, estimate
from tts_ray.types import SearchId

Rows = NDArray[np.bool_]
Bins = NDArray[np.intp]
PILOT = 4
BEAM_WIDTH = 4
FOLDS = 5
EDGES = (0.1, 0.5)
"""The paper's absolute bins of pass@1: hard below 10 %, medium below 50 %, easy."""


@dataclass(frozen=True, slots=True)
class Arm:
    """A search at a budget with an aggregation."""

    search: SearchId
    aggregation: str

    @property
    def n(self) -> int:
        return self.search.n

    @property
    def name(self) -> str:
        return self.search.name

    @property
    def m(self) -> int:
        """M of its beams; 0 where there are none."""
        m = dict(self.search.settings).get("m", 0)
        return m if isinstance(m, int) else 0

    @property
    def is_route(self) -> bool:
        """Whether a strategy can name it: by a method and its M, all else at the default."""
        plain = (self.name, f"{self.name} m={self.m}")
        return self.name in METHODS and self.search.label in plain

    def __str__(self) -> str:
        return f"{self.search.label} {self.aggregation}"


@dataclass(frozen=True)
class Evidence:
    """What every arm did on the same problems: values in [0, 1] and FLOPs, each [problems], means
    over the seeds that have all problems of it.

    `pass_at_1` is of `samples` samples of each problem, those of all seeds together; `looks` the
    label-free estimate of the first PILOT samples of a seed, `pilot_costs` what those cost, both
    means over seeds. `unfinished` searches miss problems of the pool and are no arms. There are
    `seeds` in all; `seed_means` holds the mean value of an arm in each seed that has it, and `read`
    the outcomes that a search at a budget is read from.
    """

    problems: tuple[str, ...]
    values: dict[Arm, NDArray[np.float64]]
    costs: dict[Arm, NDArray[np.float64]]
    pass_at_1: NDArray[np.float64]
    samples: int
    looks: NDArray[np.float64]
    pilot_costs: NDArray[np.float64]
    unfinished: tuple[str, ...] = ()
    seeds: int = 1
    seed_means: Mapping[Arm, Sequence[float]] = field(default_factory=dict)
    read: Mapping[SearchId, Sequence[Outcome]] = field(default_factory=dict)

    @property
    def budgets(self) -> list[int]:
        """The budgets at which there are beams to choose."""
        return sorted({arm.n for arm in self.values if arm.m})

    def arms(self, n: int) -> list[Arm]:
        """The arms that a strategy may choose at budget `n`, the cheapest first."""
        found = [arm for arm in self.values if arm.n == n and arm.is_route]
        return sorted(found, key=lambda arm: float(self.costs[arm].mean()))


@dataclass(frozen=True)
class Chosen:
    """A strategy on every problem: values and FLOPs [problems], and the arm of each bin, one
    mapping for each fold."""

    name: str
    values: NDArray[np.float64]
    costs: NDArray[np.float64]
    routes: list[dict[int, Arm]] = field(default_factory=list)

    @property
    def accuracy(self) -> Estimate:
        return accuracy(self.values)


def gather(outcomes: Mapping[int, Sequence[Outcome]], sizes: Sizes) -> Evidence:
    """The evidence of one policy, PRM and dataset from the outcomes of its cells by seed, every
    search on the same problems. A search with a unit is an arm at every budget that is compared and
    that it holds. FLOPs are by `sizes.convention`.

    Raises:
        StoreError: there is no best-of-N pool of PILOT samples or more, or it has one problem.
    """
    by_search = runs_of(outcomes)
    pools = [search for search in by_search if search.name == "best_of_n"]
    largest = max(pools, key=lambda search: search.n, default=None)
    if largest is None or largest.n < PILOT:
        raise StoreError(
            f"difficulty and strategies need a finished best-of-N pool of N >= {PILOT} with a PRM; "
            f"add one to the sweep: search: {{name: best_of_n, n: 64}}"
        )
    fullest = max(by_search[largest].values(), key=len)
    problems = tuple(fullest)
    if len(problems) < 2:
        raise StoreError("a strategy is chosen on some problems for others: one problem is too few")
    values: dict[Arm, NDArray[np.float64]] = {}
    costs: dict[Arm, NDArray[np.float64]] = {}
    seed_means: dict[Arm, list[float]] = {}
    read: dict[SearchId, list[Outcome]] = {}
    whole: dict[SearchId, list[Outcome]] = {}
    unfinished: list[str] = []
    for search, by_seed in by_search.items():
        held = {seed: runs for seed, runs in by_seed.items() if set(runs) >= set(problems)}
        if len(outcomes) == 1:
            unfinished += [str(search)] * (not held)
        else:
            unfinished += [f"{search} of seed {seed}" for seed in by_seed if seed not in held]
        if held:
            whole[search] = [runs[problem] for runs in held.values() for problem in problems]
    for search, budgets in readings({key: len(mine) for key, mine in whole.items()}).items():
        mine = whole[search]
        scored = max(mine, key=lambda outcome: len(outcome.aggregations))
        read |= {search.at(k): mine for k in budgets}
        spent = {k: flops_of(mine, k / search.n, sizes) for k in budgets}
        for aggregation in scored.aggregations:
            table = np.array([each.chances(aggregation, budgets) for each in mine])
            seeds = table.reshape(-1, len(problems), len(budgets))
            for at, k in enumerate(budgets):
                arm = Arm(search.at(k), aggregation)
                values[arm] = seeds[:, :, at].mean(axis=0)
                seed_means[arm] = seeds[:, :, at].mean(axis=1).tolist()
                costs[arm] = spent[k].reshape(-1, len(problems)).mean(axis=0)
    samples = whole[largest]
    singles = pass_at_1(samples)
    looks = np.array([estimate(each.pool.step_scores[:PILOT]) for each in samples])
    some = next(arm for arm in costs if arm.name == "best_of_n" and arm.n == PILOT)
    return Evidence(
        problems,
        values,
        costs,
        np.array([singles[problem] for problem in problems]),
        samples[0].pool.size * len(samples) // len(problems),
        looks.reshape(-1, len(problems)).mean(axis=0),
        costs[some],
        tuple(unfinished),
        len(outcomes),
        seed_means,
        read,
    )


def flops_of(outcomes: Sequence[Outcome], share: float, sizes: Sizes) -> NDArray[np.float64]:
    """FLOPs of a share of each outcome's pool [outcomes], by `sizes.convention`."""
    return np.array([per_problem(o.work, 1, sizes, share)[sizes.convention] for o in outcomes])


def runs_of(
    outcomes: Mapping[int, Sequence[Outcome]],
) -> dict[SearchId, dict[int, dict[str, Outcome]]]:
    """Outcomes by search, seed and problem, from those by seed."""
    found: dict[SearchId, dict[int, dict[str, Outcome]]] = {}
    for seed, mine in outcomes.items():
        for outcome in mine:
            runs = found.setdefault(outcome.search, {}).setdefault(seed, {})
            runs[outcome.problem_id] = outcome
    return found


def bins_of(values: NDArray[np.float64], edges: Sequence[float]) -> Bins:
    """The bin of each value, from 0; an edge belongs to the upper bin."""
    return np.searchsorted(np.asarray(edges), values, side="right")


def choose(evidence: Evidence, n: int, bins: Bins, rows: Rows) -> dict[int, Arm]:
    """For each bin the arm with the largest mean over the bin's `rows`, the cheapest of equals;
    over all `rows` where the bin has none."""
    arms = evidence.arms(n)
    found = {}
    for each in np.unique(bins):
        mine = rows & (bins == each)
        mine = mine if mine.any() else rows
        found[int(each)] = max(arms, key=lambda arm: float(evidence.values[arm][mine].mean()))
    return found


def follow(
    evidence: Evidence, bins: Bins, routes: dict[int, Arm], rows: Rows
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values and FLOPs of the problems `rows` by the arm of their bin."""
    at = np.flatnonzero(rows)
    values = np.array([evidence.values[routes[int(bins[i])]][i] for i in at])
    costs = np.array([evidence.costs[routes[int(bins[i])]][i] for i in at])
    return values, costs


def fixed(evidence: Evidence, arm: Arm) -> Chosen:
    """One arm for every problem."""
    return Chosen(str(arm), evidence.values[arm], evidence.costs[arm])


def oracle(evidence: Evidence, n: int, edges: Sequence[float] = EDGES) -> Chosen:
    """Chosen and measured on the same problems."""
    bins = bins_of(evidence.pass_at_1, edges)
    rows = np.ones(len(bins), dtype=bool)
    routes = choose(evidence, n, bins, rows)
    return Chosen("oracle", *follow(evidence, bins, routes, rows), [routes])


def quantile_edges(values: NDArray[np.float64], parts: int) -> list[float]:
    """Edges of `parts` parts of about equal size; equal edges are one."""
    inner = np.quantile(values, np.arange(1, parts) / parts)
    return sorted(set(map(float, inner)))


def folds(count: int, parts: int = FOLDS, seed: int = 0) -> list[Rows]:
    """The test rows of each fold: every problem in one, at random, the same for a seed."""
    order = np.random.default_rng(seed).permutation(count)
    parts = min(parts, count)
    return [np.isin(np.arange(count), order[part::parts]) for part in range(parts)]


def cross_validated(evidence: Evidence, n: int, edges: Sequence[float] = EDGES) -> Chosen:
    """Arms chosen on the other folds; a problem's bin is given."""
    bins = bins_of(evidence.pass_at_1, edges)
    return by_folds("cross-validated", evidence, n, lambda train: bins)


def deployable(evidence: Evidence, n: int, parts: int = 3) -> Chosen:
    """Arms and the edges of the label-free estimate chosen on the other folds; nothing of a problem
    is used but its pilot's scores."""

    def bins(train: Rows) -> Bins:
        return bins_of(evidence.looks, quantile_edges(evidence.looks[train], parts))

    found = by_folds("deployable", evidence, n, bins)
    return Chosen(found.name, found.values, found.costs + evidence.pilot_costs, found.routes)


def by_folds(name: str, evidence: Evidence, n: int, binned: Callable[[Rows], Bins]) -> Chosen:
    """A strategy whose routes for each fold come from the others."""
    values, costs = (np.zeros(len(evidence.problems)) for _ in range(2))
    routes = []
    for test in folds(len(evidence.problems)):
        bins = binned(~test)
        routes.append(choose(evidence, n, bins, ~test))
        values[test], costs[test] = follow(evidence, bins, routes[-1], test)
    return Chosen(name, values, costs, routes)


def strategy(evidence: Evidence, parts: int = 3) -> Strategy:
    """The deployable strategy of all problems, for `search=adaptive`: at each budget the best arm
    of every third of the label-free estimate; neighbours with the same arm are one route."""
    edges = quantile_edges(evidence.looks, parts)
    bins = bins_of(evidence.looks, edges)
    rows = np.ones(len(bins), dtype=bool)
    budgets = {}
    for n in evidence.budgets:
        chosen = choose(evidence, n, bins, rows)
        merged: list[tuple[Arm, float]] = []
        for each, below in enumerate([*edges, np.inf]):
            arm = chosen.get(each)
            if arm is None:
                continue
            if merged and merged[-1][0] == arm:
                merged.pop()
            merged.append((arm, float(below)))
        budgets[n] = tuple(
            Route(arm.name, arm.aggregation, arm.m or BEAM_WIDTH, below) for arm, below in merged
        )
    return Strategy(PILOT, tuple(sorted(budgets.items())))
