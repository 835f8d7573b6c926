"""The tree a search grows. It has two primitives, `propose` and `score`; `expand` is their sum.

Invariants: every step that was sampled is in `born`, kept by the search or not; every token that an
engine handled is in the usages; a child's seed depends on the run's seed, the problem, the parent's
lineage and the child's number alone, so no schedule, batch size or repeated call changes a tree.
"""

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import TypeVar

from tts_ray.concurrency import together
from tts_ray.protocols import LeasedPolicy, LeasedReward, Pool
from tts_ray.search.evidence import Lineage, paths_of
from tts_ray.types import NO_USAGE, Path, Problem, Record, Sampling, Usage

Birth = tuple[Path, int]
"""A path and the number of the child that it is to get."""
SLICE = 64
"""Children per engine call. A wider expansion becomes several calls, each under its own lease, so
that a single best-of-512 spreads over idle replicas."""
T = TypeVar("T", Birth, Path)

Tell = Callable[[float, float], None]
"""Told of policy calls that ended: the tokens of their sequences, and how many those would be if
every sequence were as long as the longest of its call, which it is kept waiting for."""


def tell_nobody(generated: float, kept_waiting: float) -> None:
    """For who does not ask."""


ROOT = Path()


@dataclass(frozen=True, slots=True)
class Leases:
    """A replica of each engine, held for one slice."""

    policy: LeasedPolicy
    reward: LeasedReward | None


def child_seed(run_seed: int, problem_id: str, lineage: Iterable[int]) -> int:
    """A seed in [0, 2**63) for the child that `lineage` names."""
    name = f"{run_seed}/{problem_id}/{'.'.join(map(str, lineage))}"
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) >> 1


def lineage_of(item: Birth | Path) -> Lineage:
    """Of a path, or of the parent in a birth."""
    return item.lineage if isinstance(item, Path) else item[0].lineage


@dataclass(slots=True)
class Ledger:
    """What a whole tree did, summed over its branches. `born` are its paths by lineage; `children`
    and `scratch` count the children that each path was given, by its lineage. `tell` is told of its
    policy calls as they end."""

    tell: Tell = tell_nobody
    born: dict[Lineage, Path] = field(default_factory=dict)
    children: dict[Lineage, int] = field(default_factory=dict)
    scratch: dict[Lineage, int] = field(default_factory=dict)
    question_tokens: int = 0
    policy_usage: Usage = NO_USAGE
    reward_usage: Usage = NO_USAGE
    leases: list[LeasedPolicy | LeasedReward] = field(default_factory=list)
    earlier_repeats: int = 0
    seconds: float = 0.0
    """Spent on this tree before it was replayed; 0 for a new one."""

    @property
    def repeats(self) -> int:
        return self.earlier_repeats + sum(lease.repeats for lease in self.leases)

    def births(self, path: Path, width: int, *, scratch: bool) -> Iterable[Birth]:
        """The next `width` children of a path: numbered on, or downwards from -1."""
        counts = self.scratch if scratch else self.children
        before = counts.get(path.lineage, 0)
        counts[path.lineage] = before + width
        numbers = range(before, before + width)
        return ((path, -1 - number if scratch else number) for number in numbers)


