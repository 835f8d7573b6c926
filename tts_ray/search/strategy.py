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
        unknown = set(settings) - {"pilot", "budgets"}
        if unknown or not settings.get("budgets"):
            raise ConfigError(
                f"a strategy has pilot and budgets, not {', '.join(sorted(unknown)) or 'nothing'}"
            )
        routes = tuple(
            (int(n), tuple(route_of(each) for each in chosen))
            for n, chosen in sorted(settings["budgets"].items(), key=lambda item: int(item[0]))
        )
        for n, chosen in routes:
            bounds = [route.below for route in chosen]
            if not chosen or bounds != sorted(bounds) or bounds[-1] != math.inf:
                raise ConfigError(
                    f"strategy, budget {n}: `below` must rise from route to route, and the last "
                    f"route has none; got {bounds}"
                )
        pilot = settings.get("pilot", 4)
        if type(pilot) is not int or pilot < 1:
            raise ConfigError(f"strategy: pilot={pilot!r} must be a whole number of at least 1")
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


def route_of(settings: Mapping[str, Any]) -> Route:
    """A route from plain settings. Raises ConfigError naming what does not fit."""
    try:
        route = Route(**settings)
    except TypeError as error:
        raise ConfigError(f"strategy: {dict(settings)} is no route: {error}") from None
    if route.search not in METHODS:
        raise ConfigError(f"strategy: search={route.search!r}; choose from {', '.join(METHODS)}")
    if route.aggregation not in AGGREGATIONS:
        raise ConfigError(
            f"strategy: aggregation={route.aggregation!r}; choose from {', '.join(AGGREGATIONS)}"
        )
    return route


def estimate(step_scores: Sequence[Sequence[float]]) -> float:
    """How easy a problem looks: the mean last score of its samples, 0 for one without any."""
    last = [scores[-1] if scores else 0.0 for scores in step_scores]
    return math.fsum(0.0 if math.isnan(score) else score for score in last) / len(last)


def pilot_estimate(paths: Sequence[Path]) -> float:
    """`estimate` of sampled paths."""
    return estimate([path.scores for path in paths])
