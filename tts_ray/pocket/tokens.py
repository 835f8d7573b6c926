"""The tokenizer which all pocket models share, and the chat they speak.

A byte-level BPE under the split regex of Qwen2: transformers builds the tokenizer of a `qwen2`
model with that regex whatever tokenizer.json says, so training under it keeps all loaders agreed.

Invariant: decode(encode(text)) == text for any text.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, cast

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX, Qwen2Tokenizer

from tts_ray.pocket.task import Problem, separate, train

SYSTEM = r"Please reason step by step, and put your final answer within \boxed{}."
PAD, START, END, STEP_TAG = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<extra_0>"
VOCABULARY = 512
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def learn_tokenizer(problems: int = 6000) -> PreTrainedTokenizerBase:
    """Train the tokenizer on generated problems; deterministic."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        min_frequency=20,
        special_tokens=[PAD, START, END, STEP_TAG],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(problems), trainer)
    learnt = tokenizer.to_str()
    return as_qwen2(learnt)


def corpus(problems: int) -> Iterator[str]:
    """What the tokenizer learns: prompts, solutions, and steps as a reward model reads them."""
    for index, problem in enumerate(islice(train(stream=0), problems)):
        yield problem.question
        yield problem.solution
        if index % 4 == 0:
            yield f"system\n{SYSTEM}"
            yield "user\n"
            yield "assistant\n"
            yield from separate(problem.solution)


def as_qwen2(serialised: str) -> PreTrainedTokenizerBase:
    """Wrap a serialised BPE as the tokenizer class a `qwen2` checkpoint is loaded with."""
    model = json.loads(serialised)["model"]
    merges: Any = [tuple(merge) for merge in model["merges"]]
    tokenizer = Qwen2Tokenizer(
        vocab=model["vocab"],
        merges=merges,
        eos_token=END,
        pad_token=PAD,
        unk_token=PAD,
        additional_special_tokens=[START, STEP_TAG],
        model_max_length=1024,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def token_id(tokenizer: PreTrainedTokenizerBase, token: str) -> int:
    """The id of one of the special tokens."""
    return cast(int, tokenizer.convert_tokens_to_ids(token))


def prompt_ids(tokenizer: PreTrainedTokenizerBase, problem: Problem) -> list[int]:
    """The ids a policy continues: system turn, question, the start of the assistant's turn."""
    return chat_ids(tokenizer, problem.question, add_generation_prompt=True)


def judged_ids(
    tokenizer: PreTrainedTokenizerBase, problem: Problem, steps: Sequence[str]
) -> list[int]:
    """The ids a reward model reads: a step tag after each stripped step, nothing after the last."""
    text = "".join(step + STEP_TAG for step in steps)
    ids: list[int] = tokenizer(text)["input_ids"]
    return prompt_ids(tokenizer, problem) + ids


def chat_ids(
    tokenizer: PreTrainedTokenizerBase, question: str, *, add_generation_prompt: bool
) -> list[int]:
    """Token ids of a chat of the system prompt and a question."""
    turns = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
    ids = tokenizer.apply_chat_template(
        turns, add_generation_prompt=add_generation_prompt, tokenize=True, return_dict=False
    )
    return cast(list[int], ids)
