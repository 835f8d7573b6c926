"""Prompt families: how a question becomes the token ids a policy continues.

A prompt is rendered once per question by the model's own chat template, so it has exactly one
BOS; a fixed date keeps templates that print the date reproducible.
"""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from tts_ray.errors import ConfigError

DATE = "26 Jul 2024"


@dataclass(frozen=True)
class PromptFamily:
    """The turns around a question."""

    system: str | None
    question: str = "{question}"

    def messages(self, question: str) -> list[dict[str, str]]:
        user = {"role": "user", "content": self.question.replace("{question}", question)}
        return [user] if self.system is None else [{"role": "system", "content": self.system}, user]

    def render(self, tokenizer: PreTrainedTokenizerBase, question: str) -> list[int]:
        """The prompt's token ids, ready to be continued."""
        text = tokenizer.apply_chat_template(
            self.messages(question), tokenize=False, add_generation_prompt=True, date_string=DATE
        )
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])


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
        raise ConfigError(f"unknown prompt family {name!r}; choose from {', '.join(FAMILIES)}")
    return FAMILIES[name]
