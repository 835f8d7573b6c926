"""One result file: records as Parquet, sealed with a checksum over the whole file.

The footer's metadata holds the SHA-256 of the file in which its own 64 digits are zeros, so that
a flipped bit anywhere is found, and any Parquet reader still reads the file. It also names the
part, so that a copy under another name is told from a part. Files of earlier versions have
neither, and are checked as far as Parquet itself can be.
"""

import hashlib
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from tts_ray.errors import StoreError
from tts_ray.results import earlier
from tts_ray.results.folder import Folder
from tts_ray.results.schema import MAY_BE_NULL, SCHEMA, VERSION, to_row
from tts_ray.types import Record

SEAL = b"tts_ray.sha256"
NAME = b"tts_ray.part"
MARK = b"sha256:"
BLANK = b"0" * 64
_MARKED = re.compile(rb"tts_ray\.sha256.{1,8}?sha256:([0-9a-f]{64})", re.DOTALL)


class BadPart(StoreError):
    """A part that is truncated, damaged, a copy, or not written by this package."""


class GonePart(StoreError):
    """A part that is not there: it may have been merged since the folder was listed."""


def to_part(name: str, records: list[Record]) -> bytes:
    """The content of a part of that name."""
    return sealed_file(name, pa.Table.from_pylist([to_row(record) for record in records], SCHEMA))


def sealed_file(name: str, table: pa.Table) -> bytes:
    """A table as a Parquet file of that name, with its checksum in it."""
    file = SealedFile(table.schema)
    file.write(table)
    return file.sealed(name)


class SealedFile:
    """A Parquet file in memory that grows by row groups and at its end gets a name, and its
    checksum."""

    def __init__(self, schema: pa.Schema) -> None:
        self._content = io.BytesIO()
        self._writer = pq.ParquetWriter(self._content, schema, compression="zstd")

    @property
    def size(self) -> int:
        """The bytes that were written so far."""
        return self._content.tell()

    def write(self, table: pa.Table) -> None:
        """Add a row group."""
        self._writer.write_table(table)

    def sealed(self, name: str) -> bytes:
        """The whole file; the last that is asked of it."""
        self._writer.add_key_value_metadata({NAME: name, SEAL: MARK + BLANK})
        self._writer.close()
        # Sealed in its place: a merged part is large.
        with self._content.getbuffer() as view:
            at = seal_of(view)
            view[at : at + len(BLANK)] = digest(view, at)
        return self._content.getvalue()


def seal_of(content: bytes | memoryview) -> int:
    """Where in a file its own checksum begins; 0 if it has none. It is looked for in the footer
    alone, since the pages hold what a model wrote."""
    length = int.from_bytes(content[-8:-4], "little")
    begin = max(0, len(content) - 8 - length)
    marks = list(_MARKED.finditer(content, begin))
    return marks[-1].start(1) if marks else 0


def digest(content: bytes | memoryview, at: int) -> bytes:
    """The checksum of a file whose own checksum begins at `at`."""
    view = memoryview(content)
    found = hashlib.sha256(view[:at])
    found.update(BLANK)
    found.update(view[at + len(BLANK) :])
    return found.hexdigest().encode()


@dataclass(frozen=True)
class OpenPart:
    """A part whose bytes are what was written, as far as they say; not yet unpacked."""

    file: pq.ParquetFile
    where: str
    version: str
    is_sealed: bool


def open_part(folder: Folder, name: str, schema: pa.Schema = SCHEMA) -> OpenPart:
    """A part, checked against its checksum. Another sealed file than a part is one of `schema`.

    Raises:
        BadPart: it is no such file, or not all of one, or is not what was written.
        GonePart: it is not there.
        StoreError: it cannot be reached, or is of another version of this package.
    """
    where = folder.address(name)
    try:
        content = folder.read(name)
    except FileNotFoundError as error:
        raise GonePart(f"{where} cannot be read: {error}") from None
    except OSError as error:
        raise StoreError(f"{where} cannot be read: {error}") from None
    at = seal_of(content)
    if at and content[at : at + len(BLANK)] != digest(content, at):
        raise BadPart(f"{where} is not readable (not what was written: its checksum differs)")
    with told_as_bad(where):
        file = pq.ParquetFile(pa.BufferReader(content))
        said = file.metadata.metadata or {}
        if b"tts_ray.schema" not in (file.schema_arrow.metadata or {}):
            raise BadPart(f"{where} was not written by tts_ray")
        version = file.schema_arrow.metadata[b"tts_ray.schema"].decode("utf-8", "replace")
        if not at and (SEAL in said or NAME in said):
            raise BadPart(f"{where} is not readable (its checksum is damaged)")
        if version not in (*earlier.READABLE, VERSION):
            raise StoreError(
                f"{where} has schema {version}, and this tts_ray reads schema "
                f"{', '.join(earlier.READABLE)} and {VERSION}; read it with the version named in "
                f"run.yaml"
            )
        if said.get(NAME, name.encode()) != name.encode():
            raise BadPart(f"{where} is a copy of {said[NAME].decode('utf-8', 'replace')}")
        if version == VERSION:
            check_schema(file.schema_arrow, schema, where, frozenset())
        else:
            wanted = earlier.schema_of(version, schema)
            check_schema(file.schema_arrow, wanted, where, earlier.LATER)
    return OpenPart(file, where, version, bool(at))


