"""Gang placement: all replicas get their CPUs and GPUs together, by a deadline, or none does."""

import asyncio
from dataclasses import dataclass

import ray
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group

from tts_ray.errors import PlacementError


@dataclass(frozen=True)
class Bundle:
    """What one replica occupies. `gpus` may be a fraction: engines then share a card."""

    role: str
    cpus: float
    gpus: float

    @property
    def resources(self) -> dict[str, float]:
        return {"CPU": self.cpus, "GPU": self.gpus} if self.gpus else {"CPU": self.cpus}


async def place(bundles: list[Bundle], deadline_s: float) -> PlacementGroup:
    """Reserve all bundles, near each other if possible.

    Raises:
        PlacementError: they do not fit, or did not become free within `deadline_s` seconds.
    """
    refuse_what_never_fits(bundles)
    group = placement_group([bundle.resources for bundle in bundles], strategy="PACK")
    if await asyncio.to_thread(group.wait, deadline_s):
        return group
    remove_placement_group(group)
    raise PlacementError(
        f"no room for {describe(bundles)} within {deadline_s:g} s; {cluster()}. "
        f"Ask for fewer replicas or smaller shares, add nodes, or raise cluster.placement_s"
    )


def refuse_what_never_fits(bundles: list[Bundle]) -> None:
    """Refuse at once what even the whole, idle cluster could not hold."""
    total = ray.cluster_resources()
    for name in ("CPU", "GPU"):
        asked = sum(bundle.resources.get(name, 0) for bundle in bundles)
        if asked > total.get(name, 0):
            raise PlacementError(
                f"{describe(bundles)} need {asked:g} {name}, but {cluster()}. "
                f"Ask for fewer replicas or smaller shares, or add nodes"
            )


def describe(bundles: list[Bundle]) -> str:
    """E.g. "2 x policy (1 CPU, 1 GPU), 1 x prm (1 CPU, 0.5 GPU)"."""
    kinds = dict.fromkeys(bundles)
    return ", ".join(
        f"{bundles.count(kind)} x {kind.role} "
        f"({', '.join(f'{amount:g} {name}' for name, amount in kind.resources.items())})"
        for kind in kinds
    )


def cluster() -> str:
    """What the cluster has and what of it is free, in words."""
    total, free = ray.cluster_resources(), ray.available_resources()
    parts = [f"{free.get(name, 0):g} of {total.get(name, 0):g} {name}" for name in ("CPU", "GPU")]
    return f"the cluster has {' and '.join(parts)} free on {len(ray.nodes())} node(s)"
