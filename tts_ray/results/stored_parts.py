"""What a run directory holds, for readers: its parts, rows and records. It needs no lock: a job may
merge the parts meanwhile, and then they are listed again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any, TypeVar

import pyarrow as pa

from tts_ray.errors import StoreError
from tts_ray.results.folder import Folder
from tts_ray.results.grade_file import newer_grades, with_newer_grades
from tts_ray.results.part_file import BadPart, GonePart, open_part, read_part, row_groups
from tts_ray.results.part_name import is_merged, split
from tts_ray.results.problem_list import problem_list
from tts_ray.results.schema import SCHEMA, to_record
from tts_ray.results.search_columns import from_columns
from tts_ray.types import Record, SearchId

T = TypeVar("T")

LISTINGS = 3
"""How often the parts are listed by a reader while a job merges them."""
ROWS_AT_ONCE = 16
"""Rows that are unpacked at a time where each is a record."""


def parts(folder: Folder) -> list[str]:
    """The names of the result files that count of a run directory, oldest first.

    Raises:
        StoreError: the place cannot be read.
    """
    try:
        counting, _ = split(folder.files())
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error}") from None
    return counting


def examined(folder: Folder, look: Callable[[str], T]) -> Iterator[tuple[str, T | BadPart]]:
    """Every part that counts, with what `look` finds in it or finds wrong with it; where a merged
    one is damaged, the parts that count in its place follow.

    Raises:
        OSError: the folder cannot be read.
        StoreError: from `look`.
    """
    names = set(folder.files())
    seen: set[str] = set()
    while left := [name for name in split(names)[0] if name not in seen]:
        for part in left:
            seen.add(part)
            try:
                found: T | BadPart = look(part)
            except BadPart as error:
                names.remove(part)
                found = error
            yield part, found


def read(folder: Folder, columns: list[str] | None = None) -> pa.Table:
    """All rows of a run directory, in the order they were written.

    Nested columns are named like candidates.list.element.kept.

    Raises:
        StoreError: a part is not a whole file of this schema.
    """
    for _ in range(LISTINGS):
        names = parts(folder)
        with suppress(GonePart), refusing_bad_parts():
            tables = [read_part(folder, part, columns) for part in names]
            if still_count(folder, names):
                return joined(tables, columns)
    raise being_merged(folder)


def joined(tables: list[pa.Table], columns: list[str] | None) -> pa.Table:
    """The rows of all parts as one table."""
    if not tables:
        schema = (
            SCHEMA
            if columns is None
            else pa.schema([SCHEMA.field(name.split(".")[0]) for name in dict.fromkeys(columns)])
        )
        return schema.empty_table()
    return pa.concat_tables(tables, promote_options="permissive")


def records(folder: Folder) -> Iterator[Record]:
    """Every finished record that counts, once, a few in memory; failed attempts are left out.

    Raises:
        StoreError: a part is not a whole file of this schema.
    """
    dropped = set(problem_list(folder).dropped)
    newer = newer_grades(folder)
    seen: set[tuple[str, SearchId]] = set()
    for _ in range(LISTINGS):
        names = parts(folder)
        with suppress(GonePart), refusing_bad_parts():
            for row in chain.from_iterable(rows_of_part(folder, part) for part in names):
                key = (row["problem_id"], from_columns(row))
                if row["error"] is None and key not in seen and row["problem_id"] not in dropped:
                    seen.add(key)
                    yield to_record(with_newer_grades(row, newer))
            if still_count(folder, names):
                return
    raise being_merged(folder)


def rows_of_part(folder: Folder, part: str) -> Iterator[dict[str, Any]]:
    """The rows of a part."""
    for _, rows in row_groups(open_part(folder, part)):
        yield from unpacked(rows)


def unpacked(table: pa.Table) -> Iterator[dict[str, Any]]:
    """The rows of a table, a few at a time: as Python objects they are many times as large."""
    for batch in table.to_batches(max_chunksize=ROWS_AT_ONCE):
        yield from batch.to_pylist()


def still_count(folder: Folder, names: list[str]) -> bool:
    """Whether parts that were listed and read since are all that counted then: none was merged
    meanwhile, by a job that ended."""
    return all(name in names for name in parts(folder) if is_merged(name))


def being_merged(folder: Folder) -> StoreError:
    return StoreError(f"the parts of {folder} are being merged; read it again once that has ended")


@contextmanager
def refusing_bad_parts() -> Iterator[None]:
    """Say what becomes of a damaged part, for readers, who set nothing aside.

    Raises:
        StoreError: it is not a whole file of this schema.
    """
    try:
        yield
    except BadPart as error:
        raise StoreError(
            f"{error}; the run's own command sets it aside and does its searches again"
        ) from None
