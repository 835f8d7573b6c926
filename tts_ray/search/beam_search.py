"""Beam search over steps, guided by the reward model.

    C = N first steps sampled from the policy
    repeat until every beam is complete, at most `depth` expansions in all:
        B = the N/M best of C by the reward model
        C = {complete paths of B} + {M continuations of each open path of B}

A complete path keeps its place in the beam and competes there by its score; it is an answer if
it is in the last beam. A path cut by a token limit cannot become an answer, so it takes no place.
Nothing is duplicated to fill the beam: a depth has N candidates or fewer. With `distinct`, those of
equal text are one candidate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tts_ray.errors import ConfigError
from tts_ray.grading.selection import SCORINGS
from tts_ray.search.rank import best, different
from tts_ray.search.search import DEPTH, Search
from tts_ray.search.tree import Tree
from tts_ray.types import Path


@dataclass(frozen=True, kw_only=True)
class Stepwise(Search):
    """What searches with beams have in common: N, M, the depth, and how candidates are ranked, by
    the "last", "min", "mean" or "prod" of their step scores."""

    n: int = 16
    m: int = 4
    depth: int = DEPTH
    rank: str = "last"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n % self.m:
            up = self.n + self.m - self.n % self.m
            raise ConfigError(
                f"{self.name}: n={self.n} is not a multiple of m={self.m}; try n={up}"
            )
        if self.rank not in SCORINGS:
            raise ConfigError(f"{self.name}: rank={self.rank!r}; choose from {', '.join(SCORINGS)}")

    async def grow(
        self, tree: Tree, paths: Sequence[Path], width: int, complete: Sequence[Path] = ()
    ) -> list[Path]:
        """The candidates among `width` children of each path, scored. `complete` are the paths that
        stand beside them."""
        return await tree.expand(paths, width)

    async def descend(self, tree: Tree, candidates: Sequence[Path], keep: int) -> list[Path]:
        """Search on from first-step `candidates`; return the complete paths of the last beam."""
        beam = best(candidates, keep, self.rank)
        for _ in range(self.depth - 1):
            if not any(path.is_open for path in beam):
                break
            complete = [path for path in beam if path.is_complete]
            unfinished = [path for path in beam if path.is_open]
            children = await self.grow(tree, unfinished, self.m, complete)
            beam = best(complete + children, keep, self.rank)
        return [path for path in beam if path.is_complete]


@dataclass(frozen=True, kw_only=True)
class BeamSearch(Stepwise):
    """Keep N/M beams, continue each M times (arXiv 2502.06703: beam search, M = 4).

    With `distinct`, of the candidates of a depth that have the same text only the first is one.
    """

    name: ClassVar[str] = "beam_search"
    later: ClassVar[frozenset[str]] = frozenset({"distinct"})

    distinct: bool = False

    async def grow(
        self, tree: Tree, paths: Sequence[Path], width: int, complete: Sequence[Path] = ()
    ) -> list[Path]:
        if not self.distinct:
            return await super().grow(tree, paths, width)
        children = await tree.propose(paths, width)
        return await tree.score(different(children, complete))

    async def __call__(self, tree: Tree) -> list[Path]:
        first = await self.grow(tree, [tree.root], self.n)
        return await self.descend(tree, first, self.n // self.m)
