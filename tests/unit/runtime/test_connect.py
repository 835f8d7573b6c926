"""Joining a cluster: whatever Ray raises is one line."""

import pytest
import ray

from tts_ray.errors import PlacementError
from tts_ray.runtime import session
from tts_ray.runtime.local_ray import niceness


@pytest.mark.parametrize(
    "error",
    [
        Exception("The current node timed out during startup. This could happen because\nof load."),
        RuntimeError("no\nsession"),
        OSError("no space left"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_local_ray_that_does_not_start_is_one_line(monkeypatch, error):
    def fails(settings):
        raise error

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(session, "start_local_ray", fails)
    with pytest.raises(PlacementError) as refused:
        session.connect(None)
    assert str(refused.value) == f"no Ray cluster at 'local': {str(error).splitlines()[0]}"


@pytest.mark.parametrize(("asked", "settings"), [(None, {"worker_niceness": 0}), ("5", {})])
def test_engines_have_their_jobs_priority_unless_the_user_says_otherwise(
    monkeypatch, asked, settings
):
    monkeypatch.delenv("RAY_worker_niceness", raising=False)
    if asked:
        monkeypatch.setenv("RAY_worker_niceness", asked)
    assert niceness() == settings
