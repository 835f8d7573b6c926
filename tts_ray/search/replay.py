"""A stored tree, scored anew: what a search would have left with another reward model.

True only of searches that do not look at scores while they sample: best-of-N and majority pools.
"""

from dataclasses import dataclass
from typing import ClassVar

from tts_ray.search.search import Search
from tts_ray.search.tree import Tree
from tts_ray.types import Path, Record, SearchId


@dataclass(frozen=True, kw_only=True)
class Replay(Search):
    """The tree of `record` as one of the search `of`, with the same n."""

    name: ClassVar[str] = "replay"

    of: Search
    record: Record

    @property
    def id(self) -> SearchId:
        return self.of.id

    async def __call__(self, tree: Tree) -> list[Path]:
        tree.plant(self.record)
        scored = await tree.score(tree.ended)
        kept = [candidate.kept for candidate in self.record.candidates]
        return [path for path, is_kept in zip(scored, kept, strict=True) if is_kept]
