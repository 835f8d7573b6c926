"""What one replica occupies on a cluster. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """What one replica occupies: CPUs, GPUs (a fraction shares a card), and over how many nodes."""

    cpus: float = 1
    gpus: float = 0
    nodes: int = 1

    @property
    def bundles(self) -> list[dict[str, float]]:
        if self.nodes == 1:
            return [{"CPU": self.cpus, "GPU": self.gpus} if self.gpus else {"CPU": self.cpus}]
        return [{"CPU": self.cpus, "GPU": 1}, *({"GPU": 1.0} for _ in range(int(self.gpus) - 1))]

    @property
    def actor_gpus(self) -> float:
        """GPUs of the engine's own actor: over several nodes its workers have them."""
        return self.gpus if self.nodes == 1 else 0

    @property
    def shares_a_card(self) -> bool:
        return 0 < self.gpus < 1

    def __str__(self) -> str:
        gpus = f", {self.gpus:g} GPU" if self.gpus else ""
        nodes = f" over {self.nodes} nodes" if self.nodes > 1 else ""
        return f"{self.cpus:g} CPU{gpus}{nodes}"


ONE_CPU = Place()
Asked = tuple[str, Place]
"""A replica's role, and what it occupies."""


def describe(places: Sequence[Asked]) -> str:
    """E.g. "2 x policy (1 CPU, 1 GPU), 1 x prm (1 CPU, 0.5 GPU)"."""
    return ", ".join(
        f"{count} x {role} ({place})" for (role, place), count in Counter(places).items()
    )
