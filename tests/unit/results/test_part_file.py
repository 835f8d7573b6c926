"""Parts are what was written, or they are found out."""

import io
import random
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.results.test_run_directory import opened, record_of, write
from tts_ray.errors import StoreError
from tts_ray.results.part_file import BadPart, read_part, to_part
from tts_ray.results.part_name import part_numbers
from tts_ray.results.schema import SCHEMA, VERSION, to_row
from tts_ray.results.stored_parts import parts, read, records
from tts_ray.types import Problem

NAME = "part-000001.parquet"


def unsealed(schema, rows):
    """A part as earlier versions wrote it."""
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), content, compression="zstd")
    return content.getvalue()


def test_a_flipped_bit_anywhere_in_a_part_is_found(disk):
    whole = to_part(NAME, [record_of(number) for number in range(3)])
    disk.write(NAME, whole)
    assert len(read_part(disk, NAME, None)) == 3
    mark = whole.rindex(b"sha256:")
    dice = random.Random(0)
    flips = [(at, dice.randrange(8)) for at in dice.sample(range(len(whole)), 1500)]
    # The word that leads to the checksum, and the checksum, are themselves part of the file.
    flips += [(at, bit) for at in range(mark - 32, mark + 80) for bit in range(8)]
    for at, bit in flips:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << bit
        (disk.path / NAME).write_bytes(damaged)
        with pytest.raises(StoreError):
            read_part(disk, NAME, ["problem_id"])


def test_any_parquet_reader_reads_a_part(tmp_path):
    (tmp_path / NAME).write_bytes(to_part(NAME, [record_of(1)]))
    assert pq.read_table(tmp_path / NAME).num_rows == 1


def test_a_copy_under_the_number_of_a_part_is_set_aside_and_counted_once(folder, caplog):
    write(folder, [record_of(1)])
    folder.write("part-000009.parquet", folder.read(NAME))
    with pytest.raises(StoreError, match=f"is a copy of {NAME}"):
        read(folder)
    with opened(folder):
        assert f"part-000009.parquet is a copy of {NAME}" in caplog.text
    assert len(read(folder)) == 1


@pytest.mark.parametrize(
    "name",
    [
        *("part-000001 (1).parquet", "part-abc.parquet", "part-1.parquet", "part-000001.parquet~"),
        *("part-000002-000002.parquet", "part-000003-000002.parquet", "part-000001-2.parquet"),
    ],
)
def test_what_is_named_like_no_part_is_none(folder, name):
    write(folder, [record_of(1)])
    folder.write(name, folder.read(NAME))
    assert part_numbers(name) is None
    with opened(folder):
        assert parts(folder) == [NAME]
    assert len(read(folder)) == 1


def test_a_search_that_is_stored_twice_counts_once(folder):
    write(folder, [record_of(1), record_of(1), record_of(2)])
    assert len(list(records(folder))) == 2


@pytest.mark.parametrize("also", [(), ("1/2",), ("1/2", "half")])
def test_further_accepted_answers_are_stored_and_read_back(folder, also):
    each = replace(record_of(1), problem=Problem.of("q", "0.5", 3, also))
    write(folder, [each])
    assert list(records(folder)) == [each]
    assert read(folder).column("also_accepted").to_pylist() == [list(also) or None]


def without(name):
    at = SCHEMA.get_field_index(name)
    return SCHEMA.remove(at)


def as_text(name):
    at = SCHEMA.get_field_index(name)
    return SCHEMA.set(at, pa.field(name, pa.string()))


@pytest.mark.parametrize(
    ("schema", "change"),
    [
        (without("seconds"), {}),
        (without("candidates"), {}),
        (as_text("seed"), {"seed": "1"}),
        (SCHEMA.append(pa.field("x", pa.int32())), {"x": 1}),
        (SCHEMA, {"candidates": None}),
        (SCHEMA, {"problem_id": None}),
    ],
)
def test_a_part_with_other_columns_or_gaps_is_a_bad_part(disk, schema, change):
    row = {k: v for k, v in (to_row(record_of(1)) | change).items() if k in schema.names}
    disk.write(NAME, unsealed(schema, [row]))
    with pytest.raises(BadPart):
        read_part(disk, NAME, None)
    with pytest.raises(BadPart):
        read_part(disk, NAME, ["problem_id", "candidates.list.element.kept"])


def test_the_schema_has_the_version_that_is_checked():
    assert SCHEMA.metadata == {b"tts_ray.schema": VERSION.encode()}
