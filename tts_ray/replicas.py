"""Which replica a call goes to, and what happens when it does not come back.

A lease sticks to the replica that was least loaded when it was first used, so the prefix cache
there stays warm; it yields when that replica carries `slack` paths more than the idlest one. A
failed call is repeated, on another replica if there is one; a dead replica takes no calls until
it says it is ready again. Engines are stateless and seeded, so a repeated call gives the same
tokens and the tree never notices.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from tts_ray.errors import EngineDied, EngineError, EnginesLost
from tts_ray.protocols import LeasedPolicy, LeasedReward, Policy, Pool, RewardModel
from tts_ray.types import Path, Problem, Sampling, Step, Usage

log = logging.getLogger(__name__)


class Replica(Protocol):
    """What replicas need of an engine besides its calls."""

    async def ready(self) -> None:
        """Return once the engine can serve. Raises EngineDied if it never will."""
        ...


ASK_S = 5.0
"""How often a call that waits for a replica asks whether one can come at all, in seconds."""
E = TypeVar("E", bound=Replica)
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Slot(Generic[E]):
    """One replica, the paths it is working on, and all it was ever given."""

    engine: E
    opened: float = field(default_factory=time.monotonic)
    load: int = 0
    given: int = 0
    alive: bool = True
    busy_s: float = 0.0
    """How long it has worked, up to when its present work began."""
    _since: float = 0.0

    def take(self, weight: int) -> None:
        """Begin work on so many paths."""
        if not self.load:
            self._since = time.monotonic()
        self.load += weight
        self.given += weight

    def leave(self, weight: int) -> None:
        """End it."""
        self.load -= weight
        if not self.load:
            self.busy_s += time.monotonic() - self._since

    def worked_s(self, now: float) -> float:
        """How long it has worked until now."""
        return self.busy_s + (now - self._since if self.load else 0.0)


class Replicas(Generic[E]):
    """A pool of equal engines.

    Args:
        attempts: how often one call is tried in all.
        slack: the lead in load, in paths, at which a lease leaves its replica.
        least: how many replicas have to be alive for the work to go on.
        revival_s: how long a call waits for a replica when fewer are, in seconds.
        hopeless: asked while it waits: why no replica can come back; empty while one can.
    """

    role = "engine"

    def __init__(
        self,
        engines: Sequence[E],
        *,
        attempts: int = 3,
        slack: int = 64,
        least: int = 1,
        revival_s: float = 300.0,
        hopeless: Callable[[], str] = lambda: "",
    ) -> None:
        self.slots = [Slot(engine) for engine in engines]
        self.attempts = attempts
        self.slack = slack
        self.least = least
        self.revival_s = revival_s
        self.hopeless = hopeless
        self._revived = asyncio.Condition()
        self._revivals: set[asyncio.Task[None]] = set()

    @property
    def alive(self) -> list[Slot[E]]:
        """The replicas that take calls."""
        return [slot for slot in self.slots if slot.alive]

    @property
    def idle_share(self) -> float:
        """The share of its replicas' time that the pool has left unused so far."""
        now = time.monotonic()
        worked = sum(slot.worked_s(now) for slot in self.slots)
        return 1 - worked / max(sum(now - slot.opened for slot in self.slots), 1e-9)

    async def call(self, sticky: "Sticky[E]", weight: int, run: Callable[[E], Awaitable[T]]) -> T:
        """Run one call of `weight` paths on the leased replica, or on others if that fails.

        Raises:
            EngineError: it failed `attempts` times.
            EnginesLost: fewer than `least` replicas are alive, for longer than `revival_s`.
        """
        tried: list[Slot[E]] = []
        while True:
            slot = sticky.slot = await self._choose(sticky.slot, tried)
            slot.take(weight)
            try:
                return await run(slot.engine)
            except EngineError as failure:
                tried.append(slot)
                if isinstance(failure, EngineDied):
                    self._bury(slot, failure)
                if len(tried) >= self.attempts:
                    raise
                sticky.repeats += 1
            finally:
                slot.leave(weight)

    async def _choose(self, held: Slot[E] | None, tried: Sequence[Slot[E]]) -> Slot[E]:
        alive = self.alive if len(self.alive) >= self.least else await self._wait()
        fresh = [slot for slot in alive if slot not in tried] or alive
        idlest = min(fresh, key=lambda slot: (self.burden(slot), slot.given))
        if held in fresh and held is not None and held.load <= idlest.load + self.slack:
            return held
        return idlest

    def burden(self, slot: Slot[E]) -> float:
        """How much a replica has to do: the paths that it is working on."""
        return slot.load

    async def _wait(self) -> list[Slot[E]]:
        ends = time.monotonic() + self.revival_s
        while (left := ends - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(min(left, ASK_S)), self._revived:
                    await self._revived.wait_for(lambda: len(self.alive) >= self.least)
                return self.alive
            except TimeoutError:
                why = await asyncio.to_thread(self.hopeless)
                if why:
                    break
        else:
            why = f"none came back within {self.revival_s:g} s"
        raise EnginesLost(
            f"{self._shortage()}, and {why}; see the engine's log, then run the same command to "
            f"resume"
        )

    def _shortage(self) -> str:
        return f"{len(self.alive)} of {len(self.slots)} replicas are alive, fewer than {self.least}"

    def _bury(self, slot: Slot[E], failure: Exception) -> None:
        if not slot.alive:
            return
        slot.alive = False
        log.warning("%s died, %d alive: %s", self._name(slot), len(self.alive), failure)
        task = asyncio.create_task(self._revive(slot))
        self._revivals.add(task)
        task.add_done_callback(self._revivals.discard)

    async def _revive(self, slot: Slot[E]) -> None:
        try:
            await slot.engine.ready()
        except EngineDied:
            return
        async with self._revived:
            slot.alive = True
            log.info("%s is back, %d alive", self._name(slot), len(self.alive))
            self._revived.notify_all()

    async def join(self, engine: E) -> None:
        """Take in a further replica."""
        async with self._revived:
            self.slots.append(Slot(engine))
            log.info("%s joined, %d alive", self._name(self.slots[-1]), len(self.alive))
            self._revived.notify_all()

    def _name(self, slot: Slot[E]) -> str:
        return f"{self.role} replica {self.slots.index(slot) + 1} of {len(self.slots)}"

    def close(self) -> None:
        """Stop waiting for dead replicas."""
        for task in self._revivals:
            task.cancel()


class Sticky(Generic[E]):
    """The part of a lease that every engine shares."""

    def __init__(self, replicas: Replicas[E]) -> None:
        self.replicas = replicas
        self.slot: Slot[E] | None = None
        self.repeats = 0


class PolicyReplica(Policy, Replica, Protocol):
    """A policy that can be one of several."""


class RewardReplica(RewardModel, Replica, Protocol):
    """A reward model that can be one of several."""


class PolicyLease(Sticky[PolicyReplica], LeasedPolicy):
    """A policy whose calls go to the leased replica."""

    async def propose(
        self,
        problem: Problem,
        paths: Sequence[Path],
        seeds: Sequence[int],
        sampling: Sampling,
        *,
        whole: bool = False,
    ) -> tuple[list[tuple[Step, ...]], Usage]:
        return await self.replicas.call(
            self,
            len(paths),
            lambda engine: engine.propose(problem, paths, seeds, sampling, whole=whole),
        )


class RewardLease(Sticky[RewardReplica], LeasedReward):
    """A reward model whose calls go to the leased replica."""

    async def score(
        self, problem: Problem, paths: Sequence[Path]
    ) -> tuple[list[tuple[float, ...]], Usage]:
        return await self.replicas.call(
            self, len(paths), lambda engine: engine.score(problem, paths)
        )


class PolicyPool(Replicas[PolicyReplica], Pool[LeasedPolicy]):
    """The policy's replicas."""

    role = "policy"

    def lease(self) -> LeasedPolicy:
        return PolicyLease(self)


class RewardPool(Replicas[RewardReplica], Pool[LeasedReward]):
    """The reward model's replicas."""

    role = "prm"

    def lease(self) -> LeasedReward:
        return RewardLease(self)
