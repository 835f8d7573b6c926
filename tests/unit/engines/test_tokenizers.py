"""Tokenizers are damaged, and none that is left without its words is taken for one."""

import json

import pytest
from tokenizers import normalizers

from tests.e2e.checkpoints import llama_tokenizer, qwen_tokenizer, sentencepiece_tokenizer
from tests.unit.engines.conftest import NO_JSON, change, halve, refusal
from tts_ray.engines.tokenizers import refuse_unusable, usable_tokenizer

FILES = ["tokenizer.json", "tokenizer_config.json", "config.json"]


def refused(folder):
    line = refusal(usable_tokenizer, str(folder), None, "policy.model=mine", local=True)
    assert "policy.model=mine" in line
    return line


def change_vocabulary(folder, edit):
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))


def test_a_whole_tokenizer_is_taken(folder):
    tokenizer = usable_tokenizer(str(folder), None, "policy.model=mine", local=True)
    assert tokenizer.decode(tokenizer("12 + 34")["input_ids"]) == "12 + 34"


@pytest.mark.parametrize("make", [llama_tokenizer, qwen_tokenizer, sentencepiece_tokenizer])
def test_every_family_of_tokenizers_is_usable(make):
    tokenizer = make()
    refuse_unusable(tokenizer, "mine", {"vocab_size": len(tokenizer)})


def test_a_tokenizer_without_its_vocabulary_is_refused(folder):
    (folder / "tokenizer.json").unlink()
    assert "vocabulary (tokenizer.json, tokenizer.model) is missing" in refused(folder)


def test_a_folder_that_does_not_say_where_a_sequence_ends_is_refused(folder):
    (folder / "tokenizer_config.json").unlink()
    assert "has no tokenizer_config.json" in refused(folder)


def test_a_tokenizer_without_an_end_is_refused(folder):
    change(folder / "tokenizer_config.json", eos_token=None)
    assert "has no end-of-sequence token" in refused(folder)


def test_an_end_that_the_model_has_no_token_for_is_refused(folder):
    change(folder / "tokenizer_config.json", eos_token="<|nowhere|>")
    assert "to 512, but the model's are 0 to 511" in refused(folder)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("content", NO_JSON.values(), ids=NO_JSON)
def test_a_file_that_is_no_object_is_one_line(folder, file, content):
    (folder / file).write_bytes(content)
    refused(folder)


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_was_cut_short_is_one_line(folder, file):
    halve(folder / file)
    refused(folder)


@pytest.mark.parametrize(
    "edit",
    [
        lambda content: content["model"].update(vocab={}),
        lambda content: content["model"].update(vocab={"a": 0, "b": 1}, merges=[]),
        lambda content: content["model"].update(vocab=5),
        lambda content: content["model"].update(merges=[["no", "such"]]),
        lambda content: content["model"]["vocab"].update(zz=-1),
        lambda content: content["model"]["vocab"].update(zz=1 << 31),
        lambda content: content.update(model=None),
        lambda content: content.pop("model"),
        lambda content: content.update(added_tokens=[5]),
    ],
)
def test_a_vocabulary_that_cannot_be_is_one_line(folder, edit):
    change_vocabulary(folder, edit)
    refused(folder)


@pytest.mark.parametrize(
    "values",
    [
        *({"tokenizer_class": 5}, {"eos_token": 5}, {"eos_token": ["x"]}, {"auto_map": 5}),
        {"auto_map": {"AutoTokenizer": ["evil.Tokenizer", None]}, "tokenizer_class": "Evil"},
    ],
)
def test_settings_that_cannot_be_are_one_line_or_do_no_harm(folder, values):
    change(folder / "tokenizer_config.json", **values)
    (folder / "evil.py").write_text("raise SystemExit('this code must not run')")
    try:
        usable_tokenizer(str(folder), None, "policy.model=mine", local=True)
    except Exception:
        refused(folder)


@pytest.mark.parametrize("size", [511, 100, 0, -1, "512", 512.0, True])
def test_ids_beyond_the_models_vocabulary_are_refused(folder, size):
    change(folder / "config.json", vocab_size=size)
    refused(folder)


def test_a_padding_token_behind_the_models_last_one_does_no_harm(folder):
    change(folder / "tokenizer_config.json", pad_token="[PAD]")
    usable_tokenizer(str(folder), None, "policy.model=mine", local=True)


def test_a_tokenizer_that_knows_no_capitals_is_refused():
    tokenizer = llama_tokenizer()
    tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    assert "step" in refusal(refuse_unusable, tokenizer, "mine", {})
