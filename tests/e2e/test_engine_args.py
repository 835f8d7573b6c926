"""What vLLM is asked for on a GPU, where there is none."""

import pytest
import vllm.envs

from tts_ray import pocket
from tts_ray.engines.spec import BATCH_TOKENS, PolicySpec, RewardSpec, environment
from tts_ray.engines.vllm_compat import engine_args, token_classifier

MODEL = str(pocket.weights("pocket-xs"))
POLICY = PolicySpec(model=MODEL, prompt="qwen", device="cuda", max_model_len=32768)
REWARD = RewardSpec(model=MODEL, format="qwen2.5-math-prm", device="cuda", max_model_len=32768)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_vllm_reads_every_variable_that_an_engine_starts_with(device):
    mine = {name for name in environment(device) if name.startswith("VLLM_")}
    assert mine <= vllm.envs.environment_variables.keys()


def test_a_policys_largest_batch_is_the_one_its_memory_was_planned_for():
    assert engine_args(POLICY).max_num_batched_tokens == BATCH_TOKENS["cuda"]


def test_a_reward_model_reads_a_whole_prompt_in_one_batch():
    asked = engine_args(REWARD, **token_classifier({}))
    assert not asked.enable_chunked_prefill
    assert asked.max_num_batched_tokens == 32768
