"""Files of every format, and what is in a file that its name does not say."""

import csv
import gzip
import io
import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tts_ray.data import files
from tts_ray.data.problems import is_here, load_problems
from tts_ray.errors import ConfigError

ROWS = [
    {"problem": "1+1?", "answer": "2", "level": "Level 1"},
    {"problem": 'a, "b"\nand é?', "answer": "025", "level": "Level 2"},
]
BOM = b"\xef\xbb\xbf"


def as_lines(rows):
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()


def as_array(rows):
    return json.dumps(rows, indent=1, ensure_ascii=False).encode()


def as_csv(rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_parquet(rows):
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), content)
    return content.getvalue()


FORMS = [
    ("x.jsonl", as_lines),
    ("x.json", as_lines),
    ("x.json", as_array),
    ("x.csv", as_csv),
    ("x.parquet", as_parquet),
]
PARQUET = as_parquet(ROWS)
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"


@pytest.fixture
def load(tmp_path):
    """Loads problems from a file of that name and content."""

    def loaded(name, content, **settings):
        path = tmp_path / name
        path.write_bytes(content)
        return load_problems(str(path), **settings).problems

    return loaded


@pytest.fixture
def refused(load):
    """The line in which a file is refused."""

    def line(name, content, **settings):
        with pytest.raises(ConfigError) as error:
            load(name, content, **settings)
        said = str(error.value)
        assert said.isprintable() and name in said and len(said) < 1000
        return said

    return line


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("name", "form"), FORMS)
def test_every_format_gives_the_same_problems_plain_and_gzipped(load, name, form, packed):
    content = form(ROWS)
    name, content = (f"{name}.gz", gzip.compress(content)) if packed else (name, content)
    found = load(name, content, level="level")
    assert [(p.question, p.answer, p.level) for p in found] == [
        ("1+1?", "2", 1),
        ('a, "b"\nand é?', "025", 2),
    ]
    assert [p.id for p in load(name.upper(), content)] == [p.id for p in found]


@pytest.mark.parametrize(("name", "form"), FORMS[:4])
def test_a_byte_order_mark_is_no_part_of_the_text(load, name, form):
    assert [p.answer for p in load(name, BOM + form(ROWS))] == ["2", "025"]


def test_blank_lines_and_windows_line_ends_are_no_rows(load):
    assert len(load("x.jsonl", as_lines(ROWS).replace(b"\n", b"\r\n\r\n") + b"\r\n")) == 2
    assert len(load("x.csv", b"problem,answer\n\nq,1\r\n\r\nr,2\n\n")) == 2


def test_a_file_in_an_unknown_home_is_not_there():
    assert not is_here("~nobody-of-this-name/x.jsonl")
    with pytest.raises(ConfigError, match="no data file"):
        load_problems("~nobody-of-this-name/x.jsonl")


@pytest.mark.parametrize("name", ["x.tsv", "x.txt", "x.zip", "x.tsv.gz", "x.csv.bz2", "y" * 200])
def test_a_file_of_another_format_is_refused_with_those_that_would_fit(refused, name):
    assert ".jsonl, .json, .csv, .parquet, each also with .gz" in refused(name, b"1")


@pytest.mark.parametrize("name", ["none.jsonl", "none.CSV.GZ", "none.parquet"])
def test_a_file_that_is_not_there_is_named(name):
    with pytest.raises(ConfigError, match=f"no data file '{name}'"):
        load_problems(name)


@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "x.csv", "x.parquet", "x.jsonl.gz"])
@pytest.mark.parametrize(
    ("content", "what", "remedy"),
    [
        (POINTER, "a Git LFS pointer", "git lfs pull"),
        (b"<!DOCTYPE html><html>404</html>", "an HTML or XML page", "fetch the file itself"),
        (b"PK\x03\x04...", "a zip archive", "unpack it"),
        (b"", "is empty", ""),
        (BOM + b"\n\n", "is empty", ""),
    ],
)
def test_what_is_no_data_is_said_with_what_would_fit(refused, name, content, what, remedy):
    said = refused(name, content)
    assert what in said and remedy in said


@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "x.csv"])
@pytest.mark.parametrize(
    ("content", "what"),
    [
        (as_lines(ROWS).decode().encode("utf-16"), "UTF-16"),
        (as_lines(ROWS).decode().encode("utf-16-le"), ":1: a zero byte (byte 2)"),
        (as_csv(ROWS) + b"\nq,\xe9", "not UTF-8 text"),
        (as_csv(ROWS) + b"\nq\0", "a zero byte"),
        (PARQUET, "a Parquet file"),
        (gzip.compress(as_lines(ROWS)), "gzip data"),
    ],
)
def test_what_is_no_utf8_text_is_refused(refused, name, content, what):
    assert what in refused(name, content)


