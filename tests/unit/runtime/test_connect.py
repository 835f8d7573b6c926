"""Joining a cluster: whatever Ray raises is one line."""

import pytest
import ray

from tts_ray.errors import PlacementError
from tts_ray.runtime import session


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
