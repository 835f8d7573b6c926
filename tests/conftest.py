"""What tests of several folders share."""

import os
from unittest.mock import patch

import boto3
import pytest
import ray
from moto.server import ThreadedMotoServer

from tts_ray.runtime.session import connect


@pytest.fixture(scope="module")
def cluster():
    """A local Ray cluster; it ends with the module."""
    connect("local")
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def bucket():
    """The URL of a bucket, with what a job needs to find it in the environment."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }
    with patch.dict(os.environ, environment):
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="runs")
        yield "s3://runs"
    server.stop()
