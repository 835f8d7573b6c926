import asyncio
import math

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


def test_a_failed_search_is_still_owed(tmp_path):
    write(tmp_path, [record_of(1), record_of(2, error="EngineDied: gone")])
    with opened(tmp_path) as directory:
        assert directory.finished() == {(record_of(1).problem.id, "best_of_n(n=2)")}


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
