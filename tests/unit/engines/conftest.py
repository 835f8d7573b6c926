"""Checkpoints of the pocket suite, copied to be damaged."""

import json
import shutil

import pytest

from tts_ray import pocket
from tts_ray.errors import ConfigError

NO_JSON = {
    "empty": b"",
    "binary": bytes(range(256)),
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "deeply nested": b"[" * 100_000,
    "a list": b"[]",
    "null": b"null",
    "a number": b"5",
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
}
"""Contents that are no JSON object."""


@pytest.fixture
def folder(tmp_path):
    """A policy's checkpoint."""
    return shutil.copytree(pocket.weights("pocket-xs"), tmp_path / "policy")


@pytest.fixture
def prm(tmp_path):
    """A reward model's checkpoint."""
    return shutil.copytree(pocket.weights("pocket-prm"), tmp_path / "prm")


def change(file, **values):
    """Change keys of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def halve(file):
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])


def refusal(call, *args, **kwargs):
    """The one line of a refusal."""
    with pytest.raises(ConfigError) as refused:
        call(*args, **kwargs)
    line = str(refused.value)
    assert line.isprintable()
    assert len(line) < 1000
    return line
