"""Problems in, records out: one coroutine per (problem, search), many in flight, no barrier.

A search that fails is a record with its error, never a lost problem. Nothing here knows where the
engines live or where records go.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from tts_ray.admission import Admission
from tts_ray.errors import EngineError
from tts_ray.protocols import LeasedPolicy, LeasedReward, Pool
from tts_ray.search.evidence import evidence
from tts_ray.search.search import Search
from tts_ray.search.tree import Ledger, Tell, Tree, tell_nobody
from tts_ray.types import Path, Problem, Record, Sampling

log = logging.getLogger(__name__)

NOTHING = (
    "no token was generated: the question leaves no room in the policy's context "
    "(policy.max_model_len), or the policy's checkpoint is broken"
)


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """One search on one problem, and how it samples. Equal to itself alone: two runs may ask for
    the same."""

    problem: Problem
    search: Search
    sampling: Sampling
    seed: int


class Solver(Protocol):
    """Runs trials, in this process or in others."""

    async def solve(self, trial: Trial, tell: Tell = tell_nobody) -> Record:
        """Run one search on one problem; what fails of it is the record's `error`. `tell` is told
        of its calls, and of others that ended meanwhile."""
        ...


@dataclass(frozen=True)
class Engines(Solver):
    """Where searches get their engines. `rewards` may be None if no search needs them."""

    policies: Pool[LeasedPolicy]
    rewards: Pool[LeasedReward] | None

    async def solve(self, trial: Trial, tell: Tell = tell_nobody) -> Record:
        return await solve(trial, self, tell)


async def evaluate(
    work: Iterable[Trial],
    solver: Solver,
    admission: Admission,
    sink: Callable[[Trial, Record], Awaitable[None]],
) -> None:
    """Run every trial of `work` and await `sink` once with the trial and its record.

    `work` is consumed as fast as `admission` lets trees in. An exception of `sink` stops
    everything: what is in flight is cancelled and the exception is raised.
    """

    async def run(trial: Trial) -> None:
        try:
            record = await solver.solve(trial, admission.learn_call)
        finally:
            admission.leave(trial.search.n)
        admission.learn(record)
        await sink(trial, record)

    try:
        async with asyncio.TaskGroup() as group:
            for trial in work:
                await admission.enter(trial.search.n)
                group.create_task(run(trial))
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def solve(trial: Trial, engines: Engines, tell: Tell = tell_nobody) -> Record:
    """Run one search on one problem. An engine failure becomes the record's `error`, and so does a
    search without a single token: its answers would only look wrong.

    Raises:
        ValueError: the search returned a path that cannot be an answer.
    """
    problem, search = trial.problem, trial.search
    started = time.perf_counter()
    rewards = engines.rewards if search.uses_reward else None
    sampling, ledger = search.sampling(trial.sampling), Ledger(tell)
    tree = Tree(problem, engines.policies, rewards, sampling, trial.seed, ledger)
    kept: list[Path] = []
    error = None
    try:
        kept = await search(tree)
        if not tree.ledger.policy_usage.generated_tokens:
            raise EngineError(NOTHING)
    except EngineError as failure:
        error = f"{type(failure).__name__}: {failure}"
        log.warning("%s failed on problem %s: %s", search.id, problem.id, error)
    for path in kept:
        if path.lineage not in tree.ledger.born or path.is_scratch or not path.is_complete:
            raise ValueError(f"{search.id}: the path {path.lineage} of its answers is not complete")
    nodes, candidates = evidence(tree.ledger.born, {path.lineage for path in kept})
    return Record(
        problem=problem,
        search=search.id,
        seed=trial.seed,
        nodes=nodes,
        candidates=candidates,
        policy_usage=tree.ledger.policy_usage,
        reward_usage=tree.ledger.reward_usage,
        repeats=tree.ledger.repeats,
        seconds=tree.ledger.seconds + time.perf_counter() - started,
        error=error,
        question_tokens=tree.ledger.question_tokens,
    )
