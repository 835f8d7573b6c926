"""The searchers of a job: which of them a trial goes to, and what happens when it does not come
back. To the driver they are replicas, whose calls are whole searches.

A trial goes to the searcher with the least in flight. One whose searcher dies begins again on
another, or on the restarted one; being seeded, it gives the same tree.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tts_ray.errors import EngineDied, EngineError, EnginesLost
from tts_ray.evaluate import Solver, Trial
from tts_ray.replicas import ASK_S, Replicas, Slot, Sticky
from tts_ray.runtime.actors import RemoteEngine
from tts_ray.runtime.local_ray import lost_local_ray
from tts_ray.runtime.pod import Limits
from tts_ray.runtime.searcher import PodLost, RemoteSearcher
from tts_ray.runtime.watchdog import Watchdog
from tts_ray.search.tree import Tell, tell_nobody
from tts_ray.types import Record, Usage


class Searchers(Replicas[RemoteSearcher], Solver):
    """Runs trials on searchers and looks after these until it is closed. Needs a running loop.

    Args:
        searchers: those that were started, each with its pod.
        least_of: how many replicas of a role have to be alive in all for trials to be handed out.
    """

    role = "searcher"

    def __init__(
        self, searchers: Sequence[RemoteSearcher], limits: Limits, least_of: Mapping[str, int]
    ) -> None:
        super().__init__(
            searchers,
            attempts=limits.attempts,
            revival_s=limits.revival_s,
            hopeless=lost_local_ray,
        )
        self.least_of = least_of
        watchdog = Watchdog(lambda: self.slots, limits.stall_s)
        self._tasks = [asyncio.create_task(work) for work in (watchdog.watch(), self._look())]

    @property
    def alive(self) -> list[Slot[RemoteSearcher]]:
        """The searchers that take trials: none while the job as a whole has too few replicas."""
        if any(self._living(role) < least for role, least in self.least_of.items()):
            return []
        return [slot for slot in super().alive if slot.engine.serves]

    async def solve(self, trial: Trial, tell: Tell = tell_nobody) -> Record:
        """Run a trial on a searcher, and on others if that is lost. One that is lost with each of
        `attempts` searchers is a record with that error.

        Raises:
            EnginesLost: too few replicas are alive in all, for longer than `revival_s`.
        """
        started = time.perf_counter()
        lease = Sticky(self)
        while True:
            try:
                record = await self.call(lease, trial.search.n, lambda each: each.solve(trial))
                assert lease.slot is not None
                searcher = lease.slot.engine
                if any(searcher.calls):
                    tell(*searcher.calls)
                    searcher.calls = (0.0, 0.0)
                return replace(record, repeats=record.repeats + lease.repeats)
            except PodLost as loss:
                if all(slot.engine.is_lost for slot in self.slots):
                    raise EnginesLost(str(loss)) from None
                assert lease.slot is not None
                self._bury(lease.slot, loss)
                lease.repeats += 1
            except EngineError as failure:
                error = f"{type(failure).__name__}: {failure}"
                return unsolved(trial, error, lease.repeats, time.perf_counter() - started)

    def burden(self, slot: Slot[RemoteSearcher]) -> float:
        """What is in flight there for each living replica."""
        return slot.load / max(1, min(slot.engine.report.alive.get(r, 0) for r in self.least_of))

    async def add(self, role: str, engine: RemoteEngine) -> None:
        """Take a further replica into the pod that has the fewest of its role."""
        slot = min(self.slots, key=lambda slot: len(slot.engine.replicas[role]))
        slot.engine.replicas[role].append(engine.actor)
        await self._ask(slot)

    @property
    def idle_shares(self) -> dict[str, float]:
        """The share of the replicas' time that was left unused so far, by role, as last told."""
        reports = [slot.engine.report for slot in self.slots]
        return {
            role: sum(each.replicas.get(role, 0) * each.idle_share.get(role, 0) for each in reports)
            / max(sum(each.replicas.get(role, 0) for each in reports), 1)
            for role in self.least_of
        }

    async def _look(self) -> None:
        """Ask all searchers how they do, again and again."""
        while True:
            await asyncio.sleep(ASK_S)
            await asyncio.gather(*(self._ask(slot) for slot in super().alive))
            async with self._revived:
                self._revived.notify_all()

    async def _ask(self, slot: Slot[RemoteSearcher]) -> None:
        """Ask one; whether it stands still is the watchdog's to say."""
        try:
            async with asyncio.timeout(ASK_S):
                await slot.engine.ask()
        except EngineDied as failure:
            self._bury(slot, failure)
        except (TimeoutError, EngineError):
            pass

    def _living(self, role: str) -> int:
        """The replicas of a role that are alive, and whose searcher is."""
        return sum(slot.engine.report.alive.get(role, 0) for slot in self.slots if slot.alive)

    def _shortage(self) -> str:
        for role, least in self.least_of.items():
            count = sum(len(slot.engine.replicas[role]) for slot in self.slots)
            if (living := self._living(role)) < least:
                return f"{living} of {count} {role} replicas are alive, fewer than {least}"
        return f"no searcher of {len(self.slots)} has a living replica of each role"

    def _name(self, slot: Slot[RemoteSearcher]) -> str:
        return slot.engine.name

    def close(self) -> None:
        """Stop looking after the searchers."""
        super().close()
        for task in self._tasks:
            task.cancel()


def unsolved(trial: Trial, error: str, repeats: int, seconds: float) -> Record:
    """The record of a trial that no searcher could run."""
    return Record(
        problem=trial.problem,
        search=trial.search.id,
        seed=trial.seed,
        nodes=(),
        candidates=(),
        policy_usage=Usage(),
        reward_usage=Usage(),
        repeats=repeats,
        seconds=seconds,
        error=error,
    )
