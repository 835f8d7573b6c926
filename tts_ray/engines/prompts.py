"""Prompt families: how a question becomes the token ids a policy continues.

A prompt is rendered once per question by the model's own chat template, so it has exactly one
BOS; a fixed date keeps templates that print the date reproducible. A special token that a question
spells is text, as the rest of the question.
"""

import reprlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tts_ray.engines.foreign import refused
from tts_ray.engines.plain_text import plain_text
from tts_ray.errors import ConfigError
from tts_ray.text import one_line

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NOW = datetime(2024, 7, 26)
"""What every template takes for today."""
DATE = NOW.strftime("%d %b %Y")
PROBE = "What is 12 + 34?"
OTHER_TEMPLATE = "choose the prompt or format that is made for it, or correct its chat template"


def chat(
    tokenizer: "PreTrainedTokenizerBase", messages: Sequence[dict[str, str]], *, open_turn: bool
) -> str:
    """The text of a chat by the checkpoint's own template, for which the clock stands still. With
    `open_turn`, it ends where the assistant begins to write.

    Raises:
        ConfigError: the checkpoint has no chat template, or it does not take these turns.
    """
    model = one_line(tokenizer.name_or_path)
    if not tokenizer.chat_template:
        raise ConfigError(
            f"{model} has no chat template (chat_template.jinja, or chat_template in "
            f"tokenizer_config.json); take an instruct checkpoint, or copy the file from it"
        )
    roles = ", ".join(message["role"] for message in messages)
    with refused(f"the chat template of {model} fails on turns of {roles}", OTHER_TEMPLATE):
        return str(
            tokenizer.apply_chat_template(
                list(messages),
                tokenize=False,
                add_generation_prompt=open_turn,
                date_string=DATE,
                # Goes before transformers' function of this name, which asks the clock.
                strftime_now=NOW.strftime,
            )
        )


def template_ids(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    """Token ids of a template's text, in which special tokens are themselves."""
    return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


def around(text: str, word: str) -> tuple[str, str]:
    """What a chat's text has before and behind a word.

    Raises:
        ConfigError: the word is not in it exactly once.
    """
    before, found, after = text.partition(word)
    if not found or word in after:
        raise ConfigError(
            f"this tokenizer's chat template writes a turn {text.count(word)} times, not once; "
            f"{OTHER_TEMPLATE}"
        )
    return before, after


@dataclass(frozen=True)
class PromptFamily:
    """The turns around a question."""

    system: str | None
    question: str = "{question}"

    def messages(self, question: str) -> list[dict[str, str]]:
        user = {"role": "user", "content": self.question.replace("{question}", question)}
        return [user] if self.system is None else [{"role": "system", "content": self.system}, user]

    def render(self, tokenizer: "PreTrainedTokenizerBase", question: str) -> list[int]:
        """The prompt's token ids, ready to be continued.

        Raises:
            ConfigError: the checkpoint's chat template does not take the turns.
        """
        text = chat(tokenizer, self.messages(question), open_turn=True)
        plain = plain_text(tokenizer)
        if not plain.spells(question):
            return template_ids(tokenizer, text)
        before, after = self._template(tokenizer)
        own = text[len(before) : len(text) - len(after)]
        if text != before + own + after or own.strip() != question.strip():
            raise ConfigError(
                f"the chat template of {one_line(tokenizer.name_or_path)} writes other text around "
                f"the question {one_line(question, 60)!r}, which spells a special token; leave "
                f"that problem out with dataset.ids, or correct the chat template"
            )
        return plain.ids_between(before, own, after)

    def _template(self, tokenizer: "PreTrainedTokenizerBase") -> tuple[str, str]:
        """What the template writes before and behind a question."""
        word = f"question {secrets.token_hex(8)}"
        return around(chat(tokenizer, self.messages(word), open_turn=True), word)

    def refuse_other_template(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        """Raises ConfigError if a prompt of this family does not hold what it is made of: the
        question once, the family's system turn, and one BOS."""
        model = one_line(tokenizer.name_or_path)
        ids = self.render(tokenizer, PROBE)
        text = str(tokenizer.decode(ids, clean_up_tokenization_spaces=False))
        shown = f"{one_line(text, 80)!r}; {OTHER_TEMPLATE}"
        times = squeezed(text).count(squeezed(PROBE))
        if not times:
            raise ConfigError(f"the chat template of {model} leaves the question out: {shown}")
        if times > 1:
            raise ConfigError(f"the chat template of {model} writes the question twice: {shown}")
        if self.system and squeezed(self.system) not in squeezed(text):
            raise ConfigError(f"the chat template of {model} leaves the system turn out: {shown}")
        if tokenizer.bos_token_id is not None and ids[:2] == [tokenizer.bos_token_id] * 2:
            raise ConfigError(f"the chat template of {model} begins with two BOS: {shown}")

    def inserted(self, tokenizer: "PreTrainedTokenizerBase") -> str:
        """What a prompt says before the question that is neither the family's nor a special token:
        a template's own system turn, or the names of the turns.

        Raises:
            ConfigError: as `render`.
        """
        before, _ = self._template(tokenizer)
        said = str(tokenizer.decode(template_ids(tokenizer, before), skip_special_tokens=True))
        return one_line(said.replace(self.system.strip(), " ") if self.system else said)


def squeezed(text: str) -> str:
    """A text without its blanks."""
    return "".join(text.split())


REASON = "Please reason step by step, and put your final answer within \\boxed{}."

LLAMA_STEPS = """\
Solve the following math problem efficiently and clearly:

- For simple problems (2 steps or fewer):
Provide a concise solution with minimal explanation.

- For complex problems (3 steps or more):
Use this step-by-step format:

## Step 1: [Concise description]
[Brief explanation and calculations]

## Step 2: [Concise description]
[Brief explanation and calculations]

...

Regardless of the approach, always conclude with:

Therefore, the final answer is: $\\boxed{answer}$. I hope it is correct.

Where [answer] is just the final number or expression that solves the problem."""
"""The system turn that the paper gives Llama 3 policies."""

FAMILIES = {
    "llama3": PromptFamily(system=LLAMA_STEPS),
    "qwen": PromptFamily(system=REASON),
    "r1": PromptFamily(system=None, question=f"{{question}}\n{REASON}"),
}


def prompt_family(name: str) -> PromptFamily:
    """The family called `name`.

    Raises:
        ConfigError: there is no such family.
    """
    if name not in FAMILIES:
        raise ConfigError(
            f"unknown prompt family {reprlib.repr(name)}; choose from {', '.join(FAMILIES)}"
        )
    return FAMILIES[name]
