"""Engines that cannot load, and what they say of it."""

import shutil

import pytest

from tests.e2e.conftest import SMALL
from tts_ray import pocket
from tts_ray.engines.load import load
from tts_ray.engines.spec import PolicySpec
from tts_ray.errors import ConfigError, EngineError


def test_a_core_in_a_process_of_its_own_says_why_it_cannot_start(tmp_path):
    folder = shutil.copytree(pocket.weights("pocket-xs"), tmp_path / "policy")
    with open(folder / "model.safetensors", "r+b") as weights:
        weights.truncate(100_000)
    spec = PolicySpec(model=str(folder), prompt="qwen", core_process=True, **SMALL)
    with pytest.raises(EngineError, match=r"failed to start: SafetensorError: .*not fully covered"):
        load(spec)


def test_an_engine_never_begins_with_a_tokenizer_without_words(tmp_path):
    folder = shutil.copytree(pocket.weights("pocket-xs"), tmp_path / "policy")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ConfigError, match="vocabulary"):
        load(PolicySpec(model=str(folder), prompt="qwen", **SMALL))
