"""Which candidates a step-wise search goes on with."""

import math
from collections.abc import Sequence

from tts_ray.grading.selection import path_score
from tts_ray.types import Path


def best(paths: Sequence[Path], count: int, rank: str) -> list[Path]:
    """The `count` best candidates, best first. Ties go to the one listed first; a path with an
    unscored step ranks last; a path cut by a token limit is no candidate."""

    def value(path: Path) -> float:
        score = path_score(path.scores, rank)
        return -math.inf if math.isnan(score) else score

    alive = [path for path in paths if path.is_open or path.is_complete]
    return sorted(alive, key=value, reverse=True)[:count]
