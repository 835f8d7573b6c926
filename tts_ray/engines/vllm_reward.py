"""A process reward model on vLLM, scoring incrementally against its prefix cache.

A request returns rows for the tokens it computed. The score of a step whose position was cached
is not among them; it is fetched by a request that ends at that position, which always computes
its last token.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch

from tts_ray.concurrency import Shared, together
from tts_ray.engines.reward_formats import paired
from tts_ray.engines.spec import RewardSpec
from tts_ray.engines.vllm_compat import Vllm, engine_args, token_classifier
from tts_ray.protocols import RewardModel
from tts_ray.types import UNSCORED, Path, Problem, Usage

QUESTIONS_KEPT = 4096


class VllmReward(RewardModel):
    """One reward model replica."""

    def __init__(self, spec: RewardSpec) -> None:
        self.format, overrides = paired(spec.format, spec.model, spec.revision)
        self.question = lru_cache(QUESTIONS_KEPT)(self.format.question)
        args = engine_args(spec, **token_classifier(overrides))
        self.vllm = Vllm(args, core_process=spec.has_core_process)
        self.running: Shared[tuple[int, ...], tuple[torch.Tensor, int]] = Shared()

    def tokens_in_flight(self) -> int:
        """Tokens of calls that have not ended."""
        return self.vllm.tokens_in_flight()

    async def score(
        self, problem: Problem, paths: Sequence[Path]
    ) -> tuple[list[tuple[float, ...]], Usage]:
        readings = [self.readings(problem, path) for path in paths]
        wanted: dict[tuple[int, ...], set[int]] = {}
        for mine in readings:
            fitting = [ids for ids in mine if ids and len(ids) <= self.vllm.max_model_len]
            if not self.format.nested:
                wanted |= {ids: {len(ids)} for ids in fitting}
            elif fitting:
                wanted.setdefault(max(fitting, key=len), set()).update(map(len, fitting))
        scored = await together(self._read(ids, ends) for ids, ends in wanted.items())
        scores: dict[tuple[int, ...], float] = {}
        usage = Usage(calls=1)
        for found, used in scored:
            scores |= found
            usage += used
        return [
            tuple(scores.get(ids, UNSCORED) if ids else UNSCORED for ids in mine)
            for mine in readings
        ], usage

    def readings(self, problem: Problem, path: Path) -> list[tuple[int, ...] | None]:
        """For each unscored step the ids at whose last position its score is. A blank step shares
        its predecessor's, and has none if there is nothing before it."""
        scored = len(path.scores)
        texts = [step.text for step in path.steps if not step.is_blank]
        known = sum(not step.is_blank for step in path.steps[:scored])
        first = max(0, known - 1)
        prompts = self.format.prompts(self.question(problem.question), texts, first)
        found: list[tuple[int, ...] | None] = []
        for step in path.steps[scored:]:
            known += not step.is_blank
            found.append(prompts[known - 1 - first] if known else None)
        return found

    async def _read(
        self, ids: tuple[int, ...], ends: set[int]
    ) -> tuple[dict[tuple[int, ...], float], Usage]:
        """The scores at `ends` of one prompt, the largest of which is its length."""
        # A prompt that runs is in no cache yet: calls that ask for the same one share it.
        (rows, cached), is_new = await self.running.run(ids, lambda: self.vllm.rows(ids))
        usage = Usage.of_request(len(ids), cached) if is_new else Usage()
        first = len(ids) - len(rows)
        found = {ids[:end]: self.format.score(rows[end - 1 - first]) for end in ends if end > first}
        hidden = {end for end in ends if end <= first}
        if hidden:
            earlier, used = await self._read(ids[: max(hidden)], hidden)
            found |= earlier
            usage += used
        return found, usage
