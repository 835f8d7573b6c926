"""A session holds the loaded engines: placed as a gang, loaded once, used by many searches."""

import os
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import ray
from ray.util.placement_group import PlacementGroup, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from tts_ray.concurrency import together
from tts_ray.engines.load import Spec
from tts_ray.engines.spec import Capacity, Device, environment
from tts_ray.errors import EngineError, PlacementError
from tts_ray.evaluate import Engines
from tts_ray.replicas import PolicyPool, RewardPool
from tts_ray.runtime.actors import EngineActor, RemotePolicy, RemoteReward
from tts_ray.runtime.placement import Bundle, place

CALLS_AT_ONCE = 1000
"""Calls one actor accepts at a time; vLLM does the queueing."""


@dataclass(frozen=True)
class Fleet:
    """`replicas` copies of one engine, each with its share of a node."""

    spec: Spec
    replicas: int = 1
    cpus: float = 1
    gpus: float = 0

    @property
    def device(self) -> Device:
        return "cuda" if self.gpus else "cpu"


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
        self.group: PlacementGroup | None = None
        self.actors: list[Any] = []

    async def __aenter__(self) -> Self:
        bundles = [
            Bundle(role, fleet.cpus, fleet.gpus)
            for role, fleet in self.fleets.items()
            for _ in range(fleet.replicas)
        ]
        self.group = await place(bundles, self.placement_s)
        try:
            policies = self._start("policy", RemotePolicy, 0)
            rewards = (
                self._start("prm", RemoteReward, len(policies)) if "prm" in self.fleets else []
            )
            capacities = await together(engine.capacity() for engine in [*policies, *rewards])
        except EngineError as error:
            self.close()
            raise type(error)(f"an engine failed to load: {error}") from None
        except BaseException:
            self.close()
            raise
        self.capacity = Capacity(
            sum(capacity.sequences for capacity in capacities[: len(policies)]),
            sum(capacity.kv_tokens for capacity in capacities[: len(policies)]),
        )
        options: dict[str, Any] = {"attempts": self.attempts, "revival_s": self.revival_s}
        self.policies = PolicyPool(policies, **options)
        self.rewards = RewardPool(rewards, **options) if rewards else None
        self.engines = Engines(self.policies, self.rewards)
        return self

    def _start(self, role: str, remote: Any, first_bundle: int) -> list[Any]:
        fleet = self.fleets[role]
        actor = ray.remote(EngineActor)
        engines = []
        for replica in range(fleet.replicas):
            handle = actor.options(
                num_cpus=fleet.cpus,
                num_gpus=fleet.gpus,
                max_restarts=-1,
                max_concurrency=CALLS_AT_ONCE,
                scheduling_strategy=PlacementGroupSchedulingStrategy(
                    self.group, placement_group_bundle_index=first_bundle + replica
                ),
                runtime_env={"env_vars": environment(fleet.device)},
            ).remote(fleet.spec)
            self.actors.append(handle)
            engines.append(remote(handle, self.revival_s))
        return engines

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
        if self.group:
            remove_placement_group(self.group)
