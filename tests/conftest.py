"""What tests of several folders share. Imports what it uses where it uses it: most tests need none
of it, and vLLM cannot be imported beside the S3 server's own libraries."""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings

from tests.patience import PATIENCE_S

# A busy machine fails no example for being slow.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="module")
def cluster():
    """A local Ray cluster; it ends with the module."""
    import ray

    from tts_ray.runtime.local_ray import reread_authentication
    from tts_ray.runtime.session import connect

    with patch.dict(os.environ):
        connect("local")
        yield
        ray.shutdown()
    # Clusters of other tests have other tokens, or none.
    reread_authentication()


@pytest.fixture(scope="session")
def bucket():
    """The URL of a bucket, with what a job needs to find it in the environment."""
    with s3_server() as environment, patch.dict(os.environ, environment):
        yield "s3://runs"


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def s3_server():
    """A server with S3's interface on this machine, and the bucket "runs" in it; yields the
    environment of those who use it."""
    import boto3

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not answers(port):
            assert process.poll() is None, "the S3 server did not start"
            assert time.monotonic() < deadline, "the S3 server does not answer"
            time.sleep(0.05)
        address = f"http://127.0.0.1:{port}"
        keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any"}
        client = boto3.client("s3", endpoint_url=address, region_name="us-east-1", **keys)
        client.create_bucket(Bucket="runs")
        yield {
            "AWS_ENDPOINT_URL": address,
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
            **{name.upper(): value for name, value in keys.items()},
        }
    finally:
        process.kill()
        process.wait(PATIENCE_S)
