"""A policy and a PRM that serve: in Ray actors that share one card, or in this process where there
is no Ray. Either way behind the same leases, and an engine that died is loaded again."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from tts_ray.engines.load import load
from tts_ray.engines.spec import Capacity, EngineSpec
from tts_ray.evaluate import Engines
from tts_ray.replicas import PolicyPool, PolicyReplica, RewardPool, RewardReplica
from tts_ray.types import Path, Problem, Sampling, Step, Usage

SHARED_CPUS = 0.5


@dataclass(frozen=True)
class Serving:
    """Loaded engines; `capacity` is the policy's."""

    engines: Engines
    policies: PolicyPool
    capacity: Capacity


class Local(PolicyReplica, RewardReplica):
    """An engine in this process, whose core has a process of its own."""

    def __init__(self, spec: EngineSpec) -> None:
        self.spec = spec
        self.engine: Any
        self.engine, self.capacity = load(spec)

    async def propose(
        self,
        problem: Problem,
        paths: Sequence[Path],
        seeds: Sequence[int],
        sampling: Sampling,
        *,
        whole: bool = False,
    ) -> tuple[list[tuple[Step, ...]], Usage]:
        found: tuple[list[tuple[Step, ...]], Usage] = await self.engine.propose(
            problem, paths, seeds, sampling, whole=whole
        )
        return found

    async def score(
        self, problem: Problem, paths: Sequence[Path]
    ) -> tuple[list[tuple[float, ...]], Usage]:
        found: tuple[list[tuple[float, ...]], Usage] = await self.engine.score(problem, paths)
        return found

    async def ready(self) -> None:
        """Load again: the core is dead."""
        self.close()
        self.engine, self.capacity = load(self.spec)

    def close(self) -> None:
        self.engine.vllm.client.shutdown()


def has_ray() -> bool:
    """Whether Ray can be imported here."""
    return find_spec("ray") is not None


@asynccontextmanager
async def serving(specs: Mapping[str, EngineSpec], *, ray: bool) -> AsyncIterator[Serving]:
    """The engines of `specs` ("policy", and "prm" or not), loaded one after the other."""
    async with in_actors(specs) if ray else in_this_process(specs) as found:
        yield found


@asynccontextmanager
async def in_this_process(specs: Mapping[str, EngineSpec]) -> AsyncIterator[Serving]:
    loaded: dict[str, Local] = {}
    pools: list[Any] = []
    try:
        for role, spec in specs.items():
            loaded[role] = Local(spec)
        policies = PolicyPool([loaded["policy"]])
        rewards = RewardPool([loaded["prm"]]) if "prm" in loaded else None
        pools += filter(None, (policies, rewards))
        yield Serving(Engines(policies, rewards), policies, loaded["policy"].capacity)
    finally:
        for pool in pools:
            pool.close()
        for engine in loaded.values():
            engine.close()


@asynccontextmanager
async def in_actors(specs: Mapping[str, EngineSpec]) -> AsyncIterator[Serving]:
    """In a Ray that is started here; what is not a CUDA card is one by name."""
    import ray

    from tts_ray.runtime.local_ray import start_local_ray
    from tts_ray.runtime.place import Place
    from tts_ray.runtime.session import Fleet, Session

    start_local_ray({"num_gpus": 1, "log_to_driver": False, "logging_level": "ERROR"})
    try:
        place = Place(cpus=SHARED_CPUS, gpus=1 / len(specs))
        async with Session() as session:
            await session.use({role: Fleet(spec, place=place) for role, spec in specs.items()})
            engines = Engines(session.engines.policies, session.engines.rewards)
            yield Serving(engines, session.engines.policies, session.capacity)
    finally:
        ray.shutdown()
