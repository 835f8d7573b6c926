"""The tree a search grows. `expand` is the one move: propose, extend, score.

Invariants: every path that ends is in `ended` once, kept by the search or not; every token that an
engine handled is in the usages; a child's seed depends on the run's seed, the problem, the parent's
lineage and the child's index alone, so no schedule, batch size or repeated call changes a tree.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tts_ray.concurrency import together
from tts_ray.protocols import LeasedPolicy, LeasedReward, Pool
from tts_ray.types import NO_USAGE, Path, Problem, Sampling, Usage

SLICE = 64
"""Children per engine call. A wider expansion becomes several calls, each under its own lease, so
that a single best-of-512 spreads over idle replicas."""


ROOT = Path()


def child_seed(run_seed: int, problem_id: str, lineage: Iterable[int]) -> int:
    """A seed in [0, 2**63) for the child that `lineage` names."""
    name = f"{run_seed}/{problem_id}/{'.'.join(map(str, lineage))}"
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) >> 1


@dataclass(slots=True)
class Ledger:
    """What a whole tree did, summed over its branches."""

    ended: list[Path] = field(default_factory=list)
    question_tokens: int = 0
    policy_usage: Usage = NO_USAGE
    reward_usage: Usage = NO_USAGE
    leases: list[LeasedPolicy | LeasedReward] = field(default_factory=list)

    @property
    def repeats(self) -> int:
        return sum(lease.repeats for lease in self.leases)


class Tree:
    """The search tree of one problem. `rewards` is None for a search that uses no reward model."""

    def __init__(
        self,
        problem: Problem,
        policies: Pool[LeasedPolicy],
        rewards: Pool[LeasedReward] | None,
        sampling: Sampling,
        seed: int,
        ledger: Ledger | None = None,
        root: Path = ROOT,
    ) -> None:
        self.problem = problem
        self.sampling = sampling
        self.seed = seed
        self.ledger = Ledger() if ledger is None else ledger
        self.root = root
        self._policies = policies
        self._rewards = rewards
        self._slices: list[tuple[LeasedPolicy, LeasedReward | None]] = []

    def branch(self) -> "Tree":
        """The same tree under leases of its own, for a part that is searched independently."""
        return self._part(self.root)

    def fork(self, child: int) -> "Tree":
        """The same tree for a second search from the question on. `child` is a child of the root
        that no other search has: its place in the lineage makes what grows there distinct."""
        return self._part(Path(lineage=(*self.root.lineage, child)))

    def _part(self, root: Path) -> "Tree":
        return Tree(
            self.problem,
            self._policies,
            self._rewards,
            self.sampling,
            self.seed,
            self.ledger,
            root,
        )

    async def expand(self, paths: Sequence[Path], *, width: int, whole: bool = False) -> list[Path]:
        """Sample `width` children of every path, each one step longer or, with `whole`, finished.

        Returns the len(paths) * width children, scored if there is a reward model, parent by
        parent in child order.

        Raises:
            EngineError: an engine call failed on every replica it was tried on.
        """
        births = [(path, child) for path in paths for child in range(width)]
        slices = [births[at : at + SLICE] for at in range(0, len(births), SLICE)]
        while len(self._slices) < len(slices):
            self._slices.append(self._lease())
        grown = await together(
            self._grow(births, whole, *leases)
            for births, leases in zip(slices, self._slices, strict=False)
        )
        children = [child for children in grown for child in children]
        self.ledger.ended.extend(child for child in children if not child.is_open)
        return children

    def _lease(self) -> tuple[LeasedPolicy, LeasedReward | None]:
        policy = self._policies.lease()
        self.ledger.leases.append(policy)
        if self._rewards is None:
            return policy, None
        reward = self._rewards.lease()
        self.ledger.leases.append(reward)
        return policy, reward

    async def _grow(
        self,
        births: Sequence[tuple[Path, int]],
        whole: bool,
        policy: LeasedPolicy,
        reward: LeasedReward | None,
    ) -> list[Path]:
        seeds = [
            child_seed(self.seed, self.problem.id, (*path.lineage, child)) for path, child in births
        ]
        proposals, usage = await policy.propose(
            self.problem, [path for path, _ in births], seeds, self.sampling, whole=whole
        )
        self.ledger.policy_usage += usage
        if not any(path.steps for path, _ in births):
            self.ledger.question_tokens = usage.prompt_tokens // len(births)
        children = [
            path.extend(steps, child)
            for (path, child), steps in zip(births, proposals, strict=True)
        ]
        if reward is None:
            return children
        scores, usage = await reward.score(self.problem, children)
        self.ledger.reward_usage += usage
        return [child.scored(new) for child, new in zip(children, scores, strict=True)]
