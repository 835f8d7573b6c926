"""Many small parts merged into few large ones, so that a run is a handful of files.

A merged part is created whole like any part, under a name with the range of numbers that it stands
for (part_name.py), and read back before the parts that it replaces are deleted. A kill at any
moment leaves parts that count and parts that are superseded; the next job deletes the latter. Rows
are copied as they were written: parts of another schema, or with fewer columns, are not mixed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from tts_ray.errors import StoreError
from tts_ray.results.folder import Folder, Lock
from tts_ray.results.part_file import (
    BadPart,
    OpenPart,
    SealedFile,
    open_part,
    row_groups,
    rows_in,
)
from tts_ray.results.part_name import is_merged, part_name, part_numbers, split

TARGET = 64 * 2**20
"""Bytes of a merged part; its last row group may go beyond."""
ROW_GROUP = 16 * 2**20
"""Bytes of a row group's rows in memory."""


@dataclass(frozen=True)
class Compacted:
    """What came of it: how many parts counted before and after, and the bytes of the latter."""

    before: int
    after: int
    size: int


def compact(folder: Folder, lock: Lock) -> Compacted:
    """Merge neighbouring parts, under the folder's lock. Parts of more than half of TARGET, and
    those without a neighbour to merge with, stay as they are.

    Raises:
        BadPart: a part is damaged; what it was to be merged with stays as it is.
        StoreError: the lock was lost, or the folder cannot be read or written; what is there is
            intact.
    """
    try:
        finish_deletion(folder, lock)
        sizes = counting_sizes(folder)
        before = len(sizes)
        if found := small_neighbours(sizes):
            for names in found:
                merge(folder, lock, {name: sizes[name] for name in names})
            sizes = counting_sizes(folder)
    except OSError as error:
        raise StoreError(
            f"the parts of {folder} cannot be merged: {error}; what is there is intact"
        ) from None
    return Compacted(before, len(sizes), sum(sizes.values()))


def finish_deletion(folder: Folder, lock: Lock) -> None:
    """Delete the parts that a merge has replaced and that are still there, if the merged ones are
    whole.

    Raises:
        BadPart: a merged part is damaged; nothing is deleted.
        StoreError: the lock was lost, or a part cannot be read.
        OSError: a part cannot be deleted.
    """
    counting, superseded = split(folder.files())
    if superseded:
        for name in filter(is_merged, counting):
            rows_in(folder, name)
        delete(folder, lock, superseded)


def counting_sizes(folder: Folder) -> dict[str, int]:
    """The bytes of each part that counts, in the order of their rows. Raises OSError."""
    sizes = folder.sizes()
    counting, _ = split(sizes)
    return {name: sizes[name] for name in counting}


def small_neighbours(sizes: Mapping[str, int]) -> list[list[str]]:
    """Parts that may be merged: two or more in a row that are small, with no number missing between
    them, so that a merged part stands for no part that it does not hold."""
    found: list[list[str]] = [[]]
    next_number = 0
    for name, size in sizes.items():
        first, last = numbers_of(name)
        if first != next_number or size > TARGET / 2:
            found.append([])
        if size <= TARGET / 2:
            found[-1].append(name)
        next_number = last + 1
    return [names for names in found if len(names) > 1]


def merge(folder: Folder, lock: Lock, sizes: Mapping[str, int]) -> None:
    """Merge neighbours into as few parts as TARGET and their schemas allow."""
    merged: MergedPart | None = None
    for name, size in sizes.items():
        part = open_part(folder, name)
        if merged is None or not merged.takes(part, size):
            if merged:
                merged.replace_sources(folder, lock)
            merged = MergedPart(part.file.schema_arrow)
        merged.add(name, part)
    if merged:
        merged.replace_sources(folder, lock)


class MergedPart:
    """A merged part in the making, in memory."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self.sources: list[str] = []
        self.rows = 0
        self._file = SealedFile(schema)
        self._pending: list[pa.Table] = []
        self._pending_bytes = 0

    def takes(self, part: OpenPart, size: int) -> bool:
        """Whether a part of so many bytes is to be merged with those that are here."""
        is_alike = part.file.schema_arrow.equals(self.schema, check_metadata=True)
        return is_alike and self._file.size + size <= TARGET

    def add(self, name: str, part: OpenPart) -> None:
        """Take the rows of the next part.

        Raises:
            BadPart: they are not what a part holds.
        """
        for rows, _ in row_groups(part):
            self._pending.append(rows)
            self._pending_bytes += rows.nbytes
            self.rows += len(rows)
            if self._pending_bytes >= ROW_GROUP:
                self._write()
        self.sources.append(name)

    def _write(self) -> None:
        """Write what is pending as a row group."""
        if self._pending:
            self._file.write(pa.concat_tables(self._pending))
            self._pending, self._pending_bytes = [], 0

    def replace_sources(self, folder: Folder, lock: Lock) -> None:
        """Store it, see that it is there whole, and delete what it was made of; if that is one part
        alone, leave it.

        Raises:
            StoreError: it is not there as it was written, or the lock was lost.
            OSError: it cannot be written, or a source not deleted.
        """
        if len(self.sources) < 2:
            return
        self._write()
        name = part_name(numbers_of(self.sources[0])[0], numbers_of(self.sources[-1])[1])
        lock.check()
        folder.create(name, self._file.sealed(name))
        # Not to be held while it is read back.
        del self._file
        try:
            is_whole = rows_in(folder, name) == self.rows
        except BadPart:
            is_whole = False
        lock.check()
        if not is_whole:
            folder.delete(name)
            raise StoreError(f"{folder.address(name)} was not stored as it was written")
        delete(folder, lock, self.sources)


def delete(folder: Folder, lock: Lock, names: Iterable[str]) -> None:
    """Delete parts that are superseded."""
    for name in names:
        lock.check()
        folder.delete(name)


def numbers_of(name: str) -> tuple[int, int]:
    """The first and the last number of a part."""
    numbers = part_numbers(name)
    assert numbers is not None
    return numbers
