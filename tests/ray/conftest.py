"""A local Ray cluster for the tests of a module; it ends with them."""

import pytest
import ray

from tts_ray.runtime.session import connect


@pytest.fixture(scope="module")
def cluster():
    connect("local")
    yield
    ray.shutdown()
