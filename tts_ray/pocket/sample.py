"""Batched sampling with a key-value cache, for measuring policies and for reward-model data.

Invariant: a row's tokens depend on its own prompt and on the generator, never on its neighbours'
text: padding on the left is masked, and rotary positions are relative.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from tts_ray.pocket.model import Attention, Layer, PolicyModel

ROWS = 512
KEEP_SHARE = 0.75


class Cache:
    """Keys and values [B, A, S, D] of every layer, and which slots [B, S] may be read."""

    def __init__(self, model: PolicyModel, rows: int, slots: int, device: torch.device) -> None:
        shape = model.shape
        size = (rows, shape.heads, slots, shape.hidden // shape.heads)
        self.layers = [
            (torch.zeros(size, device=device), torch.zeros(size, device=device))
            for _ in range(shape.layers)
        ]
        self.readable = torch.ones(rows, slots, dtype=torch.bool, device=device)

    def keep(self, rows: Tensor) -> None:
        """Drop all rows but those where `rows` is True."""
        self.layers = [(keys[rows], values[rows]) for keys, values in self.layers]
        self.readable = self.readable[rows]


def attend(
    attention: Attention,
    x: Tensor,
    angles: tuple[Tensor, Tensor],
    cache: tuple[Tensor, Tensor],
    start: int,
    mask: Tensor,
) -> Tensor:
    """Attention of new tokens [B, T, H] at slot `start`, over the cache they are added to."""
    end = start + x.shape[1]
    q, k, v = attention.project(x, *angles)
    keys, values = cache
    keys[:, :, start:end] = k
    values[:, :, start:end] = v
    mixed = F.scaled_dot_product_attention(q, keys[:, :, :end], values[:, :, :end], attn_mask=mask)
    projected: Tensor = attention.o_proj(mixed.transpose(1, 2).flatten(2))
    return projected


def advance(model: PolicyModel, ids: Tensor, cache: Cache, start: int) -> Tensor:
    """Read ids [B, T] into the cache from slot `start`; the next-token logits [B, V]."""
    end = start + ids.shape[1]
    past = torch.ones(ids.shape[1], end, dtype=torch.bool, device=ids.device).tril(start)
    own = torch.eye(ids.shape[1], dtype=torch.bool, device=ids.device)
    mask = past & cache.readable[:, None, :end]
    # a padding token reads itself, for a softmax over nothing is NaN
    mask[:, :, start:end] |= own
    angles = model.model.cos[start:end], model.model.sin[start:end]
    x = model.model.embed_tokens(ids)
    for layer, layer_cache in zip(model.model.layers, cache.layers, strict=True):
        assert isinstance(layer, Layer)
        normal = layer.input_layernorm(x)
        x = x + attend(layer.self_attn, normal, angles, layer_cache, start, mask[:, None])
        x = x + layer.mlp(layer.post_attention_layernorm(x))
    return model.logits(model.model.norm(x[:, -1]))


def choose(logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """Next tokens [B] from logits [B, V]: the likeliest at temperature 0, else sampled."""
    if temperature == 0:
        return logits.argmax(-1)
    noise = torch.empty_like(logits).exponential_(generator=generator)
    return (logits / temperature - noise.log()).argmax(-1)


@torch.inference_mode()
def sample(
    model: PolicyModel,
    prompts: Sequence[list[int]],
    *,
    end: int,
    temperature: float,
    limit: int,
    generator: torch.Generator,
) -> list[list[int]]:
    """One completion per prompt, `end` included unless `limit` tokens came first."""
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    completions: list[list[int]] = [[] for _ in prompts]
    for first in range(0, len(order), ROWS):
        chosen = order[first : first + ROWS]
        group = [prompts[index] for index in chosen]
        found = sample_group(model, group, end, temperature, limit, generator)
        for index, completion in zip(chosen, found, strict=True):
            completions[index] = completion
    return completions


def sample_group(
    model: PolicyModel,
    prompts: Sequence[list[int]],
    end: int,
    temperature: float,
    limit: int,
    generator: torch.Generator,
) -> list[list[int]]:
    """As `sample`, of prompts which are held at once."""
    device = model.model.cos.device
    longest = max(map(len, prompts))
    cache = Cache(model, len(prompts), longest + limit, device)
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt)
        cache.readable[row, : longest - len(prompt)] = False
    ids = ids.to(device)
    rows = torch.arange(len(prompts))
    alive = torch.ones(len(prompts), dtype=torch.bool, device=device)
    written = torch.full((len(prompts), limit), -1)
    for count in range(limit):
        logits = advance(model, ids, cache, 0 if count == 0 else longest + count - 1)
        tokens = choose(logits, temperature, generator)
        written[rows, count] = tokens.where(alive, -1).cpu()
        alive &= tokens != end
        left = int(alive.sum())
        if left == 0:
            break
        # dropping rows copies the cache: worth it only when many have ended
        if left < KEEP_SHARE * len(rows):
            cache.keep(alive)
            rows, tokens, alive = rows[alive.cpu()], tokens[alive], alive[alive]
        ids = tokens[:, None]
    return [[token for token in line if token >= 0] for line in written.tolist()]