class Tree:
    """The search tree of one problem. `rewards` is None for a search that uses no reward model."""

    root = ROOT

    def __init__(
        self,
        problem: Problem,
        policies: Pool[LeasedPolicy],
        rewards: Pool[LeasedReward] | None,
        sampling: Sampling,
        seed: int,
        ledger: Ledger | None = None,
    ) -> None:
        self.problem = problem
        self.sampling = sampling
        self.seed = seed
        self.ledger = Ledger() if ledger is None else ledger
        self._policies = policies
        self._rewards = rewards
        self._slices: list[Leases] = []
        self._homes: dict[Lineage, int] = {}

    def branch(self) -> "Tree":
        """The same tree under leases of its own, for a part that is searched independently."""
        return Tree(
            self.problem, self._policies, self._rewards, self.sampling, self.seed, self.ledger
        )

    def plant(self, record: Record) -> None:
        """Put a stored tree into this empty one: what the policy did, but no scores."""
        ledger = self.ledger
        ledger.born = {
            lineage: replace(path, scores=()) for lineage, path in paths_of(record.nodes).items()
        }
        ledger.question_tokens, ledger.policy_usage = record.question_tokens, record.policy_usage
        ledger.earlier_repeats, ledger.seconds = record.repeats, record.seconds

    @property
    def ended(self) -> list[Path]:
        """The paths that ended, but for scratch ones, in lineage order."""
        found = sorted(self.ledger.born.items())
        return [path for _, path in found if not (path.is_open or path.is_scratch)]

    async def propose(
        self,
        paths: Sequence[Path],
        width: int | Sequence[int] = 1,
        *,
        whole: bool = False,
        sampling: Sampling | None = None,
        scratch: bool = False,
    ) -> list[Path]:
        """Sample children of open paths, each one step longer or, with `whole`, finished.

        A path that has children already gets further ones, which differ from them.

        Args:
            width: how many children; one number for each path, or one for all of them.
            sampling: how, if not as the whole search does.
            scratch: whether they, and what grows from them, only serve to look ahead: they are
                counted and stored, and never an answer.

        Returns:
            The children, unscored, parent by parent in the order of their numbers.

        Raises:
            EngineError: an engine call failed on every replica it was tried on.
            ValueError: a path has ended, or there are not as many widths as paths.
        """
        births = self._births(paths, width, scratch)

        async def grow(part: Sequence[Birth], leases: Leases) -> list[Path]:
            return await self._propose(part, leases.policy, sampling or self.sampling, whole)

        return await self._in_slices(births, grow)

    async def score(self, paths: Sequence[Path]) -> list[Path]:
        """The paths with a score for each of their steps.

        Raises:
            EngineError: an engine call failed on every replica it was tried on.
            ValueError: the search says that it uses no reward model.
        """

        async def judge(part: Sequence[Path], leases: Leases) -> list[Path]:
            return await self._score(part, leases.reward)

        return await self._in_slices(paths, judge)

    async def expand(
        self, paths: Sequence[Path], width: int | Sequence[int], *, whole: bool = False
    ) -> list[Path]:
        """`propose`, and then `score` if there is a reward model. No slice waits for another, so
        both engines are busy. Arguments, result and errors are those of `propose`."""
        births = self._births(paths, width, scratch=False)

        async def grow(part: Sequence[Birth], leases: Leases) -> list[Path]:
            children = await self._propose(part, leases.policy, self.sampling, whole)
            return await self._score(children, leases.reward) if leases.reward else children

        return await self._in_slices(births, grow)

    def _births(
        self, paths: Sequence[Path], width: int | Sequence[int], scratch: bool
    ) -> list[Birth]:
        if ended := [path.lineage for path in paths if not path.is_open]:
            raise ValueError(f"paths that have ended cannot be continued: {ended[:3]}")
        widths = repeat(width, len(paths)) if isinstance(width, int) else width
        return [
            birth
            for path, count in zip(paths, widths, strict=True)
            for birth in self.ledger.births(path, count, scratch=scratch)
        ]

    async def _in_slices(
        self, items: Sequence[T], work: Callable[[Sequence[T], Leases], Awaitable[list[Path]]]
    ) -> list[Path]:
        """Do `work` on slices of the items, each under leases of its own; the results in order.
        What grew under a lease goes on under it as far as the slices allow: its prefix is cached
        there."""
        if len(items) <= SLICE and len(self._slices) <= 1:
            self._slices = self._slices or [self._lease()]
            return await work(items, self._slices[0]) if items else []
        homes = [self._homes.get(lineage_of(item), 0) for item in items]
        order = sorted(range(len(items)), key=homes.__getitem__)
        slices = [order[at : at + SLICE] for at in range(0, len(order), SLICE)]
        free = list(range(max(len(slices), len(self._slices))))
        self._slices += [self._lease() for _ in free[len(self._slices) :]]
        found: dict[int, Path] = {}

        async def do(part: Sequence[int], lease: int) -> None:
            paths = await work([items[at] for at in part], self._slices[lease])
            found.update(zip(part, paths, strict=True))
            self._homes.update((path.lineage, lease) for path in paths)

        def take(part: Sequence[int]) -> int:
            home = homes[part[len(part) // 2]]
            return free.pop(free.index(home) if home in free else 0)

        await together(do(part, take(part)) for part in slices)
        return [found[at] for at in range(len(items))]

    def _lease(self) -> Leases:
        reward = None if self._rewards is None else self._rewards.lease()
        leases = Leases(self._policies.lease(), reward)
        self.ledger.leases += filter(None, (leases.policy, leases.reward))
        return leases

    async def _propose(
        self, births: Sequence[Birth], policy: LeasedPolicy, sampling: Sampling, whole: bool
    ) -> list[Path]:
        seeds = [
            child_seed(self.seed, self.problem.id, (*path.lineage, child)) for path, child in births
        ]
        paths = [path for path, _ in births]
        proposals, usage = await policy.propose(self.problem, paths, seeds, sampling, whole=whole)
        self.ledger.policy_usage += usage
        lengths = [sum(len(step.token_ids) for step in steps) for steps in proposals]
        self.ledger.tell(sum(lengths), len(lengths) * max(lengths))
        if not any(path.steps for path in paths):
            self.ledger.question_tokens = usage.prompt_tokens // len(births)
        children = [
            path.extend(steps, child)
            for (path, child), steps in zip(births, proposals, strict=True)
        ]
        self.ledger.born |= {child.lineage: child for child in children}
        return children

    async def _score(self, paths: Sequence[Path], reward: LeasedReward | None) -> list[Path]:
        if reward is None:
            raise ValueError("a search with uses_reward=False cannot score paths")
        scores, usage = await reward.score(self.problem, paths)
        self.ledger.reward_usage += usage
        scored = [path.scored(new) for path, new in zip(paths, scores, strict=True)]
        self.ledger.born |= {path.lineage: path for path in scored}
        return scored
