"""Sizes counted from a config equal those of the models themselves."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification

from tts_ray import pocket
from tts_ray.dimensions import Dimensions, UnknownKindError, context_length
from tts_ray.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs"
PUBLISHED = {
    "llama-3.1-8b-instruct": 8_030_261_248,
    "llama-3.2-1b-instruct": 1_235_814_400,
    "llama-3.2-3b-instruct": 3_212_749_824,
    "qwen2.5-0.5b-instruct": 494_032_768,
    "qwen2.5-1.5b-instruct": 1_543_714_304,
    "qwen2.5-3b-instruct": 3_085_938_688,
    "qwen2.5-7b-instruct": 7_615_616_512,
    "qwen2.5-14b-instruct": 14_770_033_664,
    "qwen2.5-32b-instruct": 32_763_876_352,
    "qwen2.5-72b-instruct": 72_706_203_648,
    "deepseek-r1-distill-qwen-1.5b": 1_777_088_000,
    "deepseek-r1-distill-qwen-7b": 7_615_616_512,
}
"""Parameters that the checkpoints on the Hugging Face hub hold."""

SMALL = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 320,
}
EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 48}
KINDS = {
    "llama": {},
    "mistral": {},
    "qwen2": {"tie_word_embeddings": True},
    "qwen3": {"head_dim": 32},
    "mixtral": {"num_local_experts": 6, "num_experts_per_tok": 2},
    "qwen2_moe": EXPERTS | {"num_experts": 8, "shared_expert_intermediate_size": 80},
    "qwen3_moe": EXPERTS | {"num_experts": 8},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_paper_model_has_its_published_parameter_count(name):
    config = yaml.safe_load((CONFIGS / "policy" / f"{name}.yaml").read_text())
    assert Dimensions.of(config["architecture"]).parameters == PUBLISHED[name]


@pytest.mark.parametrize("name", pocket.POLICIES + pocket.PRMS)
def test_a_pocket_model_has_the_parameters_in_its_file(name):
    folder = pocket.weights(name)
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        held = sum(file.get_tensor(key).numel() for key in file.keys())  # noqa: SIM118
    assert Dimensions.of(json.loads((folder / "config.json").read_text())).parameters == held


def made(kind, auto=AutoModelForCausalLM, **more):
    """A model without weights, and its config.json."""
    config = AutoConfig.for_model(kind, **SMALL, **KINDS[kind], **more)
    with torch.device("meta"):
        model = auto.from_config(config)
    return model, config.to_dict() | {"architectures": [type(model).__name__]}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_counted_as_transformers_builds_it(kind):
    model, config = made(kind)
    assert Dimensions.of(config).parameters == model.num_parameters()


def test_a_classifier_has_its_own_head():
    model, config = made("llama", AutoModelForSequenceClassification, num_labels=3)
    assert Dimensions.of(config).parameters == model.num_parameters()


def test_a_token_passes_only_its_experts():
    found = Dimensions.of(made("qwen3_moe")[1])
    idle = 3 * 6 * 3 * 64 * 48  # layers x idle experts x their three matrices
    assert found.parameters - found.active_parameters == idle


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model_type": "deepseek_v3"}, "deepseek_v3"),
        ({"mlp_only_layers": [0]}, "dense in part"),
        ({"architectures": []}, "no architecture"),
    ],
)
def test_what_is_not_known_is_refused(change, named):
    with pytest.raises(ConfigError, match=named):
        Dimensions.of(made("qwen2")[1] | change)


def test_a_missing_key_is_named():
    config = made("qwen2")[1]
    del config["num_hidden_layers"]
    with pytest.raises(ConfigError, match="num_hidden_layers"):
        Dimensions.of(config)


NUMBERS = ["hidden_size", "intermediate_size", "num_hidden_layers", "vocab_size", "head_dim"]
NUMBERS += ["num_attention_heads", "num_key_value_heads", "decoder_sparse_step"]
NUMBERS += ["num_experts_per_tok", "moe_intermediate_size", "shared_expert_intermediate_size"]


@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize("value", [-1, "abc", "64", 64.0, float("nan"), True, [64], {}, 10**30])
def test_a_number_that_cannot_be_is_refused_with_its_key_and_value(key, value):
    config = made("qwen2_moe")[1] | {"head_dim": 16} | {key: value}
    with pytest.raises(ConfigError) as refused:
        Dimensions.of(config)
    line = str(refused.value)
    assert line.startswith(f"the model's config has {key}=")
    assert line.isprintable()
    assert len(line) < 200


@pytest.mark.parametrize("key", [key for key in NUMBERS if not key.startswith("shared")])
def test_nothing_of_a_model_is_zero(key):
    with pytest.raises(ConfigError, match=f"{key}=0; it must be a whole number from 1"):
        Dimensions.of(made("qwen2_moe")[1] | {key: 0})


@pytest.mark.parametrize(
    "key", ["hidden_size", "num_attention_heads", "num_hidden_layers", "vocab_size"]
)
def test_a_number_that_is_null_is_named_where_there_is_no_other(key):
    with pytest.raises(ConfigError, match=f"{key}=None"):
        Dimensions.of(made("qwen2")[1] | {key: None})


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("model_type", [5, ["qwen2"], {}, True]),
        ("architectures", [5, "Qwen2ForCausalLM", [5], [None], [""], {"a": 1}, True]),
        ("tie_word_embeddings", [1, "true", []]),
        ("attention_bias", [0, "no"]),
        ("mlp_only_layers", [5, "x", {}]),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_its_key(key, values):
    for value in values:
        with pytest.raises(ConfigError, match=f"has {key}="):
            Dimensions.of(made("qwen2")[1] | {key: value})


def test_labels_that_are_none_are_refused():
    config = made("llama", AutoModelForSequenceClassification, num_labels=3)[1]
    with pytest.raises(ConfigError, match="id2label=5"):
        Dimensions.of(config | {"id2label": 5})


@pytest.mark.parametrize(
    "change", [{"num_attention_heads": 3}, {"num_key_value_heads": 3}, {"num_key_value_heads": 8}]
)
def test_numbers_that_contradict_each_other_are_refused(change):
    with pytest.raises(ConfigError, match="contradicts itself"):
        Dimensions.of(made("qwen2")[1] | change)


def test_more_experts_cannot_be_active_than_there_are():
    with pytest.raises(ConfigError, match="contradicts itself"):
        Dimensions.of(made("qwen3_moe")[1] | {"num_experts_per_tok": 9})


def test_only_an_unknown_kind_may_be_estimated():
    with pytest.raises(UnknownKindError):
        Dimensions.of({"model_type": "deepseek_v3", "hidden_size": "abc"})
    with pytest.raises(ConfigError) as refused:
        Dimensions.of({"model_type": "qwen2", "hidden_size": "abc"})
    assert not isinstance(refused.value, UnknownKindError)


def test_a_context_is_as_long_as_the_config_says():
    assert context_length({"max_position_embeddings": 4096}) == 4096
    assert context_length({}) is None
    for value in (0, "4096", 4096.0, 10**9):
        with pytest.raises(ConfigError, match="max_position_embeddings="):
            context_length({"max_position_embeddings": value})
