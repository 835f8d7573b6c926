"""Which candidates a step-wise search goes on with."""

import math
from collections.abc import Callable, Sequence

from tts_ray.types import Path

RANKS: dict[str, Callable[[Sequence[float]], float]] = {
    "last": lambda scores: scores[-1],
    "min": min,
    "mean": lambda scores: sum(scores) / len(scores),
    "prod": math.prod,
}


def best(paths: Sequence[Path], count: int, rank: str) -> list[Path]:
    """The `count` best candidates, best first. Ties go to the one listed first; a path with an
    unscored step ranks last; a path cut by a token limit is no candidate."""

    def value(path: Path) -> float:
        if not path.scores or any(math.isnan(score) for score in path.scores):
            return -math.inf
        return RANKS[rank](path.scores)

    alive = [path for path in paths if path.is_open or path.is_complete]
    return sorted(alive, key=value, reverse=True)[:count]
