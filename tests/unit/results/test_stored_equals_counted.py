"""What a job counted is what lies in its directory when it ends, or it says so."""

import asyncio
import shutil

import pytest

from tests.unit.results.test_run_directory import opened, record_of, write
from tts_ray.errors import StoreError
from tts_ray.results.folder import folder_at
from tts_ray.results.stored_parts import parts, read


def append(directory, *numbers):
    async def all_of_them():
        for number in numbers:
            await directory.append(record_of(number))

    asyncio.run(all_of_them())


def test_a_directory_that_is_moved_stops_the_job_which_says_where_its_results_are(disk):
    elsewhere = disk.path.with_name("elsewhere")
    with opened(disk) as directory:
        append(directory, 1)
        disk.path.rename(elsewhere)
        with pytest.raises(StoreError, match=f"its results are in {elsewhere}"):
            append(directory, 2)
    assert not disk.path.exists()
    write(folder_at(elsewhere), [record_of(2)])
    assert len(read(folder_at(elsewhere))) == 2


def test_a_directory_that_is_replaced_stops_the_job(disk):
    elsewhere = disk.path.with_name("elsewhere")
    with opened(disk) as directory:
        append(directory, 1)
        disk.path.rename(elsewhere)
        shutil.copytree(elsewhere, disk.path)
        with pytest.raises(StoreError, match="was moved"):
            append(directory, 2)
    assert len(read(disk)) == 1


def test_a_directory_that_is_deleted_stops_the_job_and_is_not_made_again(disk):
    with opened(disk) as directory:
        append(directory, 1)
        shutil.rmtree(disk.path)
        with pytest.raises(StoreError, match="was deleted while this job ran"):
            append(directory, 2)
        with pytest.raises(StoreError, match="was deleted while this job ran"):
            directory.confirm()
    assert not disk.path.exists()


@pytest.mark.parametrize("harm", ["delete", "truncate"])
def test_a_part_that_is_lost_or_cut_while_the_job_runs_is_named_at_its_end(folder, harm):
    with opened(folder) as directory:
        append(directory, 1, 2)
        directory.confirm()
        first, _ = parts(folder)
        if harm == "delete":
            folder.delete(first)
        else:
            folder.write(first, folder.read(first)[:-1])
        with pytest.raises(StoreError, match=rf"1 of the files .*{first}"):
            directory.confirm()


def test_a_folder_with_other_files_is_refused_and_stays_as_it_is(folder):
    folder.write("thesis.tmp", b"years")
    folder.write("notes.md", b"weeks")
    with pytest.raises(StoreError, match=r"no run's \(notes\.md, thesis\.tmp\)"), opened(folder):
        pass
    assert folder.names() == ["notes.md", "thesis.tmp"]


def test_only_a_jobs_own_temporary_files_are_deleted(disk):
    write(disk, [record_of(1)])
    (disk.path / "thesis.tmp").write_bytes(b"years")
    (disk.path / "part-000002.parquet.tmp").write_bytes(b"half")
    write(disk, [record_of(2)])
    assert (disk.path / "thesis.tmp").read_bytes() == b"years"
    assert not (disk.path / "part-000002.parquet.tmp").exists()


def test_a_folder_named_like_a_part_is_passed_over(disk):
    write(disk, [record_of(1)])
    (disk.path / "part-000002.parquet").mkdir()
    write(disk, [record_of(2)])
    assert parts(disk) == ["part-000001.parquet", "part-000003.parquet"]
    assert len(read(disk)) == 2


def test_a_part_is_never_written_over(folder):
    write(folder, [record_of(1)])
    with opened(folder) as directory:
        folder.write("part-000002.parquet", b"another job's")
        with pytest.raises(StoreError, match="another job has written"):
            append(directory, 2)
    assert folder.read("part-000002.parquet") == b"another job's"
