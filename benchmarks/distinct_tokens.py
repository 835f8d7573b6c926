"""The distinct PRM tokens of what was scored, which computed ones are held against."""

from collections.abc import Sequence

from tts_ray.engines.reward_formats import Stepwise
from tts_ray.protocols import LeasedReward, Pool
from tts_ray.types import Path, Problem, Usage


class PrefixTree:
    """The distinct PRM tokens of everything that was scored."""

    def __init__(self, prm_format: Stepwise) -> None:
        self.format = prm_format
        self.sizes: dict[tuple[str, ...], int] = {}

    def add(self, problem: Problem, path: Path) -> None:
        texts = (problem.question, *(s.text.strip() for s in path.steps if not s.is_blank))
        self.sizes.setdefault(texts[:1], len(self.format.question(problem.question)))
        for k in range(2, len(texts) + 1):
            if texts[:k] not in self.sizes:
                self.sizes[texts[:k]] = len(self.format.step(texts[k - 1], first=k == 2))

    @property
    def tokens(self) -> int:
        return sum(self.sizes.values())


class Watched(LeasedReward):
    """A leased reward model that notes what it scores."""

    def __init__(self, lease: LeasedReward, seen: list[tuple[Problem, Path]]) -> None:
        self.lease = lease
        self.seen = seen
        self.repeats = 0

    async def score(
        self, problem: Problem, paths: Sequence[Path]
    ) -> tuple[list[tuple[float, ...]], Usage]:
        self.seen += [(problem, path) for path in paths]
        return await self.lease.score(problem, paths)


class WatchedPool(Pool[LeasedReward]):
    """The reward replicas, watched."""

    def __init__(self, pool: Pool[LeasedReward], seen: list[tuple[Problem, Path]]) -> None:
        self.pool = pool
        self.seen = seen

    def lease(self) -> LeasedReward:
        return Watched(self.pool.lease(), self.seen)
