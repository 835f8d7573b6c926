"""jobs/compact.py: old runs, sweeps, and what is refused."""

import asyncio

import pytest

from tests.unit.results.test_run_directory import opened, record_of
from tts_ray.door import enter
from tts_ray.results.folder import folder_at
from tts_ray.results.stored_parts import parts, read


def stored(place, count):
    """A run whose searches have a part each."""
    folder = folder_at(place)
    with opened(folder) as directory:
        for number in range(count):
            asyncio.run(directory.append(record_of(number)))
    return folder


def test_the_parts_of_a_run_are_merged_and_counted(tmp_path, capsys):
    run = stored(tmp_path / "run", 5)
    before = read(run)
    assert enter("compact", [str(run)]) == 0
    assert f"{run}: 5 parts are 1 now (0.0 MiB)\n" in capsys.readouterr().out
    assert read(run).equals(before)
    assert enter("compact", [str(run)]) == 0
    assert f"{run}: 1 parts, nothing to merge\n" in capsys.readouterr().out


def test_every_run_of_a_sweep_is_merged(tmp_path, capsys):
    runs = [stored(tmp_path / "sweep" / name, 3) for name in ("a", "b")]
    assert enter("compact", [str(tmp_path / "sweep")]) == 0
    assert capsys.readouterr().out.count("3 parts are 1 now") == 2
    assert [parts(run) for run in runs] == [["part-000001-000003.parquet"]] * 2


def test_a_run_that_a_job_writes_to_is_refused(tmp_path, capsys):
    run = stored(tmp_path / "run", 3)
    with opened(run):
        assert enter("compact", [str(run)]) == 2
    said = capsys.readouterr().err
    assert "another job is writing to" in said
    assert said.count("\n") == 1
    assert len(parts(run)) == 3


def test_a_damaged_part_is_named_and_stays(tmp_path, capsys):
    run = stored(tmp_path / "run", 3)
    run.write("part-000002.parquet", run.read("part-000002.parquet")[:-5])
    assert enter("compact", [str(run)]) == 2
    said = capsys.readouterr().err
    assert "part-000002.parquet is not readable" in said
    assert said.rstrip().endswith("the run's own command sets it aside")
    assert len(parts(run)) == 3


@pytest.mark.parametrize("place", ["nothing-here", "."])
def test_what_holds_no_run_is_one_line_and_left_as_it_is(tmp_path, capsys, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    assert enter("compact", [place]) == 2
    assert "holds no run" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
