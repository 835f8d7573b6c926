"""A data file as rows. Its name says its format, and what is in it must be that: whole, at most
`LARGEST`, and UTF-8 text unless it is Parquet. Anything else is one line that says what it is.
"""

import csv
import gzip
import io
import json
import os
import re
import zlib
from collections.abc import Callable, Collection, Iterator
from json.decoder import WHITESPACE  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any

from tts_ray.errors import ConfigError
from tts_ray.text import one_line
from tts_ray.yaml_text import PATH, short

FORMATS = (".jsonl", ".json", ".csv", ".parquet")
"""Each may also be gzipped, with .gz behind it."""
LARGEST = 2 * 2**30
"""Bytes of a file once it is unpacked, which are read into memory."""
CHUNK = 2**20
BATCH = 64
"""Rows of a Parquet file that are read at once: each can be large in memory though it takes next to
nothing in the file, where equal values are stored once."""
SIGNS = (
    (
        b"version https://git-lfs.github.com/spec/",
        "a Git LFS pointer",
        "fetch it with git lfs pull",
    ),
    (b"PAR1", "a Parquet file", "name it .parquet"),
    (b"\x1f\x8b", "gzip data", "name it .gz, and pack it only once"),
    (b"PK\x03\x04", "a zip archive", "unpack it"),
    (b"\xfd7zXZ\x00", "xz data", "unpack it"),
    (b"\x28\xb5\x2f\xfd", "zstd data", "unpack it"),
    (b"BZh9", "bzip2 data", "unpack it"),
    (b"\xff\xfe", "UTF-16 text", "save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text", "save it as UTF-8"),
)
"""How content begins that is not what its name says; what it is, and what would fit."""
_BLANK = re.compile(rb"(\xef\xbb\xbf)?\s*\Z")
_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype\s+html|html|head|\?xml)", re.IGNORECASE)

Row = tuple[str, Any]
"""Where a row stands, in words, and what is there."""


def local(path: str) -> Path:
    """A path of this machine, "~" resolved."""
    return Path(os.path.expanduser(path))


def format_of(path: str) -> str | None:
    """The format that a file's name says, one of `FORMATS`; None if it says none of them."""
    name = path.lower().removesuffix(".gz")
    return next((each for each in FORMATS if name.endswith(each)), None)


def read_file(file: Path, columns: Collection[str]) -> Iterator[Row]:
    """The rows of a file whose name says its format. Of Parquet only the values of these columns
    are read; the others are null.

    Raises:
        ConfigError: it cannot be read, or is not of that format.
    """
    name, form = short(str(file), PATH), format_of(file.name)
    content = content_of(file, name)
    refuse_other(content, name, form)
    if form == ".parquet":
        return parquet_rows(content, name, columns)
    text = decoded(content, name)
    if form == ".csv":
        return csv_rows(text, name)
    return json_rows(text, name, form == ".json")


def content_of(file: Path, name: str) -> bytes:
    """What is in a file, unpacked if its name ends in .gz, and never more than `LARGEST`.

    Raises:
        ConfigError: it cannot be read, is too large, or is no gzip file though it says so.
    """
    try:
        with file.open("rb") as plain:
            if not file.name.lower().endswith(".gz"):
                return bounded(plain, name)
            begin = plain.read(CHUNK)
            if not begin.startswith(b"\x1f\x8b"):
                refuse_other(begin, name, None)
                raise ConfigError(f"{name} is not gzipped; name it without .gz")
            plain.seek(0)
            with gzip.GzipFile(fileobj=plain) as packed:
                return bounded(packed, name)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ConfigError(
            f"{name} is a truncated or damaged gzip file ({one_line(error)}); fetch it again"
        ) from None
    except OSError as error:
        raise ConfigError(f"{name} cannot be read: {error.strerror or error}") from None


