"""A session holds the loaded engines: placed as a gang, loaded once, used by many searches.

Engines that share a card load one after the other, for each measures the memory that is free.
"""

import os
from collections import defaultdict
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import ray
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from tts_ray.concurrency import together
from tts_ray.engines.load import Spec
from tts_ray.engines.spec import Capacity, Device, environment
from tts_ray.errors import EngineError, PlacementError
from tts_ray.evaluate import Engines
from tts_ray.replicas import PolicyPool, RewardPool
from tts_ray.runtime.actors import EngineActor, RemotePolicy, RemoteReward
from tts_ray.runtime.placement import ONE_CPU, Place, Seat, release, reserve

CALLS_AT_ONCE = 1000
"""Calls one actor accepts at a time; vLLM does the queueing."""


@dataclass(frozen=True)
class Fleet:
    """`replicas` copies of one engine, each with its share of a node."""

    spec: Spec
    replicas: int = 1
    place: Place = ONE_CPU

    @property
    def device(self) -> Device:
        return "cuda" if self.place.gpus else "cpu"


def connect(address: str | None) -> None:
    """Join the cluster at `address`, or the one this job was submitted to, or start a local one.

    Raises:
        PlacementError: there is no cluster at that address.
    """
    if ray.is_initialized():
        return
    found = address or os.environ.get("RAY_ADDRESS") or "local"
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if found == "local":
        # An engine without a GPU must see none; Ray leaves the variable alone by default.
        os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "1"
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        settings["include_dashboard"] = False
    try:
        ray.init(address=found, **settings)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise PlacementError(f"no Ray cluster at {found!r}: {reason}") from None


class Session:
    """An async context manager around the engines of a run.

    Raises:
        PlacementError: the engines do not fit on the cluster by the deadline.
        EngineError: an engine failed to load.
    """

    def __init__(
        self,
        policy: Fleet,
        reward: Fleet | None,
        *,
        placement_s: float = 120.0,
        load_s: float = 1800.0,
        revival_s: float = 300.0,
        attempts: int = 3,
    ) -> None:
        self.fleets = {"policy": policy} | ({"prm": reward} if reward else {})
        self.placement_s = placement_s
        self.load_s = load_s
        self.revival_s = revival_s
        self.attempts = attempts
        self.seats: list[Seat] = []
        self.actors: list[Any] = []

    async def __aenter__(self) -> Self:
        replicas = [
            (role, fleet) for role, fleet in self.fleets.items() for _ in range(fleet.replicas)
        ]
        self.seats = await reserve(
            [(role, fleet.place) for role, fleet in replicas], self.placement_s
        )
        try:
            loaded = await self._load(replicas)
        except EngineError as error:
            self.close()
            raise type(error)(f"an engine failed to load: {error}") from None
        except BaseException:
            self.close()
            raise
        policies = [(engine, held) for role, engine, held in loaded if role == "policy"]
        rewards = [engine for role, engine, _ in loaded if role == "prm"]
        self.capacity = Capacity(
            sum(held.sequences for _, held in policies), sum(held.kv_tokens for _, held in policies)
        )
        options: dict[str, Any] = {"attempts": self.attempts, "revival_s": self.revival_s}
        self.policies = PolicyPool([engine for engine, _ in policies], **options)
        self.rewards = RewardPool(rewards, **options) if rewards else None
        self.engines = Engines(self.policies, self.rewards)
        return self

    async def _load(self, replicas: list[tuple[str, Fleet]]) -> list[tuple[str, Any, Capacity]]:
        """Start every replica in its place: role, engine and what it holds, in order."""
        lanes: dict[Any, list[int]] = defaultdict(list)
        for at, (_, fleet) in enumerate(replicas):
            lanes[self.seats[at].node if fleet.place.shares_a_card else at].append(at)
        loaded: dict[int, tuple[str, Any, Capacity]] = {}

        async def load(lane: list[int]) -> None:
            for at in lane:
                role, fleet = replicas[at]
                engine = self._start(role, fleet, self.seats[at])
                loaded[at] = (role, engine, await engine.capacity())

        await together(load(lane) for lane in lanes.values())
        return [loaded[at] for at in range(len(replicas))]

    def _start(self, role: str, fleet: Fleet, seat: Seat) -> Any:
        handle = (
            ray.remote(EngineActor)
            .options(
                num_cpus=fleet.place.cpus,
                num_gpus=fleet.place.actor_gpus,
                max_restarts=-1,
                max_concurrency=CALLS_AT_ONCE,
                scheduling_strategy=PlacementGroupSchedulingStrategy(
                    seat.group,
                    placement_group_bundle_index=seat.bundle,
                    placement_group_capture_child_tasks=fleet.place.nodes > 1,
                ),
                runtime_env={"env_vars": environment(fleet.device)},
            )
            .remote(fleet.spec)
        )
        self.actors.append(handle)
        return (RemotePolicy if role == "policy" else RemoteReward)(handle, self.revival_s)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.policies.close()
        if self.rewards:
            self.rewards.close()
        self.close()

    def close(self) -> None:
        """Give the engines' places back; their processes end with it."""
        for actor in self.actors:
            ray.kill(actor)
        release(self.seats)
