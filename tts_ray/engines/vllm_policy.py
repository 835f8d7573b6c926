"""A policy on vLLM: token ids in, token ids out, one request per child, seeded by the tree.

A step-wise request stops at any token that contains the separator. A separator that two tokens
make together does not stop it; the response is then cut there and the rest discarded, so a step
is the same either way, and every sampled token is in the usage.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from tts_ray.concurrency import together
from tts_ray.engines.confidence import with_confidence
from tts_ray.engines.prompts import prompt_family
from tts_ray.engines.spec import PolicySpec
from tts_ray.engines.steps import cut
from tts_ray.engines.tokenizers import usable_tokenizer
from tts_ray.engines.vllm_client import Answer
from tts_ray.engines.vllm_compat import Vllm, engine_args
from tts_ray.errors import EngineError
from tts_ray.protocols import Policy
from tts_ray.types import Finish, Path, Problem, Sampling, Step, Usage

PROMPTS_KEPT = 4096
CUT = Step("", (), Finish.LENGTH, 0.0)
"""The continuation of a path that has no room left."""


class VllmPolicy(Policy):
    """One policy replica."""

    def __init__(self, spec: PolicySpec) -> None:
        self.separator = spec.separator
        self.tokenizer = usable_tokenizer(spec.model, spec.revision, f"policy.model={spec.model}")
        family = prompt_family(spec.prompt)
        self.prompt = lru_cache(PROMPTS_KEPT)(
            lambda question: tuple(family.render(self.tokenizer, question))
        )
        self.vllm = Vllm(
            engine_args(spec), core_process=spec.has_core_process, confidence=spec.confidence
        )
        # A model's vocabulary may be padded beyond its tokenizer's.
        self.pieces = self.tokenizer.batch_decode([[i] for i in range(self.vllm.vocabulary)])
        self.stops = frozenset(i for i, piece in enumerate(self.pieces) if self.separator in piece)

    def tokens_in_flight(self) -> int:
        """Tokens of calls that have not ended."""
        return self.vllm.tokens_in_flight()

    async def propose(
        self,
        problem: Problem,
        paths: Sequence[Path],
        seeds: Sequence[int],
        sampling: Sampling,
        *,
        whole: bool = False,
    ) -> tuple[list[tuple[Step, ...]], Usage]:
        prompt = self.prompt(problem.question)
        grown = await together(
            self._continue(prompt, path.token_ids, seed, sampling, whole)
            for path, seed in zip(paths, seeds, strict=True)
        )
        usage = sum((used for _, used in grown), Usage())
        return [steps for steps, _ in grown], replace(usage, calls=1)

    async def _continue(
        self,
        prompt: tuple[int, ...],
        written: list[int],
        seed: int,
        sampling: Sampling,
        whole: bool,
    ) -> tuple[tuple[Step, ...], Usage]:
        """Sample until something readable ends: a separator alone does not end a step."""
        blank: tuple[Step, ...] = ()
        confidence: list[float] = []
        entropy: list[float] = []
        usage = Usage()
        limit = sampling.max_tokens if whole else sampling.max_step_tokens
        while True:
            ids = [*prompt, *written, *(token for step in blank for token in step.token_ids)]
            spent = len(ids) - len(prompt) - len(written)
            room = min(
                limit - spent,
                sampling.max_tokens - len(written) - spent,
                self.vllm.max_model_len - len(ids),
            )
            if room <= 0:
                return with_confidence(self._join(blank, (CUT,)), confidence, entropy), usage
            stop = frozenset() if whole else self.stops
            answer = await self.vllm.generate(ids, sampling, seed + len(blank), room, stop)
            used = Usage.of_request(len(ids), answer.cached_tokens, len(answer.token_ids))
            # What follows a blank beginning is the same path: its prompt is counted already.
            usage += replace(used, prompt_tokens=0, cached_tokens=0) if blank else used
            steps = self._steps(answer)
            confidence += answer.confidence
            entropy += answer.entropy
            if not whole:
                steps = steps[:1]
            if steps[-1].finish is not Finish.STEP or not steps[-1].is_blank:
                return with_confidence(self._join(blank, steps), confidence, entropy), usage
            blank = (*blank, *steps)

    @staticmethod
    def _join(blank: tuple[Step, ...], steps: tuple[Step, ...]) -> tuple[Step, ...]:
        """Prepend blank beginnings to the first of `steps`."""
        if not blank:
            return steps
        parts = (*blank, steps[0])
        first = Step(
            "".join(part.text for part in parts),
            tuple(token for part in parts for token in part.token_ids),
            steps[0].finish,
            sum(part.logprob for part in parts),
        )
        return (first, *steps[1:])

    def _steps(self, answer: Answer) -> tuple[Step, ...]:
        if answer.finish_reason == "length":
            finish = Finish.LENGTH
        elif answer.finish_reason != "stop":
            raise EngineError(f"vLLM ended a request with {answer.finish_reason!r}")
        else:
            finish = Finish.STEP if answer.stop_reason in self.stops else Finish.EOS
        ids = answer.token_ids
        if len(answer.logprobs) != len(ids):
            raise EngineError(
                f"vLLM gave {len(answer.logprobs)} log-probabilities of {len(ids)} tokens"
            )
        return cut(
            ids,
            [self.pieces[token] for token in ids],
            answer.logprobs,
            finish,
            self.separator,
            self._decode,
        )

    def _decode(self, ids: Sequence[int]) -> str:
        return str(
            self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )
