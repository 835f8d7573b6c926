"""How each family of reward models wants a solution written, and where its scores are.

A format renders a question once and every step on its own, ending in the position that is read
out. So the ids of k steps are a prefix of the ids of k + 1 steps, which is what makes scoring
incremental: a new step costs its own tokens against a cached prefix. An outcome reward model reads
its score behind the end of the answer, which is no part of that prefix.
"""

import reprlib
from abc import ABC, abstractmethod
from array import array
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

from tts_ray.dimensions import architecture
from tts_ray.engines.checkpoint import fetched_config
from tts_ray.engines.foreign import called, refused
from tts_ray.engines.plain_text import plain_text
from tts_ray.engines.prompts import around, chat, prompt_family, template_ids
from tts_ray.engines.tokenizers import WHOLE, usable_tokenizer
from tts_ray.errors import ConfigError
from tts_ray.text import one_line

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


STEPS_KEPT = 16384
"""Steps whose token ids are kept, at 4 bytes a token."""
ANSWERS_KEPT = 1024
"""Likewise whole answers, each up to one of its steps."""


class RewardFormat(ABC):
    """One family of reward models.

    Raises:
        ConfigError: the tokenizer lacks a token that the format needs.
    """

    architectures: ClassVar[frozenset[str]]
    """What the checkpoint's config must name, one of them."""

    nested: ClassVar[bool]
    """Whether the ids of a step begin with those of the steps before it."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        self.tokenizer = tokenizer
        self.plain = plain_text(tokenizer)

    @classmethod
    def overrides(cls, architecture: str) -> dict[str, Any]:
        """What vLLM must be told beyond the checkpoint's own config."""
        return {}

    @abstractmethod
    def question(self, question: str) -> list[int]:
        """Token ids up to the first step."""

    @abstractmethod
    def prompts(
        self, question: Sequence[int], texts: Sequence[str], start: int
    ) -> list[tuple[int, ...]]:
        """For each of `texts[start:]`, the ids at whose last position its score is read.

        Args:
            question: what `question` returned.
            texts: the steps that are not blank, from the first one.
        """

    def score(self, row: Any) -> float:
        """The score in [0, 1] of one row of the model's output, which is activated already."""
        return float(row[0])

    def encode(self, text: str) -> list[int]:
        """Token ids of plain text; a special token spelled out in it stays plain text."""
        return self.plain.ids(text)

    def encode_after(self, before: str, text: str) -> list[int]:
        """Token ids of `text` where it follows `before`: a SentencePiece tokenizer would put a
        space before a text on its own."""
        prefix = self.encode(before)
        ids = self.encode(before + text)
        if ids[: len(prefix)] != prefix:
            raise ConfigError(f"this tokenizer joins {before!r} with what follows it")
        return ids[len(prefix) :]

    def token(self, text: str) -> int:
        """The id of one token of the vocabulary."""
        if text not in self.tokenizer.get_vocab():
            raise ConfigError(
                f"this reward model's tokenizer has no token {text!r}, which its format needs"
            )
        return int(self.tokenizer.convert_tokens_to_ids(text))

    def chat(self, messages: Sequence[dict[str, str]], open_turn: bool) -> str:
        """The text of a chat by the checkpoint's own template, as `prompts.chat`."""
        return chat(self.tokenizer, messages, open_turn=open_turn)

    def special(self, text: str) -> list[int]:
        """Token ids of a template's own text, in which special tokens are themselves."""
        return template_ids(self.tokenizer, text)


class Stepwise(RewardFormat):
    """A format in which every step has tokens of its own, wherever it stands."""

    nested = True

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        super().__init__(tokenizer)
        self.step_ids = lru_cache(STEPS_KEPT)(
            lambda text, first: array("I", self.step(text, first))
        )

    @abstractmethod
    def step(self, text: str, first: bool) -> list[int]:
        """Token ids of one step; its score is read at the last one."""

    def prompts(
        self, question: Sequence[int], texts: Sequence[str], start: int
    ) -> list[tuple[int, ...]]:
        ids = list(question)
        found = []
        for at, text in enumerate(texts):
            # A beam's steps are read again at every depth, and equal ones on many paths.
            ids += self.step_ids(text, at == 0)
            if at >= start:
                found.append(tuple(ids))
        return found


class QwenMathPrm(Stepwise):
    """Qwen2.5-Math-PRM: a chat whose assistant turn ends each step with <extra_0>; softmax over
    two classes there, class 1 is "correct" (arXiv 2501.07301)."""

    architectures = frozenset({"Qwen2ForProcessRewardModel"})

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        super().__init__(tokenizer)
        prompt_family("qwen").refuse_other_template(tokenizer)
        self.tag = self.token("<extra_0>")

    def question(self, question: str) -> list[int]:
        return prompt_family("qwen").render(self.tokenizer, question)

    def step(self, text: str, first: bool) -> list[int]:
        return [*self.encode(text.strip()), self.tag]

    def score(self, row: Any) -> float:
        return float(row[1])


class TokenPair(Stepwise):
    """A causal model that says "good" or "bad" with one of two tokens: P(good) is the softmax over
    the two. vLLM serves it as a classifier whose weight is the difference of their rows."""

    good: ClassVar[str]
    bad: ClassVar[str]

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        super().__init__(tokenizer)
        self.token(self.good)
        self.token(self.bad)

    @classmethod
    def overrides(cls, architecture: str) -> dict[str, Any]:
        return {
            "architectures": [architecture.replace("ForCausalLM", "ForSequenceClassification")],
            "classifier_from_token": [cls.bad, cls.good],
            "method": "from_2_way_softmax",
        }


