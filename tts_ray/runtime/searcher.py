"""A searcher: an actor that runs searches on a pod of replicas, and the driver's side of it.

One process makes about 1,000 engine calls a second. With searchers the driver makes none: it hands
out problems and gets records. What a searcher holds can be had again: its replicas from the driver,
and its trials, being seeded, by running them anew.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from tts_ray.errors import EngineAway, EngineError, EnginesLost
from tts_ray.evaluate import Trial
from tts_ray.runtime.actors import PING_S, RemoteActor, RemotePolicy, RemoteReward
from tts_ray.runtime.pod import Limits, Pod
from tts_ray.runtime.watchdog import Progress
from tts_ray.types import Record

log = logging.getLogger(__name__)

TRIALS_AT_ONCE = 100_000
"""Trials one searcher accepts at a time; admission decides how many there are."""
LINES = 1000
"""The most lines that wait for the driver."""
REMOTE = {"policy": RemotePolicy, "prm": RemoteReward}


@dataclass(frozen=True)
class Report:
    """How a pod does: of each role the replicas it has, those alive, and the share of their time
    that was left unused; the lines it has for the job's log, with their levels; and what its calls
    tell (see search.tree.Tell). Lines and calls are those since the last report."""

    replicas: dict[str, int]
    alive: dict[str, int]
    idle_share: dict[str, float]
    lines: list[tuple[int, str]]
    calls: tuple[float, float] = (0.0, 0.0)


class Lines(logging.Handler):
    """Keeps what the package logs until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: deque[tuple[int, str]] = deque(maxlen=LINES)

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append((record.levelno, record.getMessage()))

    def take(self) -> list[tuple[int, str]]:
        """The lines since the last time."""
        lines = [*self.kept]
        self.kept.clear()
        return lines


class SearcherActor:
    """The body of a searcher's actor. Every method may run many times at once."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.pod: Pod | None = None
        self.lines = Lines()
        self._calls = (0.0, 0.0)
        self._holding = asyncio.Lock()
        logger = logging.getLogger("tts_ray")
        logger.setLevel(logging.INFO)
        logger.addHandler(self.lines)

    async def hold(self, replicas: Mapping[str, Sequence[Any]]) -> None:
        """Work with these actors of each role, the first of which it may have already."""
        engines = {role: [REMOTE[role](each) for each in some] for role, some in replicas.items()}
        async with self._holding:
            if self.pod is None:
                self.pod = Pod(engines, self.limits)
            for role, pool in self.pod.pools.items():
                for engine in engines.get(role, [])[len(pool.slots) :]:
                    await self.pod.add(role, engine)

    async def solve(self, trial: Trial) -> tuple[Record | Exception, Report]:
        """The record of a trial, or what is to be raised where the trial came from."""
        found: Record | Exception
        try:
            if self.pod is None:
                raise EngineAway("the searcher was started again, and has no replicas yet")
            found = await self.pod.solve(trial, self.tell)
        except Exception as error:
            found = error
        return found, await self.report()

    def tell(self, generated: float, kept_waiting: float) -> None:
        """Keep what calls tell until the next report."""
        self._calls = (self._calls[0] + generated, self._calls[1] + kept_waiting)

    async def report(self) -> Report:
        pools = self.pod.pools if self.pod else {}
        calls, self._calls = self._calls, (0.0, 0.0)
        return Report(
            {role: len(pool.slots) for role, pool in pools.items()},
            {role: len(pool.alive) for role, pool in pools.items()},
            self.pod.idle_shares if self.pod else {},
            self.lines.take(),
            calls,
        )


class PodLost(Exception):
    """A pod has been without living replicas of a role for too long."""


class RemoteSearcher(RemoteActor):
    """A searcher in an actor.

    Args:
        actor: its handle.
        name: what its lines in the log begin with.
        stall_s: how long it may be silent while it is started again, in seconds.
    """

    what = "searcher"

    def __init__(self, actor: Any, name: str, stall_s: float) -> None:
        super().__init__(actor)
        self.name = name
        self.stall_s = stall_s
        self.replicas: dict[str, list[Any]] = {}
        """The actors of its pod by role. What the actor has of them is its last report."""
        self.report = Report({}, {}, {}, [])
        self.calls = (0.0, 0.0)
        """What its calls have told since the last trial that ended here."""
        self.is_lost = False
        """Whether its pod has been found without living replicas for too long."""
        self._answers = 0

    @classmethod
    def start(cls, name: str, node: str, limits: Limits) -> Self:
        """Begin to start one, on that node if it is there, anywhere if it is "". It takes nothing
        of what engines are placed by, so that it has room wherever these have."""
        near = NodeAffinitySchedulingStrategy(node, soft=True) if node else "DEFAULT"
        actor = (
            ray.remote(SearcherActor)
            .options(
                num_cpus=0,
                max_restarts=-1,
                max_concurrency=TRIALS_AT_ONCE,
                scheduling_strategy=near,
            )
            .remote(limits)
        )
        return cls(actor, name, limits.stall_s)

    async def hold(self, replicas: Mapping[str, Sequence[Any]]) -> None:
        """Have it work with these actors of each role, once it is started.

        Raises:
            EngineError: it cannot start.
        """
        self.replicas = {role: [*some] for role, some in replicas.items()}
        while True:
            try:
                return await self.ask()
            except EngineAway:
                await asyncio.sleep(PING_S)

    async def ask(self) -> None:
        """See how its pod does, and give it those of its replicas that it lacks.

        Raises:
            EngineError: it does not answer.
        """
        self._take(await self._await(self.actor.report.remote()))
        if any(self.report.replicas.get(r, 0) < len(some) for r, some in self.replicas.items()):
            await self._await(self.actor.hold.remote(self.replicas))
            self._take(await self._await(self.actor.report.remote()))
        self._answers += 1

    async def solve(self, trial: Trial) -> Record:
        """Run a trial there.

        Raises:
            EngineDied: the searcher is gone.
            PodLost: too few of its replicas are alive, and none came back in time.
        """
        found, report = await self._await(self.actor.solve.remote(trial))
        self._take(report)
        if isinstance(found, EnginesLost):
            self.is_lost = True
            raise PodLost(str(found))
        if isinstance(found, Exception):
            raise found
        assert isinstance(found, Record)
        return found

    @property
    def serves(self) -> bool:
        """Whether a replica of each role is alive, as far as known."""
        return all(self.report.alive.get(role, 0) for role in self.replicas)

    async def ready(self) -> None:
        """Wait until it runs, with a living replica of each role."""
        while True:
            try:
                async with asyncio.timeout(self.stall_s):
                    await self.ask()
                if self.serves:
                    self.is_lost = False
                    return
            except TimeoutError:
                await self.end()
            except EngineError:
                pass
            await asyncio.sleep(PING_S)

    async def progress(self, seconds: float) -> Progress | None:
        """How often it answered; None if it does not within `seconds`. Whether its engines move is
        for its own watchdog to see."""
        try:
            async with asyncio.timeout(seconds):
                await self.ask()
                return self._answers, 0
        except (TimeoutError, EngineError):
            return None

    def _take(self, report: Report) -> None:
        self.report = report
        self.calls = (self.calls[0] + report.calls[0], self.calls[1] + report.calls[1])
        for level, line in report.lines:
            log.log(level, "%s: %s", self.name, line)
