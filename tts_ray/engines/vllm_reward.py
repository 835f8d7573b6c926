"""A process reward model on vLLM, scoring incrementally against its prefix cache.

A request returns rows for the tokens it computed. The score of a step whose position was cached
is not among them; it is fetched by a request that ends at that position, which always computes
its last token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from transformers import AutoTokenizer

from tts_ray.concurrency import together
from tts_ray.engines.reward_formats import reward_format
from tts_ray.engines.spec import RewardSpec
from tts_ray.engines.vllm_compat import Vllm, engine_args, token_classifier
from tts_ray.protocols import RewardModel
from tts_ray.types import UNSCORED, Path, Problem, Usage

QUESTIONS_KEPT = 4096


@dataclass(frozen=True)
class Layout:
    """One path as the PRM reads it: token ids, and for each step the length of ids up to its
    score (None if it is blank with nothing before it). A blank step shares its predecessor's."""

    ids: tuple[int, ...]
    ends: tuple[int | None, ...]


class VllmReward(RewardModel):
    """One reward model replica."""

    def __init__(self, spec: RewardSpec) -> None:
        tokenizer = AutoTokenizer.from_pretrained(spec.model, revision=spec.revision)
        self.format = reward_format(spec.format)(tokenizer)
        self.question = lru_cache(QUESTIONS_KEPT)(self.format.question)
        self.vllm = Vllm(engine_args(spec, **token_classifier()))

    async def score(
        self, problem: Problem, paths: Sequence[Path]
    ) -> tuple[list[tuple[float, ...]], Usage]:
        layouts = [self.layout(problem, path) for path in paths]
        wanted: dict[tuple[int, ...], set[int]] = {}
        for layout, path in zip(layouts, paths, strict=True):
            ends = {end for end in layout.ends[len(path.scores) :] if end is not None}
            fitting = {end for end in ends if end <= self.vllm.max_model_len}
            if fitting:
                wanted.setdefault(layout.ids[: max(fitting)], set()).update(fitting)
        scored = await together(self._read(ids, ends) for ids, ends in wanted.items())
        scores: dict[tuple[int, ...], float] = {}
        usage = Usage(calls=1)
        for found, used in scored:
            scores |= found
            usage += used
        return [
            tuple(
                scores.get(layout.ids[:end], UNSCORED) if end is not None else UNSCORED
                for end in layout.ends[len(path.scores) :]
            )
            for layout, path in zip(layouts, paths, strict=True)
        ], usage

    def layout(self, problem: Problem, path: Path) -> Layout:
        ids = list(self.question(problem.question))
        ends: list[int | None] = []
        end = None
        for step in path.steps:
            if not step.is_blank:
                ids += self.format.step(step.text)
                end = len(ids)
            ends.append(end)
        return Layout(tuple(ids), tuple(ends))

    async def _read(
        self, ids: tuple[int, ...], ends: set[int]
    ) -> tuple[dict[tuple[int, ...], float], Usage]:
        """The scores at `ends` of one prompt, the largest of which is its length."""
        rows, cached = await self.vllm.rows(ids)
        usage = Usage(len(ids), cached, 0, 0)
        first = len(ids) - len(rows)
        found = {ids[:end]: self.format.score(rows[end - 1 - first]) for end in ends if end > first}
        hidden = {end for end in ends if end <= first}
        if hidden:
            earlier, used = await self._read(ids[: max(hidden)], hidden)
            found |= earlier
            usage += used
        return found, usage
