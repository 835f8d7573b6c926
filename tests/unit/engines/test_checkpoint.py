"""What a checkpoint's folder says of itself, and where it is looked for."""

import pytest
from huggingface_hub import constants

from tests.unit.engines.conftest import NO_JSON, change, halve, refusal
from tts_ray.engines.checkpoint import complete_checkpoint, model_size, own_config
from tts_ray.errors import ConfigError

KNOWN = {"model_type": "qwen2"}


@pytest.mark.parametrize("content", NO_JSON.values(), ids=NO_JSON)
def test_a_config_that_is_no_object_is_refused_wherever_it_is_read(folder, content):
    (folder / "config.json").write_bytes(content)
    for line in (
        refusal(own_config, str(folder), None, KNOWN),
        refusal(model_size, str(folder), None, KNOWN, 1e9),
        refusal(complete_checkpoint, str(folder), None, fetch=False),
    ):
        assert "config.json: " in line


def test_a_config_that_was_cut_short_is_refused(folder):
    halve(folder / "config.json")
    assert "not JSON" in refusal(own_config, str(folder), None, KNOWN)


def test_a_config_of_a_size_beyond_all_reason_is_not_read(folder):
    with open(folder / "config.json", "r+b") as file:
        file.truncate(1 << 40)
    assert "too large" in refusal(own_config, str(folder), None, KNOWN)


def test_a_folder_without_a_config_is_refused_and_not_taken_for_a_hub_id(folder, monkeypatch):
    (folder / "config.json").unlink()
    monkeypatch.chdir(folder.parent)
    for name in (str(folder), "policy"):
        assert "config.json: No such file" in refusal(own_config, name, None, KNOWN)
        assert "config.json: No such file" in refusal(complete_checkpoint, name, None, fetch=False)


@pytest.mark.parametrize(
    "name",
    [
        "/no/such",
        "./such",
        "../such",
        "~/such",
        "tts_ray/search/such",
        "/" + "x" * 300,
        "/a\0b",
        "/a\nb",
    ],
)
def test_what_can_only_be_meant_as_a_folder_is_no_hub_id(name):
    assert "is no folder with a config.json here" in refusal(own_config, name, None, {})


@pytest.mark.parametrize("name", ["a b", "a/b/c", "x" * 300, "\ud800", "a\nb/c", "", "a--b/c..d"])
def test_what_is_neither_a_folder_nor_a_hub_id_is_refused(name):
    assert "no hub id" in refusal(own_config, name, None, {})


def test_a_file_is_no_checkpoint(folder):
    assert "is a file" in refusal(own_config, str(folder / "model.safetensors"), None, {})


def test_a_hub_id_that_is_not_here_is_known_by_what_the_run_says_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert own_config("no-one/no-model", None, KNOWN) == KNOWN
    assert model_size("no-one/no-model", None, {}, 1e9).dimensions is None


def test_an_unknown_kind_has_its_nominal_size_and_a_broken_one_none(folder):
    assert model_size(str(folder), None, {}, 1e9).dimensions.hidden == 64
    change(folder / "config.json", model_type="mamba9")
    assert model_size(str(folder), None, {}, 1e9).dimensions is None
    change(folder / "config.json", model_type="qwen2", hidden_size="abc")
    with pytest.raises(ConfigError, match=rf"{folder}: .*hidden_size='abc'"):
        model_size(str(folder), None, {}, 1e9)


def test_a_scripted_model_has_no_folder_even_where_there_is_one(folder, monkeypatch):
    (folder.parent / "scripted").mkdir()
    monkeypatch.chdir(folder.parent)
    assert own_config("scripted", None, KNOWN) == KNOWN
