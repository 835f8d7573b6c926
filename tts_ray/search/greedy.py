"""Greedy chain of thought: the most likely solution, the baseline every budget is compared with."""

from dataclasses import dataclass, replace
from typing import ClassVar

from tts_ray.errors import ConfigError
from tts_ray.search.search import Search
from tts_ray.search.tree import Tree
from tts_ray.types import Path, Sampling


@dataclass(frozen=True, kw_only=True)
class Greedy(Search):
    """One whole solution at temperature 0 (arXiv 2502.06703: CoT)."""

    name: ClassVar[str] = "greedy"
    uses_reward: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n != 1:
            raise ConfigError(f"greedy: n={self.n}, but there is one greedy solution; set n=1")

    def sampling(self, base: Sampling) -> Sampling:
        return replace(base, temperature=0.0)

    async def __call__(self, tree: Tree) -> list[Path]:
        paths = await tree.expand([tree.root], width=1, whole=True)
        return [path for path in paths if path.is_complete]
