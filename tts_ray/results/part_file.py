"""One result file: records as Parquet, sealed with a checksum over the whole file.

The footer's metadata holds the SHA-256 of the file in which its own 64 digits are zeros, so that
a flipped bit anywhere is found, and any Parquet reader still reads the file. It also names the
part, so that a copy under another name is told from a part. Files of earlier versions have
neither, and are checked as far as Parquet itself can be.
"""

import hashlib
import io
import re

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
_PART = re.compile(r"part-(\d{6,12})\.parquet")


class BadPart(StoreError):
    """A part that is truncated, damaged, a copy, or not written by this package."""


def part_name(number: int) -> str:
    """The name of a run's part, counted from 1."""
    return f"part-{number:06d}.parquet"


def part_number(name: str) -> int | None:
    """The number of a part; None if the name is no part's."""
    found = _PART.fullmatch(name)
    return int(found[1]) if found else None


def to_part(name: str, records: list[Record]) -> bytes:
    """The content of a part of that name."""
    return sealed_file(name, pa.Table.from_pylist([to_row(record) for record in records], SCHEMA))


def sealed_file(name: str, table: pa.Table) -> bytes:
    """A table as a Parquet file of that name, with its checksum in it."""
    content = io.BytesIO()
    with pq.ParquetWriter(content, table.schema, compression="zstd") as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({NAME: name, SEAL: MARK + BLANK})
    blank = content.getvalue()
    at = blank.rindex(MARK + BLANK) + len(MARK)
    return blank[:at] + digest(blank, at) + blank[at + len(BLANK) :]


def seal_of(content: bytes) -> int:
    """Where in a file its own checksum begins; 0 if it has none. It is looked for in the footer
    alone, since the pages hold what a model wrote."""
    length = int.from_bytes(content[-8:-4], "little")
    begin = max(0, len(content) - 8 - length)
    marks = list(_MARKED.finditer(content, begin))
    return marks[-1].start(1) if marks else 0


def digest(content: bytes, at: int) -> bytes:
    """The checksum of a file whose own checksum begins at `at`."""
    view = memoryview(content)
    found = hashlib.sha256(view[:at])
    found.update(BLANK)
    found.update(view[at + len(BLANK) :])
    return found.hexdigest().encode()


def read_part(
    folder: Folder, name: str, columns: list[str] | None, schema: pa.Schema = SCHEMA
) -> pa.Table:
    """The rows of a part, checked against its checksum; with `columns`, only those, nested ones
    as candidates.list.element.kept. Of a file of an earlier schema, nested columns come whole.
    Another sealed file than a part is read by its own `schema`.

    Raises:
        BadPart: it is no such file, or not all of one, or is not what was written.
        StoreError: it cannot be reached, or is of another version of this package.
    """
    where = folder.address(name)
    try:
        content = folder.read(name)
    except OSError as error:
        raise StoreError(f"{where} cannot be read: {error}") from None
    at = seal_of(content)
    if at and content[at : at + len(BLANK)] != digest(content, at):
        raise BadPart(f"{where} is not readable (not what was written: its checksum differs)")
    try:
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
        is_old = version != VERSION
        wanted = earlier.schema_of(version, schema) if is_old else schema
        check_schema(file.schema_arrow, wanted, where, earlier.LATER if is_old else frozenset())
        table = file.read(None if is_old or not at else columns)
        if not at:
            table.validate(full=True)
        if is_old:
            table = earlier.upgraded(table, schema)
        if not at and schema is SCHEMA:
            check_tree(table, where)
        if columns:
            table = table.select(list(dict.fromkeys(each.split(".")[0] for each in columns)))
        check_nulls(table, where)
        return table if columns else table.select(schema.names).cast(schema)
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError) as error:
        reason = " ".join(str(error).split())
        raise BadPart(f"{where} is not readable ({reason[:200]})") from None


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
