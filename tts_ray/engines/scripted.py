"""Engines with no model: deterministic, and able to fail, hang, be slow or die on request.

They exist to test search logic and fault handling. A scripted policy writes solutions of a few
short steps whose words depend on the seed alone; a scripted reward model scores a step by a hash
of the text up to it.
"""

import asyncio
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tts_ray.errors import EngineError
from tts_ray.protocols import Policy, RewardModel
from tts_ray.types import UNSCORED, Finish, Path, Problem, Sampling, Step, Usage


def draw(*names: object) -> int:
    """A number in [0, 2**32) that depends on `names` alone."""
    text = "/".join(map(str, names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest())


@dataclass
class Faults:
    """What goes wrong, by the 1-based number of the call. Numbers count this engine's calls."""

    fail: frozenset[int] = frozenset()
    """These calls raise EngineError."""
    hang: frozenset[int] = frozenset()
    """These calls never return."""
    die: frozenset[int] = frozenset()
    """These calls end the process at once, as SIGKILL would."""
    seconds: float = 0.0
    """Every call takes this long."""
    poison: str = ""
    """Every call about a problem whose question contains this raises EngineError."""

    async def strike(self, call: int, problem: Problem) -> None:
        if self.seconds:
            await asyncio.sleep(self.seconds)
        if call in self.die:
            os._exit(1)
        if call in self.hang:
            await asyncio.Event().wait()
        if call in self.fail or (self.poison and self.poison in problem.question):
            raise EngineError(f"scripted failure of call {call}")


def scripted_step(path: Path, seed: int, depth: int) -> Step:
    """Step k of `depth`; the last one boxes a digit and ends."""
    k = len(path.steps) + 1
    digit = draw("digit", seed) % 10
    if k < depth:
        text, finish = f"Step {k}: {digit}\n\n", Finish.STEP
    else:
        text, finish = f"The answer is $\\boxed{{{digit}}}$.", Finish.EOS
    return Step(text, tuple(text.encode()), finish, -0.1 * len(text))


@dataclass
class ScriptedPolicy(Policy):
    """Solutions of `depth` steps; one token per byte. `write` replaces how a step is written."""

    depth: int = 3
    faults: Faults = field(default_factory=Faults)
    write: Callable[[Path, int, int], Step] = scripted_step
    calls: list[tuple[list[Path], bool]] = field(default_factory=list)

    async def ready(self) -> None:
        """A scripted engine is always ready."""

    def tokens_in_flight(self) -> int:
        """A scripted call ends at once or hangs."""
        return 0

    async def propose(
        self,
        problem: Problem,
        paths: Sequence[Path],
        seeds: Sequence[int],
        sampling: Sampling,
        *,
        whole: bool = False,
    ) -> tuple[list[tuple[Step, ...]], Usage]:
        self.calls.append((list(paths), whole))
        await self.faults.strike(len(self.calls), problem)
        proposals = [
            self._continue(path, seed if sampling.temperature else 0, whole)
            for path, seed in zip(paths, seeds, strict=True)
        ]
        usage = Usage(calls=1)
        for path, steps in zip(paths, proposals, strict=True):
            prompt = len(problem.question) + len(path.token_ids)
            usage += Usage.of_request(prompt, 0, sum(len(step.token_ids) for step in steps))
        return proposals, usage

    def _continue(self, path: Path, seed: int, whole: bool) -> tuple[Step, ...]:
        grown = path
        while grown.is_open:
            grown = grown.extend((self.write(grown, draw(seed, len(grown.steps)), self.depth),), 0)
            if not whole:
                break
        return grown.steps[len(path.steps) :]


@dataclass
class ScriptedReward(RewardModel):
    """Scores in [0, 1). `judge` replaces the hash of (question, text up to the step)."""

    faults: Faults = field(default_factory=Faults)
    judge: Callable[[str, str], float] = lambda question, text: draw(question, text) / 2**32
    calls: list[list[Path]] = field(default_factory=list)

    async def ready(self) -> None:
        """A scripted engine is always ready."""

    def tokens_in_flight(self) -> int:
        """A scripted call ends at once or hangs."""
        return 0

    async def score(
        self, problem: Problem, paths: Sequence[Path]
    ) -> tuple[list[tuple[float, ...]], Usage]:
        self.calls.append(list(paths))
        await self.faults.strike(len(self.calls), problem)
        scores = [self._judge(problem, path) for path in paths]
        usage = Usage(calls=1)
        for path in paths:
            tokens = [len(step.token_ids) for step in path.steps]
            usage += Usage.of_request(sum(tokens), sum(tokens[: len(path.scores)]))
        return scores, usage

    def _judge(self, problem: Problem, path: Path) -> tuple[float, ...]:
        new: list[float] = []
        text = "".join(step.text for step in path.steps[: len(path.scores)])
        for step in path.steps[len(path.scores) :]:
            text += step.text
            blank = not text.strip()
            new.append(UNSCORED if blank else self.judge(problem.question, text.strip()))
        return tuple(new)
