"""Both places a run may lie: a disk, and an object store with a real S3 interface."""

from itertools import count

import pytest

from tts_ray.results import object_lock
from tts_ray.results.folder import folder_at

NUMBERS = count()


@pytest.fixture
def disk(tmp_path):
    """A local folder that is not there yet."""
    return folder_at(tmp_path / "run")


@pytest.fixture
def objects(bucket, monkeypatch):
    """A prefix with nothing below it, whose lock is soon stale."""
    monkeypatch.setattr(object_lock, "BEAT_S", 0.2)
    monkeypatch.setattr(object_lock, "POLL_S", 0.05)
    monkeypatch.setattr(object_lock, "STALE_S", 3.0)
    return folder_at(f"{bucket}/{next(NUMBERS)}")


@pytest.fixture(params=["disk", "objects"])
def folder(request):
    """Either."""
    return request.getfixturevalue(request.param)