class MathShepherd(TokenPair):
    """Math-Shepherd: "{question} {step} ки\\n{step} ки", read at each ки (arXiv 2312.08935)."""

    architectures = frozenset({"MistralForCausalLM", "LlamaForCausalLM"})
    good, bad = "▁+", "▁-"
    tag = " ки"

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        super().__init__(tokenizer)
        self.token("▁ки")

    def question(self, question: str) -> list[int]:
        start = self.tokenizer.bos_token_id
        return [*([start] if start is not None else []), *self.encode(question.strip())]

    def step(self, text: str, first: bool) -> list[int]:
        if first:
            return self.encode_after("ки", f" {text.strip()}{self.tag}")
        return self.encode_after("ки", f"\n{text.strip()}{self.tag}")


class RlhflowPrm(TokenPair):
    """RLHFlow Llama-3.1-8B-PRM, Mistral-Data and Deepseek-Data: a user turn for each step, the
    first with the question; "+" or "-" is what the assistant would say next."""

    architectures = frozenset({"LlamaForCausalLM"})
    good, bad = "+", "-"

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        super().__init__(tokenizer)
        turns = [
            {"role": "user", "content": "QUESTION"},
            {"role": "assistant", "content": self.good},
            {"role": "user", "content": "STEP"},
        ]
        start, rest = around(self.chat(turns, open_turn=True), "QUESTION")
        between, end = around(rest, "STEP")
        if not between.startswith(end):
            raise ConfigError("this tokenizer's chat template writes turns in no common form")
        self.start = self.special(start)
        self.between = self.special(between.removeprefix(end))
        self.end = self.special(end)

    def question(self, question: str) -> list[int]:
        return [*self.start, *self.encode(question.strip())]

    def step(self, text: str, first: bool) -> list[int]:
        if first:
            return [*self.encode(f" {text.strip()}"), *self.end]
        return [*self.between, *self.encode(text.strip()), *self.end]


class SkyworkPrm(Stepwise):
    """Skywork-o1-Open-PRM: BOS, question and a line of text for each step; a value head's sigmoid
    at the end of each line."""

    architectures = frozenset({"Qwen2ForPrmModel"})

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        super().__init__(tokenizer)
        self.line_end = self.encode("\n")

    def question(self, question: str) -> list[int]:
        start = self.tokenizer.bos_token or ""
        return [*self.special(start), *self.encode(f"{question.strip()}\n")]

    def step(self, text: str, first: bool) -> list[int]:
        return [*self.encode(text.strip().replace("\n", " ")), *self.line_end]


class Outcome(RewardFormat):
    """An outcome reward model with a sequence-classification head of one label: a chat, its steps
    joined by blank lines, scored as a whole at its last token. Of the aggregations only those of
    the last score mean something."""

    nested = False
    architectures = frozenset(
        f"{family}ForSequenceClassification" for family in ("Llama", "Qwen2", "Qwen3", "Mistral")
    )

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        super().__init__(tokenizer)
        turns = [
            {"role": "user", "content": "QUESTION"},
            {"role": "assistant", "content": "ANSWER"},
        ]
        self.start, rest = around(self.chat(turns, open_turn=False), "QUESTION")
        between, end = around(rest, "ANSWER")
        self.between = self.special(between)
        self.end = self.special(end)
        self.answer_ids = lru_cache(ANSWERS_KEPT)(lambda text: array("I", self.encode(text)))

    def question(self, question: str) -> list[int]:
        return [*self.special(self.start), *self.encode(question.strip()), *self.between]

    def prompts(
        self, question: Sequence[int], texts: Sequence[str], start: int
    ) -> list[tuple[int, ...]]:
        # A whole answer is encoded as one text: a token may span the end of a step.
        stripped = [text.strip() for text in texts]
        joined = ("\n\n".join(stripped[: k + 1]) for k in range(start, len(texts)))
        return [(*question, *self.answer_ids(text), *self.end) for text in joined]


FORMATS: dict[str, type[RewardFormat]] = {
    "qwen2.5-math-prm": QwenMathPrm,
    "math-shepherd": MathShepherd,
    "rlhflow": RlhflowPrm,
    "skywork-prm": SkyworkPrm,
    "outcome": Outcome,
}


def reward_format(name: str) -> type[RewardFormat]:
    """The format called `name`.

    Raises:
        ConfigError: there is no such format.
    """
    if name not in FORMATS:
        raise ConfigError(
            f"unknown PRM format {reprlib.repr(name)}; choose from {', '.join(FORMATS)}"
        )
    return FORMATS[name]


def paired(
    name: str, model: str, revision: str | None, *, local: bool = False
) -> tuple[RewardFormat, dict[str, Any]]:
    """The format `name` on the tokenizer of a checkpoint, and the checkpoint's overrides for vLLM.

    Reads the checkpoint's configuration and tokenizer, not its weights; those of a hub id are
    fetched, or with `local` taken from the cache alone.

    Raises:
        ConfigError: the checkpoint cannot be read, or is not what the format is for.
    """
    kind = reward_format(name)
    prm = f"prm.model={one_line(model)}"
    config = fetched_config(model, revision, prm, local=local)
    with called(prm):
        found = architecture(config)
    if found not in kind.architectures:
        raise ConfigError(
            f"prm.format={name} needs a checkpoint of {' or '.join(sorted(kind.architectures))}, "
            f"but {one_line(model)} is a {one_line(found)}"
        )
    tokenizer = usable_tokenizer(model, revision, prm, local=local)
    with refused(f"the tokenizer of {prm} does not work with prm.format={name}", WHOLE):
        return kind(tokenizer), kind.overrides(found)
