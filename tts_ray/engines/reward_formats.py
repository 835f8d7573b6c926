"""How each family of process reward models wants a solution written, and where its scores are.

A format renders a question once and every step on its own, ending in the position that is read
out. So the ids of k steps are a prefix of the ids of k + 1 steps, which is what makes scoring
incremental: a new step costs its own tokens against a cached prefix.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from transformers import PreTrainedTokenizerBase

from tts_ray.engines.prompts import REASON
from tts_ray.errors import ConfigError


class RewardFormat(ABC):
    """One family of process reward models."""

    architectures: ClassVar[frozenset[str]]
    """What the checkpoint's config must name."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer

    @abstractmethod
    def question(self, question: str) -> list[int]:
        """Token ids up to the first step."""

    @abstractmethod
    def step(self, text: str) -> list[int]:
        """Token ids of one step; the score is read at the last one."""

    @abstractmethod
    def score(self, row: Any) -> float:
        """The score in [0, 1] of one row of the model's output."""

    def encode(self, text: str) -> list[int]:
        """Token ids of plain text; a special token spelled out in it stays plain text."""
        return list(
            self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        )


class QwenMathPrm(RewardFormat):
    """Qwen2.5-Math-PRM: a chat whose assistant turn ends each step with <extra_0>; softmax over
    two classes there, class 1 is "correct" (arXiv 2501.07301)."""

    architectures = frozenset({"Qwen2ForProcessRewardModel"})
    tag = "<extra_0>"

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__(tokenizer)
        if self.tag not in tokenizer.get_vocab():
            raise ConfigError(
                f"this PRM's tokenizer has no {self.tag} token, which its format needs"
            )
        self.tag_id = int(tokenizer.convert_tokens_to_ids(self.tag))

    def question(self, question: str) -> list[int]:
        messages = [
            {"role": "system", "content": REASON},
            {"role": "user", "content": question},
        ]
        text = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def step(self, text: str) -> list[int]:
        return [*self.encode(text.strip()), self.tag_id]

    def score(self, row: Any) -> float:
        return float(row[1])


FORMATS: dict[str, type[RewardFormat]] = {"qwen2.5-math-prm": QwenMathPrm}


def reward_format(name: str) -> type[RewardFormat]:
    """The format called `name`.

    Raises:
        ConfigError: there is no such format.
    """
    if name not in FORMATS:
        raise ConfigError(f"unknown PRM format {name!r}; choose from {', '.join(FORMATS)}")
    return FORMATS[name]
