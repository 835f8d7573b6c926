import asyncio
import io
import math
import os
import pathlib
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.patience import PATIENCE_S
from tests.unit import builders
from tts_ray.errors import StoreError
from tts_ray.results.description import describe
from tts_ray.results.run_directory import RunDirectory
from tts_ray.results.schema import to_record
from tts_ray.results.stored_parts import parts, read
from tts_ray.types import UNSCORED, Grade

IDENTITY = {"policy": {"name": "a"}, "seed": 0}


def record_of(number, error=None):
    return builders.record(
        f"question {number}",
        builders.solution(scores=(0.25,), grade=Grade("1", 0, True)),
        builders.solution(scores=(0.25, 0.5), grade=Grade(), kept=False),
        level=3,
        judged=12,
        repeats=1,
        error=error,
    )


def parquet(table):
    content = io.BytesIO()
    pq.write_table(table, content)
    return content.getvalue()


FOREIGN = parquet(pa.table({"x": [1]}))


def opened(folder, identity=IDENTITY):
    return RunDirectory(folder, identity, {"digest": "x"})


def write(folder, records):
    async def append_all():
        with opened(folder) as directory:
            await asyncio.gather(*(directory.append(record) for record in records))

    asyncio.run(append_all())


def test_what_was_written_is_read_back_the_same(folder):
    records = [record_of(number) for number in range(5)]
    write(folder, records)
    assert [to_record(row) for row in read(folder).to_pylist()] == records


def test_an_unscored_step_stays_unscored(folder):
    unscored = builders.solution(scores=(0.5, UNSCORED), grade=Grade(), kept=False)
    write(folder, [builders.record("q", unscored)])
    (row,) = read(folder).to_pylist()
    assert math.isnan(to_record(row).path(1).scores[1])


def test_a_second_job_on_the_directory_is_refused(folder):
    with opened(folder), pytest.raises(StoreError, match="another job"), opened(folder):
        pass


def test_a_run_without_results_takes_another_configuration(folder):
    with opened(folder):
        pass
    with opened(folder, {"policy": {"name": "b"}, "seed": 0}):
        assert yaml.safe_load(folder.read("run.yaml"))["identity"]["policy"] == {"name": "b"}


def test_another_configuration_is_refused_with_the_difference(folder):
    write(folder, [record_of(1)])
    changed = {"policy": {"name": "b"}, "seed": 0}
    with pytest.raises(StoreError, match=r"policy\.name: 'a' -> 'b'"), opened(folder, changed):
        pass


def test_a_part_that_was_being_written_is_swept_away(disk):
    write(disk, [record_of(1)])
    (disk.path / "part-000002.parquet.tmp").write_bytes(b"half a file")
    write(disk, [record_of(2)])
    assert len(read(disk)) == 2
    assert not list(disk.path.glob("*.tmp"))


@pytest.mark.parametrize("content", [b"", b"not parquet at all", None])
def test_a_bad_part_is_named_and_stops_the_reading(folder, content):
    write(folder, [record_of(1)])
    folder.write("part-000009.parquet", FOREIGN if content is None else content)
    with pytest.raises(StoreError, match="part-000009"):
        read(folder)


@pytest.mark.parametrize("kept", [0, 4, 0.3, 0.9, -1])
def test_a_truncated_part_is_set_aside_and_the_others_stay_as_they_are(folder, kept, caplog):
    write(folder, [record_of(1)])
    write(folder, [record_of(2)])
    write(folder, [record_of(3)])
    first, second, third = parts(folder)
    whole = folder.read(second)
    size = int(kept * len(whole)) if 0 < kept < 1 else kept
    folder.write(second, whole[:size])
    others = folder.read(first), folder.read(third)
    with opened(folder):
        assert "part-000002.parquet is not readable" in caplog.text
    assert parts(folder) == [first, third]
    assert (folder.read(first), folder.read(third)) == others
    assert folder.read("part-000002.parquet.bad") == whole[:size]
    write(folder, [record_of(2)])
    assert len(read(folder)) == 3


def test_a_foreign_part_is_set_aside(folder, caplog):
    write(folder, [record_of(1)])
    folder.write("part-000009.parquet", FOREIGN)
    with opened(folder):
        assert "was not written by tts_ray" in caplog.text
    assert len(read(folder)) == 1


def test_a_part_of_another_schema_is_no_damage_and_refused(folder):
    write(folder, [record_of(1)])
    (part,) = parts(folder)
    table = pq.read_table(pa.BufferReader(folder.read(part)))
    folder.write(part, parquet(table.replace_schema_metadata({"tts_ray.schema": "0"})))
    with pytest.raises(StoreError, match="reads schema"), opened(folder):
        pass
    assert parts(folder) == [part]


def test_a_full_disk_ends_the_writing_at_once_and_damages_nothing(disk):
    """A limit on the size of files stands in for the disk: the kernel refuses the write."""
    script = """
import asyncio, resource, signal, sys
from tests.unit.results.test_run_directory import opened, record_of
from tts_ray.errors import StoreError
from tts_ray.results.folder import folder_at

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with opened(folder_at(sys.argv[1])) as directory:
    asyncio.run(directory.append(record_of(1)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
    try:
        asyncio.run(directory.append(record_of(2)))
    except StoreError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(disk)],
        cwd=pathlib.Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert "cannot be written" in done.stdout
    assert "what is there is intact" in done.stdout
    assert parts(disk) == ["part-000001.parquet"]
    assert not list(disk.path.glob("*.tmp"))
    assert len(read(disk)) == 1


def test_a_directory_that_cannot_be_written_is_refused(disk):
    disk.write("file", b"")
    with pytest.raises(StoreError, match="cannot be written"), opened(disk / "file" / "run"):
        pass


def test_run_yaml_says_what_made_the_results(folder):
    with opened(folder):
        about = yaml.safe_load(folder.read("run.yaml"))
    assert about == {"digest": "x", "identity": IDENTITY}


def test_records_that_arrive_together_share_a_part(folder):
    write(folder, [record_of(number) for number in range(50)])
    assert len(parts(folder)) < 10
    assert len(read(folder)) == 50


def test_a_pipe_in_the_place_of_a_file_is_refused_and_not_waited_for(disk):
    write(disk, [record_of(1)])
    (disk.path / "run.yaml").unlink()
    os.mkfifo(disk.path / "run.yaml")
    with pytest.raises(StoreError, match="is no regular file"):
        describe(disk)


def test_an_empty_run_reads_as_no_rows(folder):
    assert len(read(folder, ["problem_id", "candidates.list.element.kept"])) == 0


def test_a_folder_that_cannot_be_listed_is_not_taken_for_an_empty_one(disk, monkeypatch):
    write(disk, [record_of(1)])

    def deny(path):
        raise PermissionError(f"Permission denied: {path}")

    monkeypatch.setattr("os.scandir", deny)
    with pytest.raises(StoreError, match="Permission denied"), opened(disk):
        pass


def test_whether_a_job_is_at_work_is_seen_without_a_trace(folder):
    assert not folder.is_locked()
    assert folder.names() == []
    with opened(folder):
        assert folder.is_locked()
        before = folder.names()
        assert folder.is_locked()
        assert folder.names() == before
    assert not folder.is_locked()
