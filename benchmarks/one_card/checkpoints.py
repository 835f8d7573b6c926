"""Checkpoints of real shapes with random weights, made on the spot, that write steps and end.

A random model samples its whole vocabulary about evenly. So the vocabulary is filled up with words
that a tokenizer can read again, some of which end a step and some a solution, and one feature of
the hidden state, which is the same at every position, gives those their odds.
"""

import itertools
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from benchmarks.one_card.rows import Rows
from benchmarks.one_card.setting import Setting
from tests.e2e.checkpoints import head_of, llama_tokenizer, qwen_tokenizer

FIRST, SECOND = "bcdfghjklmnprstvwz", "AEIOUBCDFGHKLMNPRSTVWXYZ"
"""A syllable is one letter of each; so mixed in case, words are like no others."""
SHARED = 128
"""Words among which the odds of an end are divided, as among those of a real vocabulary that hold a
blank line. Each is likelier than any other word, so greedy decoding writes little else."""
LOUDNESS = 30.0
"""The weight of the constant feature in the last normalisation: the larger, the less the feature
of a word says as an input."""


@dataclass(frozen=True)
class Made:
    """A checkpoint that was written."""

    parameters: int
    gib: float
    seconds: float


def make(setting: Setting, name: str, folder: Path) -> Made:
    """Write the checkpoint called `name` below `folder`."""
    started = time.monotonic()
    shape = setting.described(name)["architecture"]
    (architecture,) = shape["architectures"]
    own = llama_tokenizer() if shape["model_type"] == "llama" else qwen_tokenizer()
    tokenizer, steps, ends = filled(own, shape["vocab_size"])
    config = AutoConfig.for_model(
        shape["model_type"],
        **{k: v for k, v in shape.items() if k not in ("architectures", "model_type")},
        max_position_embeddings=4 * setting.max_model_len,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        num_labels=2,
    )
    torch.manual_seed(0)
    with torch.device(setting.device), torch.no_grad():
        model = AutoModelForCausalLM.from_config(config)
        causal = architecture.endswith("ForCausalLM")
        if causal:
            give_odds(model, {steps: 1 / setting.step_tokens, ends: 1 / setting.path_tokens})
        tensors = dict(model.to(getattr(torch, setting.dtype)).state_dict())
        if not causal or shape["tie_word_embeddings"]:
            tensors.pop("lm_head.weight", None)
        if not causal:
            tensors |= {
                key: value.to(getattr(torch, setting.dtype))
                for key, value in head_of(architecture, shape["hidden_size"]).items()
            }
    target = folder / name
    target.mkdir(parents=True)
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
    config.architectures = [architecture]
    config.dtype = getattr(torch, setting.dtype)
    config.save_pretrained(target)
    tokenizer.save_pretrained(target)
    (target / "generation_config.json").write_text(
        json.dumps({"eos_token_id": [tokenizer.eos_token_id, *ends]})
    )
    parameters = sum(tensor.numel() for tensor in tensors.values())
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    return Made(parameters, size / 2**30, time.monotonic() - started)


def filled(
    tokenizer: PreTrainedTokenizerFast, size: int
) -> tuple[PreTrainedTokenizerFast, range, range]:
    """A byte-level BPE with words up to `size` tokens, and the ids of those that end a step and
    those that end a solution, which are the last."""
    text = json.loads(tokenizer.backend_tokenizer.to_str())
    vocabulary: dict[str, int] = text["model"]["vocab"]
    syllables = ["".join(pair) for pair in itertools.product(FIRST, SECOND)]
    starts = [f"Ġ{syllable}" for syllable in syllables]
    merges = [[*syllable] for syllable in syllables] + [["Ġ", syllable] for syllable in syllables]
    known = len(tokenizer)
    pairs = itertools.product(starts, syllables)
    count = size - known - len(syllables) - len(starts) - 2 * SHARED
    words = list(itertools.islice(pairs, max(0, count)))
    merges += [list(word) for word in words]
    added = [*syllables, *starts, *map("".join, words)]
    added += [f"Ġ{syllable}.ĊĊ" for syllable in syllables[:SHARED]]
    added += [f"Ġ{syllable}!" for syllable in syllables[:SHARED]]
    vocabulary |= {piece: known + at for at, piece in enumerate(added)}
    text["model"]["merges"] = merges + text["model"]["merges"]
    settings: dict[str, Any] = dict(tokenizer.init_kwargs)
    for key in ("tokenizer_file", "vocab", "merges", "vocab_file", "merges_file", "backend"):
        settings.pop(key, None)
    made = type(tokenizer)(
        tokenizer_object=type(tokenizer.backend_tokenizer).from_str(json.dumps(text)), **settings
    )
    made.chat_template = tokenizer.chat_template
    return made, range(size - 2 * SHARED, size - SHARED), range(size - SHARED, size)


def give_odds(model: Any, odds: dict[range, float]) -> None:
    """Have a causal model sample some of its tokens with the odds given, at every position.

    The first feature of the residual stream is 1 in every embedding and no layer writes to it, so
    after the last normalisation it is about the same everywhere, and its weight in the output is a
    bias of each token.
    """
    body = model.model
    model.get_input_embeddings().weight[:, 0] = 1
    for layer in body.layers:
        layer.self_attn.o_proj.weight[0] = 0
        layer.mlp.down_proj.weight[0] = 0
    body.norm.weight[0] = LOUDNESS
    output = model.get_output_embeddings().weight
    ids = torch.randint(0, output.shape[0], (8, 64))
    hidden = body(ids).last_hidden_state
    constant = hidden[..., 0].mean()
    logits = (hidden @ output.T).float()
    everything = logits.logsumexp(-1).mean()
    for some, share in odds.items():
        mine = logits[..., some.start : some.stop].logsumexp(-1).mean()
        output[some.start : some.stop, 0] += (everything + math.log(share) - mine) / constant


def measure(setting: Setting, folder: Path, rows: Rows) -> None:
    """Make every model of the setting, the pair that searches first."""
    names = dict.fromkeys([*(name for pair in setting.pairs for name in pair[:2]), *setting.prms])
    for name in names:
        made = make(setting, name, folder)
        counted = setting.dimensions(name).parameters
        rows.add(name, "parameters", made.parameters, f"counted {counted:,}")
        rows.add(name, "GiB written", made.gib, f"in {made.seconds:.0f} s")
