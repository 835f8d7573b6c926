"""Which replicas fit on given nodes, and the smallest change that makes all of them fit. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence

from tts_ray.runtime.place import Asked, describe

Resources = Mapping[str, float]
TINY = 1e-6


def fitting(places: Sequence[Asked], nodes: Sequence[Resources]) -> list[Asked]:
    """Those of `places` that fit: one of each role first, large ones before small ones, each on
    the node that it leaves least of."""
    left = [dict(node) for node in nodes]
    first = {role: at for at, (role, _) in reversed([*enumerate(places)])}
    order = sorted(
        range(len(places)),
        key=lambda at: (at not in first.values(), -places[at][1].gpus, -places[at][1].cpus),
    )
    return [places[at] for at in order if seat(places[at][1].bundles, left)]


def holds(node: Resources, bundle: Resources) -> bool:
    """Whether a bundle fits on a node; parts of a card add up to a card, whatever floats say."""
    return all(node.get(name, 0) >= amount - TINY for name, amount in bundle.items())


def seat(bundles: Sequence[Resources], left: list[dict[str, float]]) -> bool:
    """Take all bundles from what is left of the nodes, or none."""
    trial = [dict(node) for node in left]
    for bundle in bundles:
        able = [n for n in trial if holds(n, bundle)]
        if not able:
            return False
        node = min(able, key=lambda n: (n.get("GPU", 0), n.get("CPU", 0)))
        for name, amount in bundle.items():
            node[name] -= amount
    left[:] = trial
    return True


def remedy(places: Sequence[Asked], nodes: Sequence[Resources]) -> str:
    """The smallest change that fits: fewer replicas if one of each role has room, and what has
    to be added to the cluster for all of them."""
    seated = fitting(places, nodes)
    missing = Counter(places) - Counter(seated)
    if not missing:
        return "All of it has room, but Ray has not placed it (is a node draining?): try again"
    more = f"Add nodes with room for {describe([*missing.elements()])}"
    asked, found = (Counter(role for role, _ in some) for some in (places, seated))
    if set(found) != set(asked):
        return more
    fewer = " and ".join(f"{found[role]} {role} replica(s)" for role in asked - found)
    return f"There is room for {fewer}: lower replicas or min_replicas. {more}"
