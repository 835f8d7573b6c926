"""Simulated engines in virtual time: a policy that batches continuously, and a PRM that reads one
call after the other. Everything that they give follows from the seeds of the tree."""

import asyncio
import heapq
import math
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from statistics import NormalDist

from virtual_time import World

from tts_ray.protocols import Policy, RewardModel
from tts_ray.types import Finish, Path, Problem, Sampling, Step, Usage

BLOCK = 16
"""Tokens of a KV block; what lies in the last, unfinished one is read again."""
FEWEST, MOST = 3, 13
"""Steps of a path."""
NORMAL = NormalDist()


@dataclass(frozen=True)
class Speeds:
    """What the engines are assumed to be."""

    decode_ms: float
    sequence_us: float
    sequences: int
    kv_tokens: int
    prefill_rate: float
    prm_rate: float

    def step_s(self, batch: int) -> float:
        """Seconds of a decode step of `batch` sequences."""
        return (self.decode_ms + batch * self.sequence_us / 1000) / 1000


@dataclass(frozen=True)
class Lengths:
    """How long things are, in tokens: the median step, the sigma of its logarithm, and that of a
    problem's factor."""

    median: float
    sigma: float
    spread: float
    question: int

    def step(self, problem: Problem, seed: int, k: int) -> int:
        """Tokens of step `k` of a path that was drawn with `seed`."""
        factor = self.spread * normal(uniform(int(problem.id, 16), 0))
        drawn = math.exp(factor + self.sigma * normal(uniform(seed, k)))
        return min(2048, max(1, round(self.median * drawn)))


