"""A compute-optimal strategy: which method a problem gets, from its budget and its difficulty.

Difficulty is estimated without labels: the mean last-step score of a few pilot samples, which a
reward model gives in [0, 1] (arXiv 2502.06703 chooses by pass@1, which needs the answer).
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from tts_ray.errors import ConfigError
from tts_ray.grading.selection import AGGREGATIONS
from tts_ray.types import Path

LARGEST = 100_000
"""The largest pilot and M."""
METHODS = ("best_of_n", "beam_search", "dvts")


@dataclass(frozen=True, slots=True)
class Route:
    """A method, for problems whose estimate is below `below` and no earlier route's."""

    search: str
    aggregation: str = "last-vote"
    m: int = 4
    below: float = math.inf


@dataclass(frozen=True)
class Strategy:
    """Routes by budget; a budget between two takes those of the smaller one.

    `pilot` samples are drawn first, where there is more than one route to choose from, and count.
    """

    pilot: int
    routes: tuple[tuple[int, tuple[Route, ...]], ...]

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """A strategy from plain settings: `pilot`, and `budgets` {n: [route, ...]}.

        Raises:
            ConfigError: a key or value does not fit.
        """
        unknown = [str(key) for key in settings if key not in ("pilot", "budgets")]
        budgets = settings.get("budgets")
        if unknown or not budgets or not isinstance(budgets, Mapping):
            raise ConfigError(
                f"a strategy has pilot and budgets (routes by budget), not "
                f"{', '.join(sorted(unknown)) or f'budgets={budgets!r:.60}'}"
            )
        by_budget = {budget_of(n): routes_of(n, chosen) for n, chosen in budgets.items()}
        if len(by_budget) < len(budgets):
            raise ConfigError("strategy: a budget stands twice")
        routes = tuple(sorted(by_budget.items(), key=lambda item: item[0]))
        pilot = settings.get("pilot", 4)
        if type(pilot) is not int or not 1 <= pilot <= LARGEST:
            raise ConfigError(
                f"strategy: pilot={pilot!r:.60} must be a whole number in 1..{LARGEST:,}"
            )
        return cls(pilot, routes)

    def at(self, n: int) -> tuple[Route, ...]:
        """The routes of budget `n`."""
        below = [chosen for budget, chosen in self.routes if budget <= n]
        return below[-1] if below else self.routes[0][1]

    def route(self, n: int, estimate: float) -> Route:
        """The route of a problem."""
        return next(route for route in self.at(n) if estimate < route.below)

    def settings(self) -> dict[str, Any]:
        """The inverse of `of`."""
        return {
            "pilot": self.pilot,
            "budgets": {
                n: [{k: v for k, v in asdict(route).items() if v != math.inf} for route in chosen]
                for n, chosen in self.routes
            },
        }

    def __str__(self) -> str:
        text = json.dumps(self.settings(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]


def budget_of(n: object) -> int:
    """A budget, which JSON and YAML may hold as text. Raises ConfigError if it is none."""
    text = str(n)
    if (
        isinstance(n, bool)
        or not text.isascii()
        or not text.isdigit()
        or not 1 <= int(text) < 2**31
    ):
        raise ConfigError(f"strategy: the budget {n!r:.60} must be a whole number of at least 1")
    return int(text)


def routes_of(n: object, chosen: object) -> tuple[Route, ...]:
    """The routes of a budget. Raises ConfigError naming what does not fit."""
    if not isinstance(chosen, list | tuple) or not chosen:
        raise ConfigError(f"strategy, budget {n}: must be a list of routes, not {chosen!r:.60}")
    routes = tuple(route_of(each) for each in chosen)
    bounds = [route.below for route in routes]
    if bounds != sorted(bounds) or bounds[-1] != math.inf:
        raise ConfigError(
            f"strategy, budget {n}: `below` must rise from route to route, and the last "
            f"route has none; got {bounds}"
        )
    return routes


def route_of(settings: object) -> Route:
    """A route from plain settings. Raises ConfigError naming what does not fit."""
    if not isinstance(settings, Mapping):
        raise ConfigError(f"strategy: a route is keys with values, not {settings!r:.60}")
    try:
        route = Route(**{str(key): value for key, value in settings.items()})
    except TypeError as error:
        raise ConfigError(f"strategy: {dict(settings)!r:.100} is no route: {error}") from None
    if route.search not in METHODS:
        raise ConfigError(
            f"strategy: search={route.search!r:.60}; choose from {', '.join(METHODS)}"
        )
    if route.aggregation not in AGGREGATIONS:
        raise ConfigError(
            f"strategy: aggregation={route.aggregation!r:.60}; "
            f"choose from {', '.join(AGGREGATIONS)}"
        )
    if type(route.m) is not int or not 1 <= route.m <= LARGEST:
        raise ConfigError(f"strategy: m={route.m!r:.60} must be a whole number in 1..{LARGEST:,}")
    if type(route.below) not in (int, float) or math.isnan(route.below):
        raise ConfigError(f"strategy: below={route.below!r:.60} must be a number")
    return route


def estimate(step_scores: Sequence[Sequence[float]]) -> float:
    """How easy a problem looks: the mean last score of its samples, 0 for one without any."""
    last = [scores[-1] if scores else 0.0 for scores in step_scores]
    return math.fsum(0.0 if math.isnan(score) else score for score in last) / len(last)


def pilot_estimate(paths: Sequence[Path]) -> float:
    """`estimate` of sampled paths."""
    return estimate([path.scores for path in paths])