@pytest.mark.parametrize("mark", [b"", BOM])
def test_a_letter_of_another_encoding_is_named_with_its_line_and_byte(refused, mark):
    content = mark + b'{"problem": "q", "answer": "1"}\n{"problem": "caf\xe9", "answer": "1"}'
    at = content.index(b"\xe9") + 1
    assert f"x.jsonl:2: not UTF-8 text (byte {at} of the file is 0xe9)" in refused(
        "x.jsonl", content
    )


# gzip


def test_a_file_that_is_named_gz_but_not_gzipped_is_refused(refused):
    assert "is not gzipped; name it without .gz" in refused("x.jsonl.gz", as_lines(ROWS))


@pytest.mark.parametrize("cut", [15, -9, -1])
def test_a_truncated_gzip_file_is_refused(refused, cut):
    said = refused("x.jsonl.gz", gzip.compress(as_lines(ROWS))[:cut])
    assert "truncated or damaged gzip" in said


def test_a_damaged_gzip_file_is_refused(refused):
    content = bytearray(gzip.compress(as_lines(ROWS) * 50))
    content[20] ^= 255
    assert "truncated or damaged gzip" in refused("x.jsonl.gz", bytes(content))


def test_a_file_that_grows_beyond_the_limit_is_refused_before_it_is_whole(refused, monkeypatch):
    monkeypatch.setattr(files, "LARGEST", 3 * files.CHUNK)
    read = []

    class Counted(gzip.GzipFile):
        def read(self, size=-1):
            piece = super().read(size)
            read.append(len(piece))
            return piece

    monkeypatch.setattr(files.gzip, "GzipFile", Counted)
    bomb = gzip.compress(b" " * (64 * files.CHUNK))
    assert "more than 3,145,728 bytes" in refused("x.jsonl.gz", bomb)
    assert sum(read) <= 4 * files.CHUNK
    assert "more than 3,145,728 bytes" in refused("x.jsonl", b" " * (4 * files.CHUNK))


# JSON


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("x.jsonl", as_array(ROWS), "holds a JSON array, not a row on each line; name it .json"),
        ("x.jsonl", b'"text"', "x.jsonl:1: text, where columns with values belong"),
        ("x.jsonl", b"5", "x.jsonl:1: a number, where columns"),
        ("x.jsonl", b"null", "x.jsonl:1: nothing, where columns"),
        ("x.json", b"[1]", "x.json: row 1: a number, where columns"),
        ("x.json", b'{"data": [{"problem": "q"}]}', "one JSON object (its keys: data), not rows"),
        ("x.json", json.dumps(ROWS[0], indent=1).encode(), "one JSON object"),
        ("x.jsonl", b'{"problem": "q"} {"problem": "r"}', "x.jsonl:1: not JSON: more text behind"),
        ("x.jsonl", b"{'problem': 1}", "x.jsonl:1: not JSON"),
        ("x.jsonl", b'{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ("x.json", b'[{"a": 1, "a": 2}]', "row 1 (line 1): not JSON: the key 'a' stands twice"),
        ("x.json", b"[", "not JSON"),
        ("x.json", b"[]", "holds no problem"),
        ("x.json", as_array(ROWS) + b",", "more text behind the array"),
        ("x.json", as_array(ROWS)[:-1] + b",]", "row 3 (line 12): not JSON"),
        ("x.json", as_array(ROWS)[:-2], "row 2: not JSON: behind it belongs ',' or ']'"),
        ("x.json", b"[" * 100_000, "nested too deeply"),
        ("x.jsonl", b'{"a": ' + b"[" * 100_000, "nested too deeply"),
        ("x.jsonl", b'{"a": ' + b"9" * 9999 + b"}", "not JSON"),
    ],
)
def test_json_that_is_no_rows_of_objects_is_refused_with_its_place(refused, name, content, what):
    assert what in refused(name, content)


def test_a_bad_element_of_an_array_is_named_with_its_row(refused):
    content = as_array([*ROWS, {"problem": "q", "answer": None}])
    assert "x.json: row 3: answer is null" in refused("x.json", content)


# CSV


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"problem,answer\nq", "x.csv:2: 1 values, where the header has 2 columns"),
        (b'problem,answer\n"a\nb",1\nq,1,000', "x.csv:4: 3 values, where the header has 2"),
        (b"problem,answer,problem\nq,1,r", "x.csv:1: the column 'problem' stands twice"),
        (b'problem,answer\nq,1\n"q,1', "x.csv:3: not CSV"),
        (b'problem,answer\n"q"x,1', "x.csv:2: not CSV"),
        (b"problem,answer\n" + b"q" * 200_000 + b",1", "x.csv:2: not CSV: field larger than"),
        (b"problem,answer\nq,1\nr,", "x.csv:3: answer is empty"),
        (b"problem;answer\nq;1", "x.csv:1: one column, 'problem;answer'"),
        (b"problem,answer\n", "holds no problem"),
    ],
)
def test_csv_that_does_not_fit_is_refused_with_its_line(refused, content, what):
    assert what in refused("x.csv", content)