def bounded(stream: io.BufferedIOBase, name: str) -> bytes:
    """All of a stream, if it is not larger than `LARGEST`.

    Raises:
        ConfigError: it is; what is beyond is not read.
    """
    content = io.BytesIO()
    while piece := stream.read(CHUNK):
        content.write(piece)
        if content.tell() > LARGEST:
            raise ConfigError(
                f"{name} holds more than {LARGEST:,} bytes, the limit of a file of problems; "
                f"split it, or leave out columns that are not needed"
            )
    return content.getvalue()


def refuse_other(content: bytes, name: str, form: str | None) -> None:
    """Refuse content that is plainly something else than the name says.

    Raises:
        ConfigError: it is; the message says what, and what would fit.
    """
    if _BLANK.match(content):
        raise ConfigError(f"{name} is empty; a file of problems has a row for each")
    if form == ".parquet" and content.startswith(b"PAR1"):
        return
    for sign, what, remedy in SIGNS:
        if content.startswith(sign):
            raise ConfigError(f"{name} is {what}, not what its name says; {remedy}")
    if _PAGE.match(content):
        raise ConfigError(
            f"{name} is an HTML or XML page, such as a download's error page; fetch the file itself"
        )
    if form == ".parquet":
        raise ConfigError(f"{name} is no Parquet file: it does not begin with PAR1")


def decoded(content: bytes, name: str) -> str:
    """Bytes as text, without a byte-order mark.

    Raises:
        ConfigError: they are not UTF-8, or hold a zero byte, as UTF-16 and binary files do.
    """
    at = content.find(b"\0")
    if at >= 0:
        line = content.count(b"\n", 0, at) + 1
        raise ConfigError(
            f"{name}:{line}: a zero byte (byte {at + 1}), so it is UTF-16 text or no text; "
            f"save it as UTF-8"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Positions are counted behind a byte-order mark.
        at = error.start + len(content) - len(content.removeprefix(b"\xef\xbb\xbf"))
        line = content.count(b"\n", 0, at) + 1
        raise ConfigError(
            f"{name}:{line}: not UTF-8 text (byte {at + 1} of the file is 0x{content[at]:02x}); "
            f"save it as UTF-8"
        ) from None


def json_rows(text: str, name: str, may_be_array: bool) -> Iterator[Row]:
    """The rows of JSON text: one value a line, or where that is said by the name too, the elements
    of an array.

    Raises:
        ConfigError: it is neither.
    """
    begin = WHITESPACE.match(text, 0).end()
    if text.startswith("[", begin):
        if may_be_array:
            return array_rows(text, name, begin + 1)
        raise ConfigError(f"{name} holds a JSON array, not a row on each line; name it .json")
    if text.startswith("{", begin):
        refuse_one_object(text, name, begin)
    return line_rows(text, name)


def refuse_one_object(text: str, name: str, begin: int) -> None:
    """Refuse text that is one object around the rows, or one over several lines.

    Raises:
        ConfigError: it is.
    """
    try:
        found, end = json.JSONDecoder().raw_decode(text, begin)
    except (ValueError, RecursionError):
        return
    holds_rows = any(isinstance(v, list) and v and isinstance(v[0], dict) for v in found.values())
    if not text[end:].strip() and (holds_rows or "\n" in text[begin:end]):
        raise ConfigError(
            f"{name} holds one JSON object (its keys: {short(', '.join(found))}), not rows; give "
            f"an object on each line, or in a .json file an array of objects"
        )


def line_rows(text: str, name: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            where = f"{name}:{number}"
            value, end = json_value(line, WHITESPACE.match(line, 0).end(), where)
            if line[end:].strip():
                raise ConfigError(
                    f"{where}: not JSON: more text behind column {end}; a line holds one object"
                )
            yield where, value


def array_rows(text: str, name: str, at: int) -> Iterator[Row]:
    """The elements of an array, whose text begins at `at`, one after the other."""
    line, counted, number = 1, 0, 0
    end = "]"
    while True:
        at = WHITESPACE.match(text, at).end()
        line, counted = line + text.count("\n", counted, at), at
        if text.startswith(end, at):
            break
        number += 1
        where = f"{name}: row {number}"
        value, at = json_value(text, at, f"{where} (line {line})")
        yield where, value
        at = WHITESPACE.match(text, at).end()
        if text.startswith("]", at):
            break
        if not text.startswith(",", at):
            raise ConfigError(f"{where}: not JSON: behind it belongs ',' or ']'")
        # Behind a comma another element follows.
        at, end = at + 1, "\0"
    if text[at + 1 :].strip():
        raise ConfigError(f"{name}: not JSON: more text behind the array")


def json_value(text: str, at: int, where: str) -> tuple[Any, int]:
    """The JSON value that begins at `at`, and where it ends.

    Raises:
        ConfigError: there is none, it is nested too deeply, or a key stands twice in it.
    """
    try:
        return _DECODER.raw_decode(text, at)
    except RecursionError:
        raise ConfigError(f"{where}: nested too deeply for a problem") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{where}: not JSON: {error.msg} at column {error.colno}") from None
    except ValueError as error:
        raise ConfigError(f"{where}: not JSON: {one_line(error)}") from None


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose keys stand once. Raises ValueError if one stands twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"the key {short(twice([key for key, _ in pairs]))!r} stands twice")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=distinct)


