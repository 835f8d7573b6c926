"""Diverse verifier tree search: N/M subtrees that never compete with each other.

    the N first steps are dealt into N/M groups of M
    each group is a beam search of its own with N = M: one beam, M continuations
    the answers of all subtrees are the answers

Subtrees advance on their own clock, each under its own leases, so idle replicas take them over.
Each goes on with one child, so equal texts among M children change nothing in it.
"""

from dataclasses import dataclass
from typing import ClassVar

from tts_ray.concurrency import together
from tts_ray.search.beam_search import Stepwise
from tts_ray.search.tree import Tree
from tts_ray.types import Path


@dataclass(frozen=True, kw_only=True)
class Dvts(Stepwise):
    """N/M independent beam searches with N = M (arXiv 2502.06703: DVTS, M = 4)."""

    name: ClassVar[str] = "dvts"

    @property
    def unit(self) -> int:
        return self.m

    async def __call__(self, tree: Tree) -> list[Path]:
        first = await tree.expand([tree.root], width=self.n)
        answers = await together(
            self.descend(tree.branch(), first[at : at + self.m], 1)
            for at in range(0, self.n, self.m)
        )
        return [path for paths in answers for path in paths]
