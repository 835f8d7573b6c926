"""A lean Qwen2 for training on a CPU, with a process-reward head on the same body.

Parameters are named as in transformers' Qwen2ForCausalLM and vLLM's Qwen2ForProcessRewardModel, so
a state dict is a checkpoint. Invariant: the forward pass equals theirs (a test holds it to that).

Shapes: B rows, T tokens, H hidden size, A attention heads of D, V vocabulary.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MAX_LENGTH = 1024
ROPE_THETA = 10000.0
NORM_EPSILON = 1e-6
HEAD_SIZE = 32


@dataclass(frozen=True, slots=True)
class Shape:
    """The dimensions of a model; `hidden` must be a multiple of HEAD_SIZE."""

    vocabulary: int
    hidden: int
    layers: int
    feed_forward: int

    def __post_init__(self) -> None:
        if self.hidden % HEAD_SIZE:
            raise ValueError(f"hidden {self.hidden} is not a multiple of the head size {HEAD_SIZE}")

    @property
    def heads(self) -> int:
        return self.hidden // HEAD_SIZE


class Norm(nn.Module):
    """RMS normalisation over the last dimension."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight, NORM_EPSILON)


class Attention(nn.Module):
    """Multi-head attention with rotary positions; q, k and v have a bias, as in Qwen2."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.q_proj = nn.Linear(shape.hidden, shape.hidden)
        self.k_proj = nn.Linear(shape.hidden, shape.hidden)
        self.v_proj = nn.Linear(shape.hidden, shape.hidden)
        self.o_proj = nn.Linear(shape.hidden, shape.hidden, bias=False)

    def project(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rotated queries and keys, and values, each [B, A, T, D]."""
        weight = torch.cat([self.q_proj.weight, self.k_proj.weight, self.v_proj.weight])
        bias = torch.cat([self.q_proj.bias, self.k_proj.bias, self.v_proj.bias])
        rows, length = x.shape[:2]
        split = (rows, length, 3 * self.heads, HEAD_SIZE)
        qkv = F.linear(x, weight, bias).view(split).transpose(1, 2)
        rotated, v = qkv[:, : 2 * self.heads], qkv[:, 2 * self.heads :]
        a, b = rotated.chunk(2, -1)
        q, k = torch.cat([a * cos - b * sin, b * cos + a * sin], -1).chunk(2, 1)
        return q, k, v

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        q, k, v = self.project(x, cos, sin)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        projected: Tensor = self.o_proj(mixed.transpose(1, 2).flatten(2))
        return projected


class FeedForward(nn.Module):
    """SwiGLU."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(shape.hidden, shape.feed_forward, bias=False)
        self.up_proj = nn.Linear(shape.hidden, shape.feed_forward, bias=False)
        self.down_proj = nn.Linear(shape.feed_forward, shape.hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        projected: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return projected


class Layer(nn.Module):
    """One pre-norm transformer block."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.self_attn = Attention(shape)
        self.mlp = FeedForward(shape)
        self.input_layernorm = Norm(shape.hidden)
        self.post_attention_layernorm = Norm(shape.hidden)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        block: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return block


class Body(nn.Module):
    """Token ids [B, T] to final hidden states [B, T, H]; causal when `mask` is None."""

    cos: Tensor
    sin: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = Norm(shape.hidden)
        frequency = ROPE_THETA ** -(torch.arange(0, HEAD_SIZE, 2).float() / HEAD_SIZE)
        angle = torch.arange(MAX_LENGTH).float()[:, None] * frequency
        self.register_buffer("cos", angle.cos(), persistent=False)
        self.register_buffer("sin", angle.sin(), persistent=False)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        x = self.embed_tokens(ids)
        length = ids.shape[1]
        for layer in self.layers:
            x = layer(x, self.cos[:length], self.sin[:length], mask)
        hidden: Tensor = self.norm(x)
        return hidden


class PolicyModel(nn.Module):
    """A causal language model with tied embeddings."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.model = Body(shape)
        initialise(self)

    def logits(self, hidden: Tensor) -> Tensor:
        """Next-token logits [..., V] from final hidden states [..., H]."""
        return F.linear(hidden, self.model.embed_tokens.weight)


class RewardModel(nn.Module):
    """A two-class judge of steps: class 1 at a step tag says that all up to it is correct."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.model = Body(shape)
        self.score = nn.Sequential(
            nn.Linear(shape.hidden, shape.hidden), nn.ReLU(), nn.Linear(shape.hidden, 2)
        )
        initialise(self)

    def logits(self, hidden: Tensor) -> Tensor:
        """Class logits [..., 2] from final hidden states [..., H]."""
        judged: Tensor = self.score(hidden)
        return judged


def initialise(model: nn.Module) -> None:
    """Each block starts as the identity; embeddings small; the rest of unit gain."""
    for name, parameter in model.named_parameters():
        if "bias" in name:
            nn.init.zeros_(parameter)
        elif "embed" in name:
            nn.init.normal_(parameter, std=0.05)
        elif "o_proj" in name or "down_proj" in name:
            nn.init.zeros_(parameter)
        elif parameter.dim() == 2:
            nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
