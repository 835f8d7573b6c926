"""Grades that were made again, beside the parts that hold the first ones.

A part is never written over. A file grades-000001.parquet has, for some searches, the grades of all
their candidates, and the grader's version; of several files the last one counts.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa

from tts_ray.errors import StoreError
from tts_ray.results import search_columns
from tts_ray.results.folder import Folder
from tts_ray.results.part_file import BadPart, read_part, sealed_file
from tts_ray.results.schema import SCHEMA as RECORDS
from tts_ray.results.schema import to_candidate
from tts_ray.types import Record, SearchId

_FILE = re.compile(r"grades-(\d{6})\.parquet")
FIELDS = ("answer", "group", "correct", "ungraded")
ANSWER = "candidates.list.element.answer"
"""The column by which newer grades are matched with a part's candidates."""
SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        *search_columns.FIELDS,
        ("grader", pa.string()),
        ("first_answers", pa.list_(pa.string())),
        (
            "grades",
            pa.list_(
                pa.struct(
                    [RECORDS.field("candidates").type.value_type.field(name) for name in FIELDS]
                )
            ),
        ),
    ],
    metadata=RECORDS.metadata,
)
Key = tuple[str, SearchId]
"""Problem id and search."""


def grade_files(folder: Folder) -> list[str]:
    """The names of the files of newer grades, oldest first. Raises OSError."""
    return [name for name in folder.files() if _FILE.fullmatch(name)]


@dataclass(frozen=True)
class Regrade:
    """New grades of all candidates of one search, in their order. `first_answers` are the answers
    that the part holds, by which grades are told from those of another attempt at the search."""

    problem_id: str
    search: SearchId
    first_answers: list[str | None]
    grades: list[dict[str, Any]]

    @classmethod
    def of(cls, before: Record, after: Record, earlier: Self | None) -> Self:
        """The grades of `after`, in place of those of `before`, which are `earlier` ones or the
        part's own."""
        answers = [to_candidate(candidate)["answer"] for candidate in before.candidates]
        if earlier and answers == [grade["answer"] for grade in earlier.grades]:
            answers = earlier.first_answers
        rows = [to_candidate(candidate) for candidate in after.candidates]
        grades = [{name: row[name] for name in FIELDS} for row in rows]
        return cls(after.problem.id, after.search, answers, grades)


def write_grades(folder: Folder, new: Sequence[Regrade], grader: str) -> str:
    """Write grades as the newest; the file's name.

    Raises:
        StoreError: they cannot be written.
    """
    rows = [
        {
            "problem_id": each.problem_id,
            **search_columns.to_columns(each.search),
            "grader": grader,
            "first_answers": each.first_answers,
            "grades": each.grades,
        }
        for each in new
    ]
    try:
        last = max((int(name[7:13]) for name in grade_files(folder)), default=0)
        name = f"grades-{last + 1:06d}.parquet"
        folder.create(name, sealed_file(name, pa.Table.from_pylist(rows, SCHEMA)))
    except OSError as error:
        raise StoreError(f"the grades cannot be written to {folder}: {error}") from None
    return name


def newer_grades(folder: Folder) -> dict[Key, Regrade]:
    """The newest grades of every search that was graded again.

    Raises:
        StoreError: a file of them cannot be read.
    """
    found: dict[Key, Regrade] = {}
    try:
        for name in grade_files(folder):
            for row in read_part(folder, name, None, SCHEMA).to_pylist():
                problem, search = row["problem_id"], search_columns.from_columns(row)
                found[problem, search] = Regrade(
                    problem, search, row["first_answers"], row["grades"]
                )
    except BadPart as error:
        raise StoreError(f"{error}; delete it, and grade again with jobs/regrade.py") from None
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error}") from None
    return found


def with_newer_grades(row: dict[str, Any], newer: Mapping[Key, Regrade]) -> dict[str, Any]:
    """A row of a part, with the newest grades of its candidates if there are any; those of an
    earlier attempt at the search are not."""
    if not newer:
        return row
    found = newer.get((row["problem_id"], search_columns.from_columns(row)))
    if found is None or row["error"] is not None:
        return row
    candidates = row["candidates"]
    if [candidate["answer"] for candidate in candidates] != found.first_answers:
        return row
    pairs = zip(candidates, found.grades, strict=True)
    return row | {"candidates": [candidate | grade for candidate, grade in pairs]}
