"""A pod: replicas that serve the same searches, in the process that runs these.

A job of few replicas is one pod, in the driver; one of many has pods in searchers.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tts_ray.evaluate import Engines, Solver, Trial, solve
from tts_ray.replicas import PolicyPool, RewardPool
from tts_ray.runtime.local_ray import lost_local_ray
from tts_ray.runtime.watchdog import Watchdog
from tts_ray.search.tree import Tell, tell_nobody
from tts_ray.types import Record


@dataclass(frozen=True)
class Limits:
    """What a pod keeps to: attempts at one call, how long a call waits for a replica, and how long
    a replica with work may stand still, in seconds."""

    attempts: int = 3
    revival_s: float = 300.0
    stall_s: float = 300.0


class Pod(Solver):
    """Runs trials on its replicas and looks after them until it is closed. Needs a running loop.

    Args:
        engines: the replicas of each role, "policy" or "prm".
        least: how many of a role have to be alive for the work to go on, if not one.
    """

    def __init__(
        self,
        engines: Mapping[str, Sequence[Any]],
        limits: Limits,
        least: Mapping[str, int] | None = None,
    ) -> None:
        def options(role: str) -> dict[str, Any]:
            return {
                "attempts": limits.attempts,
                "least": (least or {}).get(role, 1),
                "revival_s": limits.revival_s,
                "hopeless": lost_local_ray,
            }

        self.policies = PolicyPool(engines.get("policy", []), **options("policy"))
        self.rewards = RewardPool(engines["prm"], **options("prm")) if "prm" in engines else None
        self.pools: dict[str, PolicyPool | RewardPool] = {"policy": self.policies}
        if self.rewards:
            self.pools["prm"] = self.rewards
        watchdog = Watchdog(
            lambda: [s for p in self.pools.values() for s in p.slots], limits.stall_s
        )
        self._watch = asyncio.create_task(watchdog.watch())

    async def solve(self, trial: Trial, tell: Tell = tell_nobody) -> Record:
        return await solve(trial, Engines(self.policies, self.rewards), tell)

    async def add(self, role: str, engine: Any) -> None:
        """Take in a further replica."""
        await self.pools[role].join(engine)

    @property
    def idle_shares(self) -> dict[str, float]:
        """The share of the replicas' time that was left unused so far, by role."""
        return {role: pool.idle_share for role, pool in self.pools.items()}

    def close(self) -> None:
        """Stop looking after the replicas."""
        self._watch.cancel()
        for pool in self.pools.values():
            pool.close()