def twice(names: list[str]) -> str:
    """The first name that stands twice; empty if none does."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""


def csv_rows(text: str, name: str) -> Iterator[Row]:
    """The rows of comma-separated values under a header. Values are text; a row stands where its
    first line does."""
    header: list[str] | None = None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        where = f"{name}:{reader.line_num + 1}"
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ConfigError(f"{where}: not CSV: {one_line(error)}") from None
        if not values:
            continue
        if header is None:
            header = values
            if len(header) == 1:
                raise ConfigError(
                    f"{where}: one column, {short(header[0])!r}; a header names at least two, with "
                    f"commas between them"
                )
            if len(set(header)) < len(header):
                raise ConfigError(f"{where}: the column {short(twice(header))!r} stands twice")
        elif len(values) != len(header):
            raise ConfigError(
                f"{where}: {len(values)} values, where the header has {len(header)} columns; "
                f"put a value that holds a comma or a line end in quotes"
            )
        else:
            yield where, dict(zip(header, values, strict=True))


def parquet_rows(content: bytes, name: str, columns: Collection[str]) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        names = file.schema_arrow.names
        if len(set(names)) < len(names):
            raise ConfigError(f"{name}: the column {short(twice(names))!r} stands twice")
        chosen = [field for field in file.schema_arrow if field.name in columns]
        readers = {field.name: reader_of(field.type) for field in chosen}
        size = sum(file.metadata.row_group(g).total_byte_size for g in range(file.num_row_groups))
        if size > LARGEST:
            raise ConfigError(
                f"{name} unpacks to {size:,} bytes, more than {LARGEST:,}, the limit of a file of "
                f"problems; split it, or leave out columns that are not needed"
            )
        for batch in file.iter_batches(BATCH, columns=[*readers]):
            batch.validate(full=True)
            for row in batch.to_pylist():
                number += 1
                read = {column: readers[column](value) for column, value in row.items()}
                yield f"{name}: row {number}", dict.fromkeys(names) | read
    except ConfigError:
        raise
    except Exception as error:
        # The libraries below raise what they like on a damaged file.
        raise ConfigError(
            f"{name} is a damaged Parquet file (behind row {number}): {one_line(error)}"
        ) from None


def reader_of(kind: Any) -> Callable[[Any], Any]:
    """How a value of an Arrow type is read: a number of less than 64 bits as the shortest decimal
    that means it (0.1 and not 0.10000000149011612), anything else as it is."""
    import numpy as np
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        element = reader_of(kind.value_type)
        return lambda value: value if value is None else [element(each) for each in value]
    narrow = {pa.float16(): np.float16, pa.float32(): np.float32}.get(kind)
    if narrow is None:
        return lambda value: value
    return lambda value: value if value is None else float(str(narrow(value)))
