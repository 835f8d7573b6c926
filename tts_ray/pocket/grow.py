"""The body of a reward model, grown from a policy's so that checking is easy to learn.

A policy's last hidden state holds the token it expects next, and little of the token it has read.
To judge a step is to compare the two. So the body is widened by one attention head, whose channels
carry each token's identity past the policy's layers, and made deeper by layers whose heads start
out looking at the tokens just before. The policy's own layers are frozen.

Invariant: the policy's layers compute what they did, but for the share CHANNEL_NORM of a norm.
"""

import math

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from tts_ray.pocket.model import (
    HEAD_SIZE,
    ROPE_THETA,
    Attention,
    Layer,
    PolicyModel,
    RewardModel,
    Shape,
)
from tts_ray.pocket.task import SEPARATOR
from tts_ray.pocket.tokens import STEP_TAG, token_id

# a policy's last hidden state is some twenty times the size of what a new layer writes
SHRINK = 1 / 16
CHANNEL_NORM = 0.05
LOOK_BACK = (1, 1, 2, 3)
SHARPNESS = 5.8
FREQUENCIES = 8
CONTENT = 0.1


@torch.no_grad()
def grow(policy: PolicyModel, extra_layers: int, tokenizer: PreTrainedTokenizerBase) -> RewardModel:
    """A reward model on the policy's frozen layers, `extra_layers` deeper and one head wider."""
    old = policy.shape
    shape = Shape(
        old.vocabulary, old.hidden + HEAD_SIZE, old.layers + extra_layers, old.feed_forward
    )
    model = RewardModel(shape)
    embed(model, policy, tokenizer)
    for index, (layer, source) in enumerate(
        zip(model.model.layers, policy.model.layers, strict=False)
    ):
        assert isinstance(layer, Layer)
        assert isinstance(source, Layer)
        widen(layer, source)
        layer.requires_grad_(False)
        assert index < old.layers
    first = model.model.layers[old.layers]
    assert isinstance(first, Layer)
    look_back(first, old)
    for layer in list(model.model.layers)[old.layers :]:
        assert isinstance(layer, Layer)
        layer.self_attn.q_proj.weight.mul_(CONTENT)
        layer.self_attn.k_proj.weight.mul_(CONTENT)
    return model.to(policy.model.cos.device)


def embed(model: RewardModel, policy: PolicyModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Fill and freeze the embeddings; the step tag takes that of the end of a step."""
    source = policy.model.embed_tokens.weight.clone()
    end_of_step = tokenizer(f"$.{SEPARATOR}")["input_ids"][-1]
    source[token_id(tokenizer, STEP_TAG)] = source[end_of_step]
    target = model.model.embed_tokens
    width = source.shape[1]
    target.weight[:, :width] = source * SHRINK
    target.weight[:, width:].normal_(std=CHANNEL_NORM / math.sqrt(HEAD_SIZE))
    target.requires_grad_(False)


def widen(layer: Layer, source: Layer) -> None:
    """Fill a layer from a narrower one; the new channels are neither read nor written."""
    new, old = dict(layer.named_parameters()), dict(source.named_parameters())
    for name, value in old.items():
        target = new[name].zero_()
        if "layernorm" in name:
            # the mean of squares is over more channels, of which the new ones are near zero
            value = value * math.sqrt(len(value) / len(target))
        if "o_proj" in name or "down_proj" in name:
            value = value * SHRINK
        target[tuple(slice(size) for size in value.shape)] = value


def look_back(layer: Layer, old: Shape) -> None:
    """Heads that start at the tokens before, and one which lifts the token's own identity."""
    attention = layer.self_attn
    for head, distance in enumerate((*LOOK_BACK[: old.heads], 0)):
        aim(attention, head, distance)
    own = slice(old.hidden, old.hidden + HEAD_SIZE)
    identity = torch.eye(HEAD_SIZE)
    attention.v_proj.weight[own] = 0
    attention.v_proj.weight[own, own] = identity
    attention.o_proj.weight[own, own] = identity
    layer.input_layernorm.weight[old.hidden :] = math.sqrt(HEAD_SIZE) / CHANNEL_NORM


def aim(attention: Attention, head: int, distance: int) -> None:
    """Bias a head so that under rotary positions its score peaks `distance` tokens back."""
    frequency = ROPE_THETA ** -(torch.arange(0, HEAD_SIZE, 2).float() / HEAD_SIZE)[:FREQUENCIES]
    query, key = torch.zeros(HEAD_SIZE), torch.zeros(HEAD_SIZE)
    query[:FREQUENCIES] = SHARPNESS * torch.cos(frequency * distance)
    half = HEAD_SIZE // 2
    query[half : half + FREQUENCIES] = -SHARPNESS * torch.sin(frequency * distance)
    key[:FREQUENCIES] = SHARPNESS
    rows = slice(head * HEAD_SIZE, (head + 1) * HEAD_SIZE)
    biases: list[tuple[Tensor, Tensor]] = [
        (attention.q_proj.bias, query),
        (attention.k_proj.bias, key),
    ]
    for bias, value in biases:
        bias[rows] = value