@contextmanager
def told_as_bad(where: str) -> Iterator[None]:
    """Raise what Parquet says of a damaged file as BadPart, in one line."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError) as error:
        reason = " ".join(str(error).split())
        raise BadPart(f"{where} is not readable ({reason[:200]})") from None


def read_part(
    folder: Folder, name: str, columns: list[str] | None, schema: pa.Schema = SCHEMA
) -> pa.Table:
    """The rows of a part, checked against its checksum; with `columns`, only those, nested ones
    as candidates.list.element.kept. Of a file of an earlier schema, nested columns come whole.
    Another sealed file than a part is read by its own `schema`.

    Raises:
        BadPart, GonePart, StoreError: as `open_part`.
    """
    part = open_part(folder, name, schema)
    with told_as_bad(part.where):
        is_whole = part.version != VERSION or not part.is_sealed
        table = part.file.read(None if is_whole else columns)
        return as_of_today(part, table, columns, schema)


def row_groups(part: OpenPart) -> Iterator[tuple[pa.Table, pa.Table]]:
    """The rows of an open part, a row group at a time, for a merged part is large: as they were
    written, and with the columns that they have today.

    Raises:
        BadPart: they are not what a part holds.
    """
    for at in range(part.file.num_row_groups):
        with told_as_bad(part.where):
            written = part.file.read_row_group(at)
            today = as_of_today(part, written, None, SCHEMA)
        yield written, today


def rows_in(folder: Folder, name: str) -> int:
    """How many rows a part holds, after all of them were read.

    Raises:
        BadPart, GonePart, StoreError: as `open_part`.
    """
    return sum(len(rows) for rows, _ in row_groups(open_part(folder, name)))


def as_of_today(
    part: OpenPart, table: pa.Table, columns: list[str] | None, schema: pa.Schema
) -> pa.Table:
    """Rows of a part, checked, with the columns that they have today.

    Raises:
        BadPart: they are not what a part holds. Parquet's own errors are not told as such.
    """
    if not part.is_sealed:
        table.validate(full=True)
    if part.version != VERSION:
        table = earlier.upgraded(table, schema)
    if not part.is_sealed and schema is SCHEMA:
        check_tree(table, part.where)
    if columns:
        table = table.select(list(dict.fromkeys(each.split(".")[0] for each in columns)))
    check_nulls(table, part.where)
    return table if columns else table.select(schema.names).cast(schema)


def check_tree(table: pa.Table, where: str) -> None:
    """Refuse rows whose nodes are no tree.

    Raises:
        BadPart: a node does not come after its parent, or a candidate's leaf is none.
    """
    for row in table.select(["nodes", "candidates"]).to_pylist():
        parents = (node["parent"] for node in row["nodes"])
        if not all(p is None or 0 <= p < at for at, p in enumerate(parents)) or not all(
            0 <= each["leaf"] < len(row["nodes"]) for each in row["candidates"]
        ):
            raise BadPart(f"{where} has a row whose nodes are no tree")


def version_of(folder: Folder, name: str) -> str | None:
    """The schema of a part; None if it cannot be told. Raises OSError."""
    try:
        schema = pq.read_schema(pa.BufferReader(folder.read(name)))
    except (pa.ArrowException, ValueError):
        return None
    said = (schema.metadata or {}).get(b"tts_ray.schema")
    return said.decode("utf-8", "replace") if said else None


def check_schema(found: pa.Schema, wanted: pa.Schema, where: str, may_lack: frozenset[str]) -> None:
    """Refuse a file whose columns are not those of its schema.

    Raises:
        BadPart: one is missing, foreign, or of another type.
    """
    if not fits(pa.struct(list(found)), pa.struct(list(wanted)), may_lack):
        other = set(found.names) ^ set(wanted.names) or {"the columns' types"}
        raise BadPart(f"{where} does not have the columns of a part: {', '.join(sorted(other))}")


def fits(found: pa.DataType, wanted: pa.DataType, may_lack: frozenset[str]) -> bool:
    """Whether a type is the wanted one, or lacks only fields that it may."""
    if pa.types.is_struct(found) and pa.types.is_struct(wanted):
        names = {field.name for field in found}
        missing = {field.name for field in wanted} - names
        return missing <= may_lack and all(
            wanted.get_field_index(name) >= 0
            and fits(found.field(name).type, wanted.field(name).type, may_lack)
            for name in names
        )
    if pa.types.is_list(found) and pa.types.is_list(wanted):
        return fits(found.value_type, wanted.value_type, may_lack)
    return bool(found == wanted)


def check_nulls(table: pa.Table, where: str) -> None:
    """Refuse rows that lack what every row has.

    Raises:
        BadPart: a column has a row without a value.
    """
    for name in table.column_names:
        if name not in MAY_BE_NULL and table.column(name).null_count:
            raise BadPart(f"{where} has a row without a value of {name}")
