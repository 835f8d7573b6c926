"""Prompt families: how a question becomes the token ids a policy continues.

A prompt is rendered once per question by the model's own chat template, so it has exactly one
BOS; a fixed date keeps templates that print the date reproducible.
"""

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tts_ray.engines.foreign import refused
from tts_ray.errors import ConfigError
from tts_ray.text import one_line

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DATE = "26 Jul 2024"
PROBE = "What is 12 + 34?"
OTHER_TEMPLATE = "choose the prompt or format that is made for it, or correct its chat template"


def chat(
    tokenizer: "PreTrainedTokenizerBase", messages: Sequence[dict[str, str]], *, open_turn: bool
) -> str:
    """The text of a chat by the checkpoint's own template, with a fixed date. With `open_turn`, it
    ends where the assistant begins to write.

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
                list(messages), tokenize=False, add_generation_prompt=open_turn, date_string=DATE
            )
        )


def template_ids(tokenizer: "PreTrainedTokenizerBase", text: str) -> list[int]:
    """Token ids of a template's text, in which special tokens are themselves."""
    return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


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
        return template_ids(tokenizer, chat(tokenizer, self.messages(question), open_turn=True))

    def refuse_lost_question(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        """Raises ConfigError if a question is not in its own prompt."""
        ids = self.render(tokenizer, PROBE)
        text = str(tokenizer.decode(ids, clean_up_tokenization_spaces=False))
        if "".join(PROBE.split()) not in "".join(text.split()):
            raise ConfigError(
                f"the chat template of {one_line(tokenizer.name_or_path)} leaves the question out: "
                f"{one_line(text, 80)!r}; {OTHER_TEMPLATE}"
            )


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
