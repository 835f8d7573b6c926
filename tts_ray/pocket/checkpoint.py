"""Checkpoints in the layout of the Hugging Face hub, which transformers and vLLM read.

Invariant: what `save` writes, `load_policy` and `load_reward` read back to the same model.
"""

from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, GenerationConfig, PreTrainedTokenizerBase, Qwen2Config

from tts_ray.pocket.model import (
    MAX_LENGTH,
    NORM_EPSILON,
    ROPE_THETA,
    PolicyModel,
    RewardModel,
    Shape,
)
from tts_ray.pocket.tokens import END, PAD, token_id

WEIGHTS_FILE = "model.safetensors"
REWARD_DTYPE = torch.bfloat16
"""What a reward model is stored in; it computes in float32."""
Model = TypeVar("Model", PolicyModel, RewardModel)


def save(
    model: PolicyModel | RewardModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write the model with its tokenizer and configuration into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    end, pad = token_id(tokenizer, END), token_id(tokenizer, PAD)
    configure(model, end, pad, dtype).save_pretrained(folder)
    if isinstance(model, PolicyModel):
        GenerationConfig(
            bos_token_id=pad,
            eos_token_id=[end, pad],
            pad_token_id=pad,
            do_sample=True,
            temperature=0.7,
        ).save_pretrained(folder)
    state = {name: value.to(dtype).contiguous() for name, value in model.state_dict().items()}
    save_file(state, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    tokenizer.save_pretrained(folder)


def configure(
    model: PolicyModel | RewardModel, end: int, pad: int, dtype: torch.dtype
) -> Qwen2Config:
    """The configuration of a Qwen2 model of this shape."""
    policy = isinstance(model, PolicyModel)
    classes = {} if policy else {"num_labels": 2}
    return Qwen2Config(
        architectures=["Qwen2ForCausalLM" if policy else "Qwen2ForProcessRewardModel"],
        vocab_size=model.shape.vocabulary,
        hidden_size=model.shape.hidden,
        intermediate_size=model.shape.feed_forward,
        num_hidden_layers=model.shape.layers,
        num_attention_heads=model.shape.heads,
        num_key_value_heads=model.shape.heads,
        max_position_embeddings=MAX_LENGTH,
        rms_norm_eps=NORM_EPSILON,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_THETA},
        tie_word_embeddings=policy,
        bos_token_id=pad,
        eos_token_id=end,
        pad_token_id=pad,
        dtype=dtype,
        **classes,
    )


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint."""
    return AutoTokenizer.from_pretrained(folder)


def load_shape(folder: Path) -> Shape:
    """The dimensions of a checkpoint."""
    config = Qwen2Config.from_pretrained(folder)
    return Shape(
        config.vocab_size, config.hidden_size, config.num_hidden_layers, config.intermediate_size
    )


def load_policy(folder: Path) -> PolicyModel:
    """A policy of the pocket suite, in float32."""
    model = PolicyModel(load_shape(folder))
    return load_into(model, folder)


def load_reward(folder: Path) -> RewardModel:
    """The reward model of the pocket suite, in float32."""
    model = RewardModel(load_shape(folder))
    return load_into(model, folder)


def load_into(model: Model, folder: Path) -> Model:
    """Fill a model from the weights file of a checkpoint."""
    model.load_state_dict(load_file(folder / WEIGHTS_FILE))
    return model.eval()
