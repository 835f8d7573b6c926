"""Gang placement: every replica gets its CPUs and GPUs by a deadline, or none keeps any.

A replica inside a node is one bundle, which Ray never splits, and all of those are one placement
group. A replica over several nodes is a group of its own with a bundle for each GPU, as vLLM's Ray
executor asks of the group it is in.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import ray
from ray._private.state import available_resources_per_node
from ray.util.placement_group import (
    PlacementGroup,
    placement_group,
    placement_group_table,
    remove_placement_group,
)

from tts_ray.errors import PlacementError
from tts_ray.runtime.fit import TINY, holds, remedy
from tts_ray.runtime.place import Asked, describe
from tts_ray.runtime.plan import Cards


@dataclass(frozen=True)
class Seat:
    """Where a replica was placed: the first of its bundles."""

    group: PlacementGroup
    bundle: int

    @property
    def node(self) -> str:
        """The id of the bundle's node."""
        return str(placement_group_table(self.group)["bundles_to_node_id"][self.bundle])


async def reserve(places: list[Asked], deadline_s: float) -> list[Seat]:
    """A seat for every (role, place), in their order.

    Raises:
        PlacementError: they do not fit, or did not become free within `deadline_s` seconds.
    """
    refuse_what_never_fits(places)
    seats = request(places)
    ends = time.monotonic() + deadline_s
    try:
        for group in groups_of(seats):
            await asyncio.to_thread(group.wait, max(0.0, ends - time.monotonic()))
    except BaseException:
        release(seats)
        raise
    waiting = [
        place for place, seat in zip(places, seats, strict=True) if not is_placed(seat.group)
    ]
    if not waiting:
        return seats
    message = (
        f"no room for {describe(waiting)} within {deadline_s:g} s; {cluster()}, "
        f"{pending(groups_of(seats))}. {remedy(places, free_resources(seats))}, "
        f"or raise cluster.placement_s"
    )
    release(seats)
    raise PlacementError(message)


def request(places: list[Asked]) -> list[Seat]:
    """Ask for all places at once, the largest first, and for those inside a node as one group:
    Ray places a group's bundles together, so that a small one does not split what a large one
    needs, and shares of one card come to lie on it."""
    seats: dict[int, Seat] = {}
    inside = [at for at, (_, place) in enumerate(places) if place.nodes == 1]
    for at, (_, place) in enumerate(places):
        if place.nodes > 1:
            seats[at] = Seat(placement_group(place.bundles, strategy="PACK"), 0)
    if inside:
        group = placement_group([places[at][1].bundles[0] for at in inside], strategy="PACK")
        seats |= {at: Seat(group, bundle) for bundle, at in enumerate(inside)}
    return [seats[at] for at in range(len(places))]


def groups_of(seats: Sequence[Seat]) -> list[PlacementGroup]:
    """The groups of the seats, each once."""
    return list({seat.group.id: seat.group for seat in seats}.values())


def nodes_of(seats: Sequence[Seat]) -> dict[Seat, str]:
    """The ids of the nodes that seats are on; Ray is asked once for each group."""
    tables = {group.id: placement_group_table(group) for group in groups_of(seats)}
    return {seat: str(tables[seat.group.id]["bundles_to_node_id"][seat.bundle]) for seat in seats}


def is_placed(group: PlacementGroup) -> bool:
    """Whether all of a group's bundles are reserved."""
    return bool(placement_group_table(group)["state"] == "CREATED")


def release(seats: list[Seat]) -> None:
    """Give places back, and end what runs in them."""
    for group in groups_of(seats):
        remove_placement_group(group)


def refuse_what_never_fits(places: list[Asked]) -> None:
    """Refuse at once what even the whole, idle cluster could not hold."""
    total, nodes = ray.cluster_resources(), node_resources()
    for name in ("CPU", "GPU"):
        asked = sum(bundle.get(name, 0) for _, place in places for bundle in place.bundles)
        if asked > total.get(name, 0) + TINY:
            raise PlacementError(
                f"{describe(places)} need {asked:g} {name}, but {cluster()}. "
                f"{remedy(places, nodes)}"
            )
    for role, place in places:
        for bundle in place.bundles:
            if not any(holds(node, bundle) for node in nodes):
                raise PlacementError(
                    f"{role} ({place}) fits on no single node; {cluster()}. "
                    f"Lower {role}.gpus or {role}.cpus"
                )


def node_resources() -> list[dict[str, float]]:
    """What each living node has."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def free_resources(seats: Sequence[Seat] = ()) -> list[dict[str, float]]:
    """What is free of each living node, with what those of `seats` hold that are placed."""
    nodes = {key: dict(free) for key, free in available_resources_per_node().items()}
    for group in groups_of(seats):
        table = placement_group_table(group)
        for at, key in table["bundles_to_node_id"].items():
            node = nodes.get(key, {})
            for name, amount in table["bundles"][at].items():
                node[name] = node.get(name, 0) + amount
    return [*nodes.values()]


def pending(mine: list[PlacementGroup]) -> str:
    """What other placement groups wait for, in words."""
    own = {group.id.hex() for group in mine}
    groups = [
        group
        for key, group in placement_group_table().items()
        if group["state"] in ("PENDING", "RESCHEDULING") and key not in own
    ]
    if not groups:
        return "nothing else is waiting for room"
    asked: Counter[str] = Counter()
    for group in groups:
        for bundle in group["bundles"].values():
            asked.update({name: bundle.get(name, 0) for name in ("CPU", "GPU")})
    return f"{len(groups)} other request(s) wait for {asked['CPU']:g} CPU, {asked['GPU']:g} GPU"


def cluster() -> str:
    """What the cluster has and what of it is free, in words."""
    total, free = ray.cluster_resources(), ray.available_resources()
    parts = [f"{free.get(name, 0):g} of {total.get(name, 0):g} {name}" for name in ("CPU", "GPU")]
    return f"the cluster has {' and '.join(parts)} free on {len(node_resources())} node(s)"


def cards(gib: float) -> Cards:
    """The cluster's GPUs, each of `gib` GiB."""
    counts = [node.get("GPU", 0) for node in node_resources()]
    return Cards(total=sum(counts), node=int(max(counts, default=0)), gib=gib)
