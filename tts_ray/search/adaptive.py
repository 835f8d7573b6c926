"""The compute-optimal strategy, run: look first, then choose the method.

    pilot = k whole solutions;   d = estimated difficulty of the pilot
    answers = the strategy's method for (N, d), run with a budget of N - k

The pilot is part of N. Its solutions are answers too where the method is best-of-N, which they
are a part of; beside a beam they only tell the difficulty.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from tts_ray.errors import ConfigError
from tts_ray.search.beam_search import BeamSearch, Stepwise
from tts_ray.search.best_of_n import BestOfN
from tts_ray.search.dvts import Dvts
from tts_ray.search.search import Search
from tts_ray.search.strategy import Route, Strategy, pilot_estimate
from tts_ray.search.tree import Tree
from tts_ray.types import Path

BEST_OF_N = Strategy(pilot=4, routes=((1, (Route("best_of_n"),)),))
STEPWISE: dict[str, type[Stepwise]] = {search.name: search for search in (BeamSearch, Dvts)}


@dataclass(frozen=True, kw_only=True)
class Adaptive(Search):
    """Route every problem by its estimated difficulty (arXiv 2502.06703, compute-optimal TTS)."""

    name: ClassVar[str] = "adaptive"

    n: int = 16
    strategy: Strategy = field(default=BEST_OF_N)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.strategy, Strategy):
            raise ConfigError(f"adaptive: strategy={self.strategy!r} is no strategy file")
        routes = self.strategy.at(self.n)
        needed = self.strategy.pilot + 1 if len(routes) > 1 else 1
        if self.n < needed:
            raise ConfigError(
                f"adaptive: n={self.n} leaves nothing after a pilot of {self.strategy.pilot}; "
                f"try n={needed} or more"
            )

    async def __call__(self, tree: Tree) -> list[Path]:
        routes = self.strategy.at(self.n)
        if len(routes) == 1:
            return await method(routes[0], self.n)(tree)
        pilot = await tree.expand([tree.root], width=self.strategy.pilot, whole=True)
        route = self.strategy.route(self.n, pilot_estimate(pilot))
        search = method(route, self.n - self.strategy.pilot)
        answers = await search(tree)
        if isinstance(search, BestOfN):
            return [path for path in pilot if path.is_complete] + answers
        return answers


def method(route: Route, n: int) -> Search:
    """A route's search with at most `n` candidates per depth: beams take a multiple of M, and
    where not even one fits, the budget goes into best-of-N."""
    if route.search in STEPWISE and n >= route.m:
        return STEPWISE[route.search](n=n - n % route.m, m=route.m)
    return BestOfN(n=n)
