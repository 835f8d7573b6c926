"""The ledger: the paper's table, torch's own counter, and sums."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForCausalLM

from tts_ray.dimensions import Dimensions
from tts_ray.flops import ModelSize, Sizes, Work, dense_flops, flops, forward_flops, training_flops
from tts_ray.types import Usage

TABLE_4 = [
    (3e9, 9e12, "1.62e+23"),
    (405e9, 15e12, "3.65e+25"),
    (7e9, 18e12, "7.56e+23"),
    (671e9, 14.8e12, "5.96e+25"),
]
INFERENCE = [(3e9, "3.07e+17"), (405e9, "4.25e+17"), (7e9, "8.15e+17"), (671e9, "4.03e+18")]
KINDS = {
    "llama": {},
    "qwen2": {"tie_word_embeddings": True},
    "qwen3": {"head_dim": 32},
}


@pytest.mark.parametrize(("parameters", "tokens", "printed"), TABLE_4)
def test_training_flops_of_table_4(parameters, tokens, printed):
    assert f"{training_flops(parameters, tokens):.2e}" == printed


@pytest.mark.parametrize(("parameters", "printed"), INFERENCE)
def test_inference_flops_of_table_4_follow_from_a_whole_number_of_tokens(parameters, printed):
    # The paper prints no token counts; the one derived from its FLOPs must give them back.
    tokens = round(float(printed) / 2 / parameters)
    assert f"{dense_flops(parameters, tokens):.2e}" == printed


def model(kind):
    config = AutoConfig.for_model(
        kind,
        hidden_size=64,
        intermediate_size=160,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=500,
        **KINDS[kind],
    )
    made = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    size = Dimensions.of(config.to_dict() | {"architectures": [type(made).__name__]})
    return made, size


def counted(run):
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        out = run()
    return counter.get_total_flops(), out


@pytest.mark.parametrize("kind", KINDS)
def test_a_prefill_and_a_decoded_token_cost_what_torch_counts(kind):
    made, size = model(kind)
    ids = torch.arange(40)[None]
    total, out = counted(lambda: made(ids, use_cache=True))
    # torch computes the masked half of the attention too: every pair of 40 x 40.
    assert forward_flops(size, tokens=40, pairs=40 * 40, outputs=40) == pytest.approx(
        total, rel=0.01
    )
    total, _ = counted(lambda: made(ids[:, :1], past_key_values=out.past_key_values))
    assert forward_flops(size, tokens=1, pairs=41, outputs=1) == pytest.approx(total, rel=0.01)


def test_experts_that_a_token_is_not_sent_to_cost_nothing():
    size = Dimensions(2, 64, 4, 2, 16, 96, 500, 64 * 500, experts=8, active_experts=2)
    sparse = Dimensions(
        2, 64, 4, 2, 16, 96, 500, 64 * 500, experts=8, active_experts=2, expert_width=48
    )
    wide = 2 * 10 * 2 * 3 * 64 * 2 * 48  # two experts of three matrices, two layers, ten tokens
    more = [forward_flops(each, tokens=10, pairs=0, outputs=0) for each in (size, sparse)]
    assert more[1] - more[0] == wide


SIZE = ModelSize(1e6, model("llama")[1])
ALONE, PAIR = Sizes(SIZE), Sizes(SIZE, SIZE)


def test_a_cold_request_costs_the_same_by_both_counts_but_for_its_last_token():
    work = Work.of(Usage.of_request(10, 0, 5), Usage(), 10)
    last = forward_flops(SIZE.dimensions, tokens=1, pairs=15, outputs=0)
    found = flops(work, ALONE)
    assert found["algorithmic"] == pytest.approx(found["executed"] + last)
    assert found["paper"] == 2e6 * 5


def test_a_cache_lowers_what_is_executed_and_nothing_else():
    cold = flops(Work.of(Usage.of_request(10, 0, 5), Usage(), 10), ALONE)
    warm = flops(Work.of(Usage.of_request(10, 8, 5), Usage(), 10), ALONE)
    assert warm["executed"] < cold["executed"]
    assert {k: warm[k] for k in ("paper", "algorithmic")} == {
        k: cold[k] for k in ("paper", "algorithmic")
    }


def test_work_adds_up_by_every_convention():
    parts = [
        Work.of(Usage.of_request(10 + i, i, 5), Usage.of_request(15 + i, 0), 10) for i in range(3)
    ]
    whole = flops(sum(parts, Work()), PAIR)
    for convention, value in whole.items():
        assert value == pytest.approx(sum(flops(p, PAIR)[convention] for p in parts))


def test_without_dimensions_only_the_papers_count_is_made():
    work = Work.of(Usage.of_request(10, 0, 5), Usage.of_request(15, 0), 10)
    assert set(flops(work, Sizes(ModelSize(1e6), SIZE))) == {"paper"}
    assert set(flops(work, Sizes(SIZE, ModelSize(1e6)))) == {"paper"}


def test_requests_count_what_is_run():
    cold = Usage.of_request(4, 0, 3)
    assert (cold.computed_tokens, cold.computed_pairs, cold.generated_pairs) == (6, 21, 18)
    warm = Usage.of_request(4, 3)
    assert (warm.computed_tokens, warm.computed_pairs, warm.generated_pairs) == (1, 4, 0)
