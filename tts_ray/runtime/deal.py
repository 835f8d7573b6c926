"""How many searchers a job has, and which replicas each of them drives. Pure."""

from collections.abc import Mapping
from math import ceil
from typing import TypeVar

T = TypeVar("T")

REPLICAS = 16
"""Policy replicas that one process drives: it makes about 1,000 engine calls a second, and DVTS
with 64 leaves wants about 40 for each replica."""


def searchers_for(asked: int | None, replicas: Mapping[str, int], begin: Mapping[str, int]) -> int:
    """How many searchers share the replicas of each role; 0 leaves the searches to the driver.

    Args:
        asked: so many; None is none for up to `REPLICAS` policy replicas, and one for so many.
        replicas: of each role, in all.
        begin: those that are there to begin with. Every pod has one of each role, so there are no
            more pods. A pod of one PRM replica loses nothing by it: it has few calls to make.
    """
    lead = replicas.get("policy") or max(replicas.values())
    needed = ceil(lead / REPLICAS) if lead > REPLICAS else 0
    return min(needed if asked is None else asked, *begin.values())


def deal(nodes: Mapping[str, Mapping[T, str]], count: int) -> list[dict[str, list[T]]]:
    """Deal replicas out to `count` pods of even size, those of one node together where possible.

    Args:
        nodes: of each role its replicas, and where they lie.
    """
    pods: list[dict[str, list[T]]] = [{} for _ in range(count)]
    homes: list[set[str]] = [set() for _ in range(count)]
    for role, places in nodes.items():
        left = sorted(places, key=places.__getitem__)
        sizes = [len(left) // count + (at < len(left) % count) for at in range(count)]
        for pod, home, size in zip(pods, homes, sizes, strict=True):
            pod[role] = [each for each in left if places[each] in home][:size]
            left = [each for each in left if each not in pod[role]]
        for pod, home, size in zip(pods, homes, sizes, strict=True):
            more = size - len(pod[role])
            pod[role] += left[:more]
            left = left[more:]
            home |= {places[each] for each in pod[role]}
    return pods