def uniform(seed: int, k: int) -> float:
    """The k-th number in (0, 1) of a seed (splitmix64)."""
    x = (seed + (k + 1) * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    x = ((x ^ x >> 27) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return ((x ^ x >> 31) + 0.5) / 2**64


def normal(u: float) -> float:
    return NORMAL.inv_cdf(u)


@cache
def step_of(tokens: int, finish: Finish) -> Step:
    """A step of so many tokens; nobody reads its text."""
    return Step("x", tuple(range(tokens)), finish, -1.0)


class PrefixCache:
    """The steps whose keys and values a replica holds, the least recently used first. A step is
    known by the hash of what precedes it and its own length."""

    def __init__(self, capacity: int, question: int) -> None:
        self.capacity = capacity
        self.question = question
        self.tokens = 0
        self._held: OrderedDict[int, int] = OrderedDict()

    def read(self, problem: Problem, steps: Sequence[Step]) -> tuple[int, int]:
        """Hold a path; return its hash, and how many of its tokens were not held."""
        key = int(problem.id, 16)
        missing = self._read(key, self.question)
        for step in steps:
            key = hash((key, len(step.token_ids)))
            missing += self._read(key, len(step.token_ids))
        return key, missing

    def write(self, key: int, steps: Sequence[Step]) -> None:
        """Hold the steps that follow a path."""
        for step in steps:
            key = hash((key, len(step.token_ids)))
            self._read(key, len(step.token_ids))

    def _read(self, key: int, tokens: int) -> int:
        if key in self._held:
            self._held.move_to_end(key)
            return 0
        self._held[key] = tokens
        self.tokens += tokens
        while self.tokens > self.capacity:
            self.tokens -= self._held.popitem(last=False)[1]
        return tokens


@dataclass(eq=False)
class Call:
    """A call in a simulated engine, and how many of its paths are not done."""

    ended: asyncio.Future[None]
    left: int = 1

    def one_done(self) -> bool:
        self.left -= 1
        if not self.left and not self.ended.done():
            self.ended.set_result(None)
            return True
        return False


@dataclass(eq=False)
class SimulatedPolicy(Policy):
    """A continuously batching engine."""

    world: World
    speeds: Speeds
    lengths: Lengths
    calls: int = 0
    tokens: int = 0
    prefilled: int = 0
    busy_s: float = 0.0
    sequence_s: float = 0.0
    _now: float = 0.0
    """Up to when it has run."""
    _steps: float = 0.0
    """Decode steps until then."""
    _running: list[tuple[float, int, Call]] = field(default_factory=list)
    """The step at which a sequence ends, a number to order by, and its call."""
    _waiting: deque[tuple[int, Call]] = field(default_factory=deque)
    _version: int = 0
    _number: int = 0

    def __post_init__(self) -> None:
        self.cache = PrefixCache(self.speeds.kv_tokens, self.lengths.question)

    async def ready(self) -> None:
        """It never dies."""

    async def propose(
        self,
        problem: Problem,
        paths: Sequence[Path],
        seeds: Sequence[int],
        sampling: Sampling,
        *,
        whole: bool = False,
    ) -> tuple[list[tuple[Step, ...]], Usage]:
        with self.world.apart():
            self.calls += 1
            proposals = [
                self._write(problem, path, seed, whole)
                for path, seed in zip(paths, seeds, strict=True)
            ]
            generated = [sum(len(step.token_ids) for step in steps) for steps in proposals]
            missing = 0
            keys: dict[int, int] = {}
            for path, steps in zip(paths, proposals, strict=True):
                if id(path) not in keys:
                    keys[id(path)], new = self.cache.read(problem, path.steps)
                    missing += new
                missing += sum(len(step.token_ids) for step in path.steps) % BLOCK
                self.cache.write(keys[id(path)], steps)
            call = Call(asyncio.get_running_loop().create_future(), len(paths))
            self.run_until(self.world.now)
            self._now = max(self._now, self.world.now) + missing / self.speeds.prefill_rate
            self.busy_s += missing / self.speeds.prefill_rate
            self._waiting.extend((tokens, call) for tokens in generated)
            self._go_on()
            self.tokens += sum(generated)
            self.prefilled += missing
            usage = Usage(prompt_tokens=missing, generated_tokens=sum(generated), calls=1)
        await call.ended
        return proposals, usage

    def _write(self, problem: Problem, path: Path, seed: int, whole: bool) -> tuple[Step, ...]:
        """Whole solutions have as many steps as their seed says, 3 to 13; a step-wise path ends at
        each depth with the chance that makes the same of it."""
        at = len(path.steps) + 1
        if whole:
            last = max(at, FEWEST) + int(uniform(seed, MOST + 1) * (MOST - max(at, FEWEST) + 1))
        else:
            ends = at >= FEWEST and uniform(seed, MOST + 1) * (MOST + 1 - at) < 1
            last = at if ends else MOST + 1
        return tuple(
            step_of(self.lengths.step(problem, seed, k), Finish.EOS if k == last else Finish.STEP)
            for k in range(at, last + 1 if whole else at + 1)
        )

    def run_until(self, moment: float) -> None:
        """Decode up to a time, before which no sequence ends."""
        if moment <= self._now:
            return
        if self._running:
            passed = moment - self._now
            self._steps += passed / self.speeds.step_s(len(self._running))
            self.busy_s += passed
            self.sequence_s += passed * len(self._running)
        self._now = moment

    def _go_on(self) -> None:
        """Fill the batch and say when its next sequence ends."""
        while self._waiting and len(self._running) < self.speeds.sequences:
            tokens, call = self._waiting.popleft()
            self._number += 1
            heapq.heappush(self._running, (self._steps + tokens, self._number, call))
        self._version += 1
        if self._running:
            left = self._running[0][0] - self._steps
            moment = self._now + left * self.speeds.step_s(len(self._running))
            self.world.at(moment, partial(self._end, self._version))

    def _end(self, version: int) -> bool:
        if version != self._version:
            return False
        self.run_until(self.world.now)
        self._steps = self._running[0][0]
        ended = False
        while self._running and self._running[0][0] <= self._steps + 1e-6:
            ended |= heapq.heappop(self._running)[2].one_done()
        self._go_on()
        return ended


@dataclass(eq=False)
class SimulatedReward(RewardModel):
    """A reward model that reads one call after the other."""

    world: World
    speeds: Speeds
    lengths: Lengths
    calls: int = 0
    tokens: int = 0
    _free_at: float = 0.0
    _busy_s: float = 0.0

    def __post_init__(self) -> None:
        self.cache = PrefixCache(self.speeds.kv_tokens, self.lengths.question)

    async def ready(self) -> None:
        """It never dies."""

    async def score(
        self, problem: Problem, paths: Sequence[Path]
    ) -> tuple[list[tuple[float, ...]], Usage]:
        with self.world.apart():
            self.calls += 1
            number = int(problem.id, 16)
            scores, tokens = [], 0
            for path in paths:
                tokens += self.cache.read(problem, path.steps)[1]
                seed = hash((number, path.lineage)) & 0xFFFFFFFFFFFFFFFF
                scores.append(
                    tuple(uniform(seed, k) for k in range(len(path.steps) - len(path.scores)))
                )
            call = Call(asyncio.get_running_loop().create_future())
            seconds = tokens / self.speeds.prm_rate
            self._free_at = max(self._free_at, self.world.now) + seconds
            self._busy_s += seconds
            self.tokens += tokens
            self.world.at(self._free_at, call.one_done)
            usage = Usage(prompt_tokens=tokens, calls=1)
        await call.ended
        return scores, usage

    @property
    def busy_s(self) -> float:
        return self._busy_s - max(0.0, self._free_at - self.world.now)
