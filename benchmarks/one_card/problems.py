"""The pocket problems that searches and plain generation are given."""

from benchmarks.one_card.setting import Setting
from tts_ray.data.problems import load_problems
from tts_ray.types import Problem

PARTS = 16
"""More than there are rounds."""


def some_problems(setting: Setting, n: int, part: int) -> list[Problem]:
    """Problems for a round with `n` candidates of each; another part shares none of them."""
    found = load_problems("pocket", split="test_large", level="level").problems
    return found[part::PARTS][: max(2, setting.candidates // n)]
