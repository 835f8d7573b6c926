"""A stored run, graded again without sampling: where comparisons were given up, or as a whole."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from tts_ray import __version__
from tts_ray.analysis.outcomes import Outcome
from tts_ray.analysis.scoreboard import Scoreboard
from tts_ray.grading.equivalence import Grader
from tts_ray.results.description import describe
from tts_ray.results.folder import Folder
from tts_ray.results.grade_file import Regrade, newer_grades, write_grades
from tts_ray.results.stored_parts import records
from tts_ray.runtime.cell import grade
from tts_ray.types import Candidate, Record, SearchId

AT_ONCE = 16
"""Records in memory."""


@dataclass(frozen=True)
class Regraded:
    """What grading again came to: searches graded, candidates whose grade changed, candidates that
    are ungraded still, and accuracies that changed as (search, aggregation, before, after)."""

    searches: int
    changed: int
    ungraded: int
    accuracies: list[tuple[SearchId, str, float, float]]


def regrade(folder: Folder, *, everything: bool, workers: int, seconds: float) -> Regraded:
    """Grade again the searches of which a comparison was given up, or with `everything` all.

    Raises:
        StoreError: there is no run, another job is writing to it, or it cannot be written.
        ConfigError: a limit of the grader is out of its range.
    """
    describe(folder)
    grader = Grader(workers, seconds)
    with folder.lock() as lock:
        found, new = asyncio.run(grade_all(folder, grader, everything=everything))
        if found.changed:
            lock.check()
            write_grades(folder, new, f"tts_ray {__version__}")
    return found


async def grade_all(
    folder: Folder, grader: Grader, *, everything: bool
) -> tuple[Regraded, list[Regrade]]:
    """Grade what is to be graded, a few records at a time; what it came to, and the new grades."""
    before, after = Scoreboard(total=0), Scoreboard(total=0)
    new: list[Regrade] = []
    changed = left = 0
    earlier = newer_grades(folder)
    async with grader:
        for batch in batched(records(folder), AT_ONCE):
            chosen = [everything or any(is_ungraded(c) for c in r.candidates) for r in batch]
            graded = await asyncio.gather(
                *(grade(r, grader) for r, again in zip(batch, chosen, strict=True) if again)
            )
            again = iter(graded)
            for record, is_new in zip(batch, chosen, strict=True):
                now = next(again) if is_new else record
                before.add(Outcome.of(record))
                after.add(Outcome.of(now))
                pairs = list(zip(record.candidates, now.candidates, strict=True))
                changed += sum(old.grade != each.grade for old, each in pairs)
                left += is_new and sum(is_ungraded(each) for _, each in pairs)
                if is_new:
                    key = (record.problem.id, record.search)
                    new.append(Regrade.of(record, now, earlier.get(key)))
    return Regraded(len(new), changed, left, differences(before, after)), new


def is_ungraded(candidate: Candidate) -> bool:
    """Whether something of a candidate's grade is not known."""
    return candidate.grade is not None and candidate.grade.ungraded is not None


def batched(stored: Iterable[Record], size: int) -> Iterator[list[Record]]:
    """So many at a time; they are large."""
    each = iter(stored)
    while batch := list(islice(each, size)):
        yield batch


def differences(before: Scoreboard, after: Scoreboard) -> list[tuple[SearchId, str, float, float]]:
    """Where the accuracies of two boards of the same searches differ."""
    return [
        (search, aggregation, was, after.scores[search].accuracy[aggregation])
        for search, score in before.scores.items()
        for aggregation, was in score.accuracy.items()
        if was != after.scores[search].accuracy[aggregation]
    ]
