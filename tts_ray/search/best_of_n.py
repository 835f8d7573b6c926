"""Best-of-N: sample N whole solutions, score every step, select afterwards.

    X = {x_1, ..., x_N} ~ policy;   answer = aggregate(X, scores of X)

Which aggregation is not the search's business: scores are recorded, selection reads them. The
pool is i.i.d., so one run of N also holds every budget k < N.
"""

from dataclasses import dataclass
from typing import ClassVar

from tts_ray.search.search import Search
from tts_ray.search.tree import Tree
from tts_ray.types import Path


@dataclass(frozen=True, kw_only=True)
class BestOfN(Search):
    """N whole solutions with a score for every step (arXiv 2502.06703: BoN)."""

    name: ClassVar[str] = "best_of_n"

    n: int = 16

    @property
    def unit(self) -> int:
        return 1

    async def __call__(self, tree: Tree) -> list[Path]:
        paths = await tree.expand([tree.root], width=self.n, whole=True)
        return [path for path in paths if path.is_complete]


@dataclass(frozen=True, kw_only=True)
class Majority(BestOfN):
    """N whole solutions without a reward model: the answer given most often (self-consistency)."""

    name: ClassVar[str] = "majority"
    uses_reward: ClassVar[bool] = False
