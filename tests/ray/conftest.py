"""One local Ray cluster for all tests here; it ends with them."""

import pytest
import ray

from tts_ray.runtime.session import connect


@pytest.fixture(scope="session")
def cluster():
    connect("local")
    yield
    ray.shutdown()