def test_the_values_of_csv_are_text(load):
    content = b'problem,answer,level\nq,007,2\nr,"[""1"", ""2""]",3'
    found = load("x.csv", content, level="level")
    assert [(p.answers, p.level) for p in found] == [(("007",), 2), (('["1", "2"]',), 3)]


# Parquet


@pytest.mark.parametrize("at", [4, 8, 60, -40, -6])
def test_a_damaged_parquet_file_is_one_line(refused, at):
    content = bytearray(PARQUET)
    content[at:] = bytes(byte ^ 255 for byte in content[at:])
    assert "Parquet" in refused("x.parquet", bytes(content))


@pytest.mark.parametrize("cut", [4, 8, 100, -1])
def test_a_truncated_parquet_file_is_one_line(refused, cut):
    assert "damaged Parquet file" in refused("x.parquet", PARQUET[:cut])


def test_a_parquet_file_without_rows_holds_no_problem(refused):
    schema = pa.schema([("problem", pa.string()), ("answer", pa.string())])
    content = io.BytesIO()
    pq.write_table(schema.empty_table(), content)
    assert "holds no problem" in refused("x.parquet", content.getvalue())


def test_text_in_the_name_of_parquet_is_refused(refused):
    assert "no Parquet file" in refused("x.parquet", as_lines(ROWS))


def test_numbers_and_lists_of_a_parquet_file_are_answers(load):
    questions = ["a", "b", "c"]
    for column, accepted in (
        (pa.array([1, 2, 3], pa.int8()), [("1",), ("2",), ("3",)]),
        (pa.array([1.0, 2.5, 3.0]), [("1",), ("2.5",), ("3",)]),
        (pa.array([["1"], ["2", "two"], ["3"]]), [("1",), ("2", "two"), ("3",)]),
        (pa.array(["1", "2", "1"]).dictionary_encode(), [("1",), ("2",), ("1",)]),
    ):
        content = io.BytesIO()
        pq.write_table(pa.table({"problem": questions, "answer": column}), content)
        assert [p.answers for p in load("x.parquet", content.getvalue())] == accepted


def test_a_parquet_column_that_stands_twice_is_refused(refused):
    content = io.BytesIO()
    table = pa.Table.from_arrays([pa.array(["q"])] * 3, names=["problem", "answer", "problem"])
    pq.write_table(table, content)
    assert "the column 'problem' stands twice" in refused("x.parquet", content.getvalue())


@pytest.mark.parametrize(
    ("values", "accepted"),
    [
        (pa.array([0.1], pa.float32()), ("0.1",)),
        (pa.array([3.14], pa.float16()), ("3.14",)),
        (pa.array([4.0], pa.float32()), ("4",)),
        (pa.array([[0.1, 2.5]], pa.list_(pa.float32())), ("0.1", "2.5")),
        (pa.array([Decimal("1.50")]), ("1.50",)),
        (pa.array([Decimal("3.00")]), ("3",)),
    ],
)
def test_a_number_of_a_parquet_file_is_the_number_that_was_meant(load, values, accepted):
    content = io.BytesIO()
    pq.write_table(pa.table({"problem": ["a?"], "answer": values}), content)
    assert [p.answers for p in load("x.parquet", content.getvalue())] == [accepted]


def test_a_column_that_is_not_asked_for_is_not_unpacked(load, monkeypatch):
    """A few kilobytes of Parquet hold gigabytes of equal values."""
    rows = [{"problem": f"{at}?", "answer": "1", "note": "x" * 100_000} for at in range(500)]
    read = []
    reader_of = files.reader_of
    monkeypatch.setattr(files, "reader_of", lambda kind: read.append(kind) or reader_of(kind))
    assert len(load("x.parquet", as_parquet(rows))) == 500
    assert read == [pa.string(), pa.string()]


def test_a_missing_column_of_a_parquet_file_is_named_with_those_it_has(refused):
    said = refused("x.parquet", as_parquet([{"problem": "a?", "anwser": "1", "note": "x"}]))
    assert "did you mean 'anwser'" in said
    assert "problem, anwser, note" in said


def test_a_parquet_file_that_says_it_unpacks_to_too_much_is_refused(refused, monkeypatch):
    rows = [{"problem": f"{at}?", "answer": "1"} for at in range(20_000)]
    content = as_parquet(rows)
    monkeypatch.setattr(files, "LARGEST", len(content))
    assert "unpacks to" in refused("x.parquet", content)
