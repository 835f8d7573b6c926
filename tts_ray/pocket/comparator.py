"""How a reward model begins: a policy that notices where it expected another token.

A policy's last layer holds the token it expects next, and no layer is left to compare that with the
token that came; learning the comparison from labels alone takes longer than learning arithmetic.
So the reward model starts as the policy, widened by WIDTH hidden dimensions that tell tokens apart,
with two layers on top whose weights are set to make the comparison, and left as they are set.

    layer L      one head takes the logits of the watched tokens at the previous position from the
                 marks of these tokens; one head marks the assistant's turn; there, each rival of
                 the token at hand adds silu(logit of the rival - logit of the token) to the
                 position's surprise
    layer L + 1  one head looks at the largest surprise so far
    score        the more of it, the less is everything up to here correct
"""

import math
from dataclasses import replace
from itertools import permutations

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from tts_ray.pocket.model import HEAD_SIZE, ROPE_THETA, Layer, PolicyModel, RewardModel
from tts_ray.pocket.task import split
from tts_ray.pocket.tokens import prompt_ids, token_id

VALUES = (*"0123456789", "+", "-", "=", "\\times", "$.")
VARIABLES = tuple(f"${name}" for name in "bcdefghij")
WATCHED = VALUES + VARIABLES
RIVALS = (*permutations(range(len(VALUES)), 2), *permutations(range(len(VALUES), len(WATCHED)), 2))
"""Pairs of watched tokens, by index: the one at hand, and one that could stand in its place."""
WIDTH = 32
MARK = 0.02
"""The size of a token's mark, beside which the policy's own numbers are large."""
SHARP = 8.5
"""Length of the query and key of a head that looks one position back."""
GATE = 60.0
"""Opens a gate for the token at hand alone; more than any two logits are apart."""
LARGEST, ANSWERING = 17.0, 120.0
"""Key gains: of the head that finds the largest surprise, and of the one that finds the turn."""
KEPT = 200.0
"""Surprise is kept in units of the stream's norm over this."""

# The added dimensions, counted from the policy's hidden size; a mark for each watched token first.
ONE, ASSISTANT, IN_ANSWER, SURPRISE, WORST = range(len(WATCHED), len(WATCHED) + 5)


@torch.no_grad()
def comparator(policy: PolicyModel, tokenizer: PreTrainedTokenizerBase) -> RewardModel:
    """A reward model with the policy's body and the comparison on top.

    Raises:
        ValueError: the policy's feed-forward layers are narrower than the comparison, of RIVALS.
    """
    shape = policy.shape
    if shape.feed_forward < len(RIVALS):
        raise ValueError(
            f"the comparison needs feed-forward layers of {len(RIVALS)}, not {shape.feed_forward}"
        )
    model = RewardModel(replace(shape, hidden=shape.hidden + WIDTH, layers=shape.layers + 2))
    for name, parameter in model.named_parameters():
        parameter.fill_(1.0 if name.endswith("norm.weight") else 0.0)
    copy_body(policy, model)
    mark_tokens(model, shape.hidden, tokenizer)
    norm = stream_norm(policy, tokenizer)
    watched = [word_id(tokenizer, word) for word in WATCHED]
    compare(model, policy, policy.model.embed_tokens.weight[watched], norm)
    find_worst(model, shape.hidden, norm)
    return model.to(policy.model.cos.device)


def word_id(tokenizer: PreTrainedTokenizerBase, word: str) -> int:
    """The id of a word that is one token."""
    (found,) = tokenizer(word)["input_ids"]
    return int(found)


def copy_body(policy: PolicyModel, model: RewardModel) -> None:
    """Every weight of the policy in the corner of the wider one; norms allow for the width."""
    old = policy.model.state_dict()
    shrink = (policy.shape.hidden / model.shape.hidden) ** 0.5
    for name, parameter in model.model.named_parameters():
        if name in old and name != "norm.weight":
            corner = tuple(slice(size) for size in old[name].shape)
            parameter[corner] = old[name] * (shrink if name.endswith("norm.weight") else 1.0)


