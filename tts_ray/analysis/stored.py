"""Outcomes and model sizes of a run directory. Needs no engine, no cluster, and no lock."""

import logging
from collections.abc import Iterable

from tts_ray.analysis.outcomes import COLUMNS, Outcome
from tts_ray.flops import Sizes
from tts_ray.results.description import describe
from tts_ray.results.folder import Folder
from tts_ray.results.grade_file import ANSWER, newer_grades, with_newer_grades
from tts_ray.results.problem_list import problem_list
from tts_ray.results.stored_parts import read, unpacked
from tts_ray.types import SearchId

log = logging.getLogger(__name__)


def stored_outcomes(folder: Folder, *, failed: bool = False) -> list[Outcome]:
    """Every finished search that counts, once; with `failed`, every failed attempt too. Results of
    problems that were dropped from the run do not count.

    Raises:
        StoreError: a result file cannot be read.
    """
    dropped = set(problem_list(folder).dropped)
    outcomes = all_outcomes(folder)
    return [o for o in outcomes if (failed or o.error is None) and o.problem_id not in dropped]


def all_outcomes(folder: Folder) -> list[Outcome]:
    """Every stored search, failed attempts and dropped problems included; a finished one once,
    however often it is there.

    Raises:
        StoreError: a result file cannot be read.
    """
    found, seen = [], set()
    newer = newer_grades(folder)
    for row in unpacked(read(folder, [*COLUMNS, ANSWER] if newer else COLUMNS)):
        outcome = Outcome.from_row(with_newer_grades(row, newer))
        key = (outcome.problem_id, outcome.search)
        if outcome.error is None and key in seen:
            log.warning("%s: %s of problem %s is there twice, counted once", folder, *key[::-1])
            continue
        if outcome.error is None:
            seen.add(key)
        found.append(outcome)
    return found


def last_attempts(outcomes: Iterable[Outcome]) -> dict[tuple[str, SearchId], Outcome]:
    """What came of each search in the end, by problem and search: the attempt that finished it,
    wherever it stands, or else the last one that failed."""
    found: dict[tuple[str, SearchId], Outcome] = {}
    for outcome in outcomes:
        key = (outcome.problem_id, outcome.search)
        if key not in found or found[key].error is not None:
            found[key] = outcome
    return found


def stored_sizes(folder: Folder) -> Sizes:
    """The sizes of a run's models.

    Raises:
        StoreError: there is no run, or its run.yaml is damaged.
    """
    return describe(folder).sizes
