"""Each reward model's documented format and read-out, and the confidence of a policy, with plain
transformers and no cache. What they compute, they compute on torch's default device."""

from functools import lru_cache

import torch
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    Qwen2Model,
)

SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."


def ids_of(tokenizer, text, **options):
    return tokenizer(text, add_special_tokens=False, **options)["input_ids"]


def good_over_bad(folder, dtype, ids, positions, good, bad):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    logits = model(torch.tensor([ids])).logits[0, positions][:, [bad, good]].float()
    return logits.softmax(-1)[:, 1].tolist()


def math_shepherd(folder, dtype, question, steps):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = f"{question} " + "\n".join(f"{step} ки" for step in steps)
    ids = [tokenizer.bos_token_id, *ids_of(tokenizer, text)]
    good, bad, tag = tokenizer.convert_tokens_to_ids(["▁+", "▁-", "▁ки"])
    positions = [at for at, token in enumerate(ids) if token == tag]
    return good_over_bad(folder, dtype, ids, positions, good, bad)


def rlhflow(folder, dtype, question, steps):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    turns = []
    for at, step in enumerate(steps):
        turns.append({"role": "user", "content": step if at else f"{question} {step}"})
        turns.append({"role": "assistant", "content": "+"})
    ids = ids_of(tokenizer, tokenizer.apply_chat_template(turns, tokenize=False))
    good, bad, end = tokenizer.convert_tokens_to_ids(["+", "-", "<|eot_id|>"])
    ends = [at for at, token in enumerate(ids) if token == end]
    positions = [at - 2 for at in ends[1::2]]
    assert all(ids[at + 1] == good for at in positions)
    return good_over_bad(folder, dtype, ids, positions, good, bad)


def confidence(folder, prompt, written, k):
    """Confidence and entropy of each written token, from its k largest log-probabilities."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    logits = model(torch.tensor([[*prompt, *written]])).logits[0, len(prompt) - 1 : -1]
    top = logits.log_softmax(-1).topk(k).values
    return (-top.mean(-1)).tolist(), torch.distributions.Categorical(logits=top).entropy().tolist()


@lru_cache(1)
def body_and_head(folder, dtype):
    """A Qwen2 without its output, and the tensors of the checkpoint that are not its own."""
    tensors = load_file(folder / "model.safetensors", device=str(torch.get_default_device()))
    body = Qwen2Model(AutoConfig.from_pretrained(folder)).to(dtype).eval()
    body.load_state_dict(
        {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    )
    return body, {k: v.float() for k, v in tensors.items() if not k.startswith("model.")}


def hidden_states(folder, dtype, ids):
    body, head = body_and_head(folder, dtype)
    return body(torch.tensor([ids])).last_hidden_state[0].float(), head


def skywork_prm(folder, dtype, question, steps):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = ids_of(tokenizer, f"{tokenizer.bos_token or ''}{question}\n")
    positions = []
    for step in steps:
        ids += ids_of(tokenizer, step.replace("\n", " ")) + ids_of(tokenizer, "\n")
        positions.append(len(ids) - 1)
    hidden, tensors = hidden_states(folder, dtype, ids)
    head = [tensors[f"v_head.summary.{part}"] for part in ("weight", "bias")]
    return torch.sigmoid(hidden[positions] @ head[0].T + head[1])[:, 0].tolist()


def qwen_math_prm(folder, dtype, question, steps):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    turns = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": question},
        {"role": "assistant", "content": "".join(f"{step}<extra_0>" for step in steps)},
    ]
    ids = ids_of(tokenizer, tokenizer.apply_chat_template(turns, tokenize=False))
    tag = tokenizer.convert_tokens_to_ids("<extra_0>")
    hidden, tensors = hidden_states(folder, dtype, ids)
    first, bias, second, bias2 = (
        tensors[f"score.{at}.{part}"] for at in (0, 2) for part in ("weight", "bias")
    )
    logits = torch.relu(hidden @ first.T + bias) @ second.T + bias2
    return logits.softmax(-1)[torch.tensor(ids) == tag, 1].tolist()


def outcome(folder, dtype, question, steps):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=dtype)
    scores = []
    for k in range(1, len(steps) + 1):
        text = "\n\n".join(steps[:k])
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": text}]
        ids = ids_of(tokenizer, tokenizer.apply_chat_template(turns, tokenize=False))
        scores.append(torch.sigmoid(model(torch.tensor([ids])).logits[0, 0].float()).item())
    return scores


REFERENCES = {
    "math-shepherd": math_shepherd,
    "rlhflow": rlhflow,
    "skywork-prm": skywork_prm,
    "qwen2.5-math-prm": qwen_math_prm,
    "outcome": outcome,
}
