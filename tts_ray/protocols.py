"""The two engines a search needs, and where it gets them from. Everything else is a detail.

Both engines accept many concurrent calls and keep no state between them, so any call can be made
again on another replica and, being seeded, gives the same tokens.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from tts_ray.types import Path, Problem, Sampling, Step, Usage

Leased = TypeVar("Leased", covariant=True)


class Policy(Protocol):
    """A language model that writes solutions step by step."""

    async def propose(
        self,
        problem: Problem,
        paths: Sequence[Path],
        seeds: Sequence[int],
        sampling: Sampling,
        *,
        whole: bool = False,
    ) -> tuple[list[tuple[Step, ...]], Usage]:
        """Continue `paths[i]` with `seeds[i]`: one step each, or with `whole` all steps to the end.

        A path may occur several times, with another seed each time. A continuation that would
        start beyond the model's context or `sampling.max_tokens` is one empty LENGTH step.

        Raises:
            EngineError: the call failed and may be repeated.
        """
        ...


class RewardModel(Protocol):
    """A model that judges steps: a process reward model (PRM)."""

    async def score(
        self, problem: Problem, paths: Sequence[Path]
    ) -> tuple[list[tuple[float, ...]], Usage]:
        """Score each path's steps beyond `path.scores`, in [0, 1], higher is better.

        A blank step scores as the step before it, which the model sees as the same text. A step
        is UNSCORED (nan) if nothing readable precedes it or it does not fit the model's context.

        Raises:
            EngineError: the call failed and may be repeated.
        """
        ...


class LeasedPolicy(Policy, Protocol):
    """A policy held under a claim on one replica, which moves only when it must."""

    repeats: int
    """How many calls had to be made again."""


class LeasedReward(RewardModel, Protocol):
    """A reward model held under a claim on one replica, which moves only when it must."""

    repeats: int
    """How many calls had to be made again."""


class Pool(Protocol[Leased]):
    """Replicas of one engine."""

    def lease(self) -> Leased: ...
