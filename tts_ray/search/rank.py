"""Which candidates a step-wise search goes on with."""

import math
from collections.abc import Sequence

from tts_ray.grading.selection import path_weights
from tts_ray.types import Path


def best(paths: Sequence[Path], count: int, rank: str) -> list[Path]:
    """The `count` best candidates, best first. Ties go to the one listed first; a path with an
    unscored step ranks last; a path cut by a token limit is no candidate."""

    alive = [path for path in paths if path.is_open or path.is_complete]
    weights = path_weights([path.scores for path in alive], rank)
    order = sorted(
        range(len(alive)),
        key=lambda at: -math.inf if (weight := weights[at]) is None else weight,
        reverse=True,
    )
    return [alive[at] for at in order[:count]]


def different(children: Sequence[Path], complete: Sequence[Path]) -> list[Path]:
    """The first child of each whole text, as the policy wrote it, and of each way to end, but for
    those that `complete` paths of the beam have."""
    seen = {(path.text, path.steps[-1].finish) for path in complete}
    found = []
    for path in children:
        key = (path.text, path.steps[-1].finish)
        if key not in seen:
            seen.add(key)
            found.append(path)
    return found
