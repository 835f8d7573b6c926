"""The lean training model, its optimiser and its sampler, against transformers."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerBase, Qwen2ForCausalLM, Qwen2Model

from tts_ray.pocket.checkpoint import load_policy, load_reward, save
from tts_ray.pocket.model import PolicyModel, RewardModel, Shape
from tts_ray.pocket.optimise import orthogonalise
from tts_ray.pocket.sample import sample
from tts_ray.pocket.tokens import VOCABULARY, learn_tokenizer

SMALL = Shape(VOCABULARY, hidden=64, layers=3, feed_forward=96)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return learn_tokenizer(problems=200)


def scrambled(model: PolicyModel | RewardModel) -> None:
    """Fill all parameters, zeros included, with noise."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.05)


@pytest.fixture(scope="module")
def policy() -> PolicyModel:
    model = PolicyModel(SMALL).eval()
    scrambled(model)
    return model


def test_a_saved_policy_gives_the_logits_of_transformers(
    policy: PolicyModel, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    save(policy, tokenizer, tmp_path)
    reference = Qwen2ForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
    ids = torch.randint(0, VOCABULARY, (3, 40), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        ours = policy.logits(policy.model(ids))
        torch.testing.assert_close(ours, reference(ids).logits, atol=1e-4, rtol=1e-4)
        again = load_policy(tmp_path)
        assert torch.equal(again.logits(again.model(ids)), ours)


def test_a_saved_reward_model_is_a_qwen2_body_with_a_two_class_head(
    tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    reward = RewardModel(SMALL).eval()
    scrambled(reward)
    save(reward, tokenizer, tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    assert {name for name in state if not name.startswith("model.")} == {
        "score.0.weight",
        "score.0.bias",
        "score.2.weight",
        "score.2.bias",
    }
    body = Qwen2Model.from_pretrained(tmp_path, dtype=torch.float32)
    ids = torch.randint(0, VOCABULARY, (2, 30), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        hidden = body(ids).last_hidden_state
        torch.testing.assert_close(reward.model(ids), hidden, atol=1e-4, rtol=1e-4)
        again = load_reward(tmp_path)
        assert torch.equal(again.logits(again.model(ids)), reward.logits(reward.model(ids)))


def test_the_sampler_agrees_with_the_whole_forward_pass(policy: PolicyModel) -> None:
    prompts = [[5, 6, 7], [8, 9, 10, 11, 12, 13], [14]]
    generator = torch.Generator().manual_seed(0)
    completions = sample(policy, prompts, end=2, temperature=0, limit=12, generator=generator)
    for prompt, completion in zip(prompts, completions, strict=True):
        ids = torch.tensor([prompt + completion])
        with torch.inference_mode():
            best = policy.logits(policy.model(ids)).argmax(-1)[0]
        assert best[len(prompt) - 1 : -1].tolist() == completion
        assert len(completion) == 12 or completion[-1] == 2


def test_sampling_is_reproducible_from_its_seed(policy: PolicyModel) -> None:
    def draw(seed: int) -> list[list[int]]:
        generator = torch.Generator().manual_seed(seed)
        prompts = [[5, 6, 7]] * 4
        return sample(policy, prompts, end=2, temperature=1, limit=8, generator=generator)

    assert draw(1) == draw(1) != draw(2)


def test_orthogonalised_matrices_have_singular_values_near_one() -> None:
    stack = torch.randn(2, 48, 32, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(stack))
    assert values.min() > 0.5
    assert values.max() < 1.5


def test_a_hidden_size_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="hidden 50"):
        Shape(VOCABULARY, hidden=50, layers=3, feed_forward=96)