def mark_tokens(model: RewardModel, base: int, tokenizer: PreTrainedTokenizerBase) -> None:
    """Marks in the embeddings."""
    embedding = model.model.embed_tokens.weight
    embedding[:, base + ONE] = MARK
    embedding[token_id(tokenizer, "assistant"), base + ASSISTANT] = MARK
    for k, word in enumerate(WATCHED):
        embedding[word_id(tokenizer, word), base + k] = MARK


def stream_norm(policy: PolicyModel, tokenizer: PreTrainedTokenizerBase) -> float:
    """Mean norm of the residual stream where the policy ends, on held-out solutions."""
    body, norms = policy.model, []
    for problem in split("dev")[:20]:
        ids = prompt_ids(tokenizer, problem) + tokenizer(problem.solution)["input_ids"]
        x: Tensor = body.embed_tokens(torch.tensor([ids], device=body.cos.device))
        for layer in body.layers:
            x = layer(x, body.cos[: len(ids)], body.sin[: len(ids)], None)
        norms.append(float(x.norm(dim=-1).mean()))
    return sum(norms) / len(norms)


def compare(model: RewardModel, policy: PolicyModel, rows: Tensor, norm: float) -> None:
    """Set layer L; `rows` [24, H0] are the output embeddings of the watched tokens."""
    base, width = policy.shape.hidden, model.shape.hidden
    layer = model.model.layers[policy.shape.layers]
    assert isinstance(layer, Layer)
    loud, unit = norm / MARK / math.sqrt(width), norm / KEPT
    layer.input_layernorm.weight[:base] = policy.model.norm.weight * (base / width) ** 0.5
    layer.input_layernorm.weight[base:] = loud
    attention, copy, turn = layer.self_attn, 0, HEAD_SIZE
    half = HEAD_SIZE // 2
    angle = ROPE_THETA ** -(torch.arange(0, HEAD_SIZE, 2, device=rows.device).float() / HEAD_SIZE)
    attention.k_proj.bias[copy : copy + half] = SHARP
    attention.q_proj.bias[copy : copy + half] = SHARP * angle.cos()
    attention.q_proj.bias[copy + half : copy + HEAD_SIZE] = -SHARP * angle.sin()
    attention.v_proj.weight[copy : copy + len(rows), :base] = rows
    # The last pair of a head hardly turns with the distance: a key found at any distance.
    attention.q_proj.bias[turn + half - 1] = 1.0
    attention.k_proj.weight[turn + half - 1, base + ASSISTANT] = ANSWERING
    attention.v_proj.weight[turn, base + ASSISTANT] = 1.0
    attention.o_proj.weight[base + IN_ANSWER, turn] = MARK
    layer.post_attention_layernorm.weight[base:] = loud
    for k in range(len(rows)):
        attention.o_proj.weight[base + k, copy + k] = -MARK / GATE
    for pair, (token, rival) in enumerate(RIVALS):
        gate = layer.mlp.gate_proj.weight[pair]
        gate[base + token], gate[base + rival], gate[base + ONE] = GATE, -GATE, -GATE
        layer.mlp.up_proj.weight[pair, base + IN_ANSWER] = 1.0
        layer.mlp.down_proj.weight[base + SURPRISE, pair] = unit


def find_worst(model: RewardModel, base: int, norm: float) -> None:
    """Set layer L + 1 and the score."""
    layer = model.model.layers[-1]
    assert isinstance(layer, Layer)
    quiet, unit, head = KEPT / math.sqrt(model.shape.hidden), norm / KEPT, base
    slow = head + HEAD_SIZE // 2 - 1
    layer.input_layernorm.weight[base + SURPRISE] = quiet
    layer.self_attn.q_proj.bias[slow] = 1.0
    layer.self_attn.k_proj.weight[slow, base + SURPRISE] = LARGEST
    layer.self_attn.v_proj.weight[head, base + SURPRISE] = 1.0
    layer.self_attn.o_proj.weight[base + WORST, head] = unit
    model.model.norm.weight[base + WORST] = quiet
    first, last = model.score[0], model.score[2]
    assert isinstance(first, nn.Linear) and isinstance(last, nn.Linear)
    first.weight[0, base + WORST] = 1.0
    last.weight[:, 0] = torch.tensor([1.0, -1.0], device=last.weight.device)
    last.bias.copy_(torch.tensor([-1.5, 1.5], device=last.bias.device))
