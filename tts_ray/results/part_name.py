"""The names of result files: part-000007.parquet, or part-000001-000291.parquet, into which the
parts of these numbers were merged.

A part whose numbers all lie within those of a wider one is superseded: it has been merged and not
yet been deleted. So every row counts once, at every instant of a merge (docs/decisions/0014).
"""

import re
from collections.abc import Iterable

_NAME = re.compile(r"part-(\d{6,12})(?:-(\d{6,12}))?\.parquet")


def part_name(first: int, last: int | None = None) -> str:
    """The name of the part of a number, or of those from `first` to `last`, counted from 1."""
    end = "" if last is None else f"-{last:06d}"
    return f"part-{first:06d}{end}.parquet"


def part_numbers(name: str) -> tuple[int, int] | None:
    """The first and the last number of a part; None if the name is no part's."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    first, last = int(found[1]), int(found[2] or found[1])
    return None if found[2] and last <= first else (first, last)


def split(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Of some names of files, those of parts that count, and of parts that are superseded; both in
    the order in which their rows were written."""
    numbered = [(found, name) for name in names if (found := part_numbers(name))]
    counting: list[str] = []
    superseded: list[str] = []
    widest = (0, 0)
    for (first, last), name in sorted(numbered, key=lambda each: (each[0][0], -each[0][1])):
        if last <= widest[1] and (first, last) != widest:
            superseded.append(name)
            continue
        counting.append(name)
        widest = (first, last)
    return counting, superseded


def is_merged(name: str) -> bool:
    """Whether a part stands for several."""
    numbers = part_numbers(name)
    return numbers is not None and numbers[0] < numbers[1]
