"""What a disk does by itself and an object store does not: locks, and who may write."""

import asyncio
import time

import obstore
import pytest

from tests.conftest import s3_server
from tests.patience import PATIENCE_S
from tests.unit.results.test_run_directory import opened, record_of, write
from tts_ray.errors import StoreError
from tts_ray.results import object_folder, object_lock
from tts_ray.results.folder import folder_at
from tts_ray.results.stored_parts import parts, read


def left_without_a_word(folder, monkeypatch):
    """A job on the folder that was killed: its lock stays and is not renewed."""
    with monkeypatch.context() as patch:
        patch.setattr(object_lock, "BEAT_S", 3600.0)
        job = opened(folder).__enter__()
    return job


def test_a_job_that_ended_leaves_no_lock(objects):
    write(objects, [record_of(1)])
    assert objects.files() == ["part-000001.parquet", "run.yaml"]


def test_the_lock_of_a_killed_job_is_taken_over_once_it_is_stale(objects, monkeypatch):
    killed = left_without_a_word(objects, monkeypatch)
    left = obstore.head(objects.store, "lock")["last_modified"]
    with opened(objects) as directory:
        taken = obstore.head(objects.store, "lock")["last_modified"]
        asyncio.run(directory.append(record_of(1)))
    # By the store's own clock, which counts whole seconds.
    assert (taken - left).total_seconds() >= object_lock.STALE_S - 1
    assert len(read(objects)) == 1
    with pytest.raises(StoreError, match="another job has taken"):
        killed._lock._renew()
        killed._lock.check()


def test_a_job_that_slept_through_a_take_over_does_not_write(objects, monkeypatch):
    asleep = left_without_a_word(objects, monkeypatch)
    with opened(objects):
        with pytest.raises(StoreError, match="another job has taken the run over"):
            asyncio.run(asleep.append(record_of(1)))
        assert not parts(objects)
    with pytest.raises(StoreError, match="another job has taken"):
        asleep._lock.check()


def test_a_lock_that_is_renewed_is_kept_beyond_the_time_it_would_be_stale(objects):
    with opened(objects) as directory:
        first = obstore.head(objects.store, "lock")["last_modified"]
        deadline = time.monotonic() + PATIENCE_S
        renewed = first
        while (renewed - first).total_seconds() <= object_lock.STALE_S:
            assert time.monotonic() < deadline, "the lock is not renewed"
            time.sleep(0.1)
            renewed = obstore.head(objects.store, "lock")["last_modified"]
        with pytest.raises(StoreError, match="another job is writing"), opened(objects):
            pass
        asyncio.run(directory.append(record_of(1)))
    assert len(read(objects)) == 1


def test_a_renewal_whose_answer_was_lost_is_no_loss(objects):
    with opened(objects) as directory:
        lock = directory._lock
        with lock._renewing:
            seen = lock._version
            lock._put(object_lock.version_of(seen))
            lock._version = seen
        lock._renew()
        lock.check()


def test_a_part_that_is_there_is_not_written_over(objects):
    with opened(objects) as directory:
        objects.write("part-000001.parquet", b"another's")
        with pytest.raises(StoreError, match="another job has written"):
            asyncio.run(directory.append(record_of(1)))
    assert objects.read("part-000001.parquet") == b"another's"


def test_a_store_that_ignores_conditions_is_refused(objects, monkeypatch):
    put = obstore.put
    monkeypatch.setattr(
        obstore, "put", lambda store, name, content, mode=None: put(store, name, content)
    )
    with pytest.raises(StoreError, match="without conditional puts"), opened(objects):
        pass


def test_a_store_that_ignores_versions_is_refused(objects, monkeypatch):
    put = obstore.put

    def forgetful(store, name, content, mode=None):
        return put(store, name, content, mode=mode if mode == "create" else None)

    monkeypatch.setattr(obstore, "put", forgetful)
    with pytest.raises(StoreError, match="without conditional puts"), opened(objects):
        pass


def test_a_store_that_is_away_stops_the_run_and_is_no_traceback(monkeypatch):
    monkeypatch.setattr(object_folder, "REPEAT_S", 0.2)
    monkeypatch.setattr(object_folder, "LOCK_REPEAT_S", 0.2)
    monkeypatch.setattr(object_lock, "BEAT_S", 0.1)
    monkeypatch.setattr(object_lock, "STALE_S", 0.5)
    with s3_server() as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        directory = opened(folder_at("s3://runs/x")).__enter__()
    with pytest.raises(StoreError, match=r"cannot be written|could not be renewed"):
        asyncio.run(directory.append(record_of(1)))
    deadline = time.monotonic() + PATIENCE_S
    while not directory._lock.lost:
        assert time.monotonic() < deadline, "the loss of the lock was not noticed"
        time.sleep(0.05)
    with pytest.raises(StoreError, match=r"could not be renewed for 0\.5 s"):
        asyncio.run(directory.append(record_of(1)))
    directory.__exit__(None, None, None)


def test_whatever_befalls_a_part_reaches_who_waits_for_it(objects, monkeypatch):
    def fail(*_):
        raise RuntimeError("unheard of")

    with opened(objects) as directory:
        monkeypatch.setattr(directory.folder, "create", fail)
        with pytest.raises(RuntimeError, match="unheard of"):
            asyncio.run(asyncio.wait_for(directory.append(record_of(1)), 10))


def test_a_put_that_is_repeated_finds_its_own_work(objects):
    objects.create("x", b"1")
    objects.create("x", b"1")
    with pytest.raises(FileExistsError):
        objects.create("x", b"2")


def test_a_store_that_fails_while_reading_costs_no_part(objects, monkeypatch):
    write(objects, [record_of(1)])

    def fail(*_):
        raise obstore.exceptions.GenericError("the network is away")

    monkeypatch.setattr(obstore, "get", fail)
    with pytest.raises(StoreError, match="the network is away"), opened(objects):
        pass
    monkeypatch.undo()
    assert len(read(objects)) == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://host/run", "is no place for a run"),
        ("memory:///run", "is no place for a run"),
        ("file:///tmp/run", "is no place for a run"),
        ("s3://key:secret@bucket/run", "come from the environment"),
        ("s3://bucket/run?endpoint=x", "come from the environment"),
    ],
)
def test_a_url_that_cannot_be_is_refused_without_its_secrets(url, said):
    with pytest.raises(StoreError, match=said) as refused:
        folder_at(url)
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_bucket_that_is_not_there_is_refused(bucket):
    with pytest.raises(StoreError, match="cannot be written"), opened(folder_at("s3://nobody/x")):
        pass
