"""What the models of a run read of one problem, token by token. Loads tokenizers, no weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tts_ray.config import PolicyConfig, PrmConfig
from tts_ray.engines.checkpoint import locate
from tts_ray.engines.prompts import prompt_family
from tts_ray.engines.reward_formats import paired
from tts_ray.engines.tokenizers import usable_tokenizer
from tts_ray.text import one_line

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

WORD_START = "▁"
"""How SentencePiece writes the blank before a word, which decoding drops at the start of a text."""


@dataclass(frozen=True)
class Token:
    """One token: its text on its own, whether it is one that no plain text holds, and whether a
    score is read behind it."""

    number: int
    text: str
    is_added: bool
    is_read: bool = False


def prompt_view(model: PolicyConfig, question: str) -> tuple[list[Token], str]:
    """The prompt that a policy continues, and what its template says of its own before the
    question.

    Raises:
        ConfigError: the tokenizer or the chat template does not do, as before a run.
    """
    tokenizer = usable_tokenizer(
        locate(model.model), model.revision, f"policy.model={one_line(model.model)}"
    )
    family = prompt_family(model.prompt)
    family.refuse_other_template(tokenizer)
    own = family.inserted(tokenizer) if family.system is None else ""
    return tokens_of(tokenizer, family.render(tokenizer, question)), own


def reward_view(model: PrmConfig, question: str, steps: Sequence[str]) -> list[Token]:
    """The input of a reward model for a question and steps that are not blank.

    Raises:
        ConfigError: the checkpoint is not what its format is for.
    """
    kind, _ = paired(model.format, locate(model.model), model.revision)
    prompts = kind.prompts(kind.question(question), steps, 0)
    ends = {len(ids) for ids in prompts} if kind.nested else {len(prompts[-1])}
    return tokens_of(kind.tokenizer, prompts[-1], ends)


def tokens_of(
    tokenizer: "PreTrainedTokenizerBase", ids: Sequence[int], ends: Sequence[int] | set[int] = ()
) -> list[Token]:
    """The tokens of these ids; a score is read behind so many of them as `ends` says."""
    added = tokenizer.added_tokens_decoder
    names = tokenizer.convert_ids_to_tokens(list(ids))
    texts = tokenizer.batch_decode([[i] for i in ids], clean_up_tokenization_spaces=False)
    return [
        Token(
            number,
            f" {text.lstrip(' ')}" if name.startswith(WORD_START) else text,
            number in added,
            at in ends,
        )
        for at, (number, name, text) in enumerate(zip(ids, names, texts, strict=True), start=1)
    ]
