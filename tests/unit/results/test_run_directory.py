import asyncio
import math
import pathlib
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tts_ray.errors import StoreError
from tts_ray.results.run_directory import RunDirectory, parts, read
from tts_ray.results.schema import to_record
from tts_ray.types import (
    UNSCORED,
    Candidate,
    Finish,
    Grade,
    Path,
    Problem,
    Record,
    Step,
    Usage,
)

IDENTITY = {"policy": {"name": "a"}, "seed": 0}


def record_of(number, error=None):
    step = Step("So \\boxed{1}.", (5, 6), Finish.EOS, -0.5)
    path = Path((step,), (0.25,), (0,))
    return Record(
        Problem.of(f"question {number}", "1", 3),
        "best_of_n(n=2)",
        0,
        (Candidate(path, True, Grade("1", 0, True)), Candidate(path, False, Grade())),
        Usage(10, 4, 2, 1),
        Usage(12, 0, 0, 1),
        1,
        0.5,
        error,
    )


def opened(path, identity=IDENTITY):
    return RunDirectory(path, identity, {"digest": "x"})


def write(path, records):
    async def append_all():
        with opened(path) as directory:
            await asyncio.gather(*(directory.append(record) for record in records))

    asyncio.run(append_all())


def test_what_was_written_is_read_back_the_same(tmp_path):
    records = [record_of(number) for number in range(5)]
    write(tmp_path, records)
    assert [to_record(row) for row in read(tmp_path).to_pylist()] == records


def test_an_unscored_step_stays_unscored(tmp_path):
    step = Step("", (), Finish.LENGTH, 0.0)
    path = Path((step,), (UNSCORED,), (0,))
    candidates = (Candidate(path, False, Grade()),)
    record = Record(Problem.of("q", "1"), "s(n=1)", 0, candidates, Usage(), Usage(), 0, 0.0)
    write(tmp_path, [record])
    (row,) = read(tmp_path).to_pylist()
    assert math.isnan(to_record(row).candidates[0].path.scores[0])


def test_a_second_job_on_the_directory_is_refused(tmp_path):
    with opened(tmp_path), pytest.raises(StoreError, match="another job"), opened(tmp_path):
        pass


def test_another_configuration_is_refused_with_the_difference(tmp_path):
    with opened(tmp_path):
        pass
    changed = {"policy": {"name": "b"}, "seed": 0}
    with pytest.raises(StoreError, match=r"policy\.name: 'a' -> 'b'"), opened(tmp_path, changed):
        pass


def test_a_part_that_was_being_written_is_swept_away(tmp_path):
    write(tmp_path, [record_of(1)])
    (tmp_path / "part-000002.parquet.tmp").write_bytes(b"half a file")
    write(tmp_path, [record_of(2)])
    assert len(read(tmp_path)) == 2
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize("content", [b"", b"not parquet at all", None])
def test_a_bad_part_is_named_and_stops_the_reading(tmp_path, content):
    write(tmp_path, [record_of(1)])
    bad = tmp_path / "part-000009.parquet"
    if content is None:
        pq.write_table(pa.table({"x": [1]}), bad)
    else:
        bad.write_bytes(content)
    with pytest.raises(StoreError, match="part-000009"):
        read(tmp_path)


@pytest.mark.parametrize("kept", [0, 4, 0.3, 0.9, -1])
def test_a_truncated_part_is_set_aside_and_the_others_stay_as_they_are(tmp_path, kept):
    write(tmp_path, [record_of(1)])
    write(tmp_path, [record_of(2)])
    write(tmp_path, [record_of(3)])
    first, second, third = parts(tmp_path)
    whole = second.read_bytes()
    size = int(kept * len(whole)) if 0 < kept < 1 else kept
    second.write_bytes(whole[:size])
    others = first.read_bytes(), third.read_bytes()
    with opened(tmp_path) as directory:
        (notice,) = directory.notices
    assert "part-000002.parquet is not readable" in notice
    assert parts(tmp_path) == [first, third]
    assert (first.read_bytes(), third.read_bytes()) == others
    assert (tmp_path / "part-000002.parquet.bad").read_bytes() == whole[:size]
    write(tmp_path, [record_of(2)])
    assert len(read(tmp_path)) == 3


def test_a_foreign_part_is_set_aside(tmp_path):
    write(tmp_path, [record_of(1)])
    pq.write_table(pa.table({"x": [1]}), tmp_path / "part-000009.parquet")
    with opened(tmp_path) as directory:
        assert "was not written by tts_ray" in directory.notices[0]
    assert len(read(tmp_path)) == 1


def test_a_part_of_another_schema_is_no_damage_and_refused(tmp_path):
    write(tmp_path, [record_of(1)])
    (part,) = parts(tmp_path)
    table = pq.read_table(part).replace_schema_metadata({"tts_ray.schema": "0"})
    pq.write_table(table, part)
    with pytest.raises(StoreError, match="reads schema"), opened(tmp_path):
        pass
    assert parts(tmp_path) == [part]


def test_a_full_disk_ends_the_writing_at_once_and_damages_nothing(tmp_path):
    """A limit on the size of files stands in for the disk: the kernel refuses the write."""
    script = """
import asyncio, resource, signal, sys
from pathlib import Path
from tests.unit.results.test_run_directory import opened, record_of
from tts_ray.errors import StoreError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with opened(Path(sys.argv[1])) as directory:
    asyncio.run(directory.append(record_of(1)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
    try:
        asyncio.run(directory.append(record_of(2)))
    except StoreError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=pathlib.Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "cannot be written" in done.stdout
    assert "what is there is intact" in done.stdout
    assert [part.name for part in parts(tmp_path)] == ["part-000001.parquet"]
    assert not list(tmp_path.glob("*.tmp"))
    assert len(read(tmp_path)) == 1


def test_a_directory_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"), opened(tmp_path / "file" / "run"):
        pass


def test_run_yaml_says_what_made_the_results(tmp_path):
    with opened(tmp_path):
        about = yaml.safe_load((tmp_path / "run.yaml").read_text())
    assert about == {"digest": "x", "identity": IDENTITY}


def test_records_that_arrive_together_share_a_part(tmp_path):
    write(tmp_path, [record_of(number) for number in range(50)])
    assert len(parts(tmp_path)) < 10
    assert len(read(tmp_path)) == 50


def test_an_empty_run_reads_as_no_rows(tmp_path):
    assert len(read(tmp_path, ["problem_id", "candidates.list.element.kept"])) == 0
