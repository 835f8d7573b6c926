"""What the adaptive search came to: each answer by the aggregation of the route it took."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tts_ray.analysis.outcomes import Outcome
from tts_ray.search.strategy import Route, Strategy, estimate


def route_taken(outcome: Outcome, strategy: Strategy) -> Route:
    """The route of a problem, which follows from its pilot's scores: the first candidates."""
    n = outcome.search.n
    routes = strategy.at(n)
    if len(routes) == 1:
        return routes[0]
    return strategy.route(n, estimate(outcome.pool.step_scores[: strategy.pilot]))


def adaptive_values(outcomes: Sequence[Outcome], strategy: Strategy) -> NDArray[np.float64]:
    """Whether each problem was answered correctly [problems]."""
    return np.array(
        [float(each.right(route_taken(each, strategy).aggregation)) for each in outcomes]
    )
