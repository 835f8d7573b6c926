"""A search on scripted engines: what it kept, and what it asked for."""

import asyncio
from dataclasses import dataclass

import pytest

from tts_ray.engines.scripted import ScriptedPolicy, ScriptedReward
from tts_ray.replicas import PolicyPool, RewardPool
from tts_ray.search.search import Search
from tts_ray.search.tree import Tree
from tts_ray.types import Path, Problem, Sampling

PROBLEM = Problem.of("What is 6 times 7?", "42")


@dataclass
class Outcome:
    answers: list[Path]
    tree: Tree
    policy: ScriptedPolicy
    reward: ScriptedReward

    @property
    def widths(self) -> list[int]:
        """Children asked for, call by call."""
        return [len(paths) for paths, _ in self.policy.calls]


def run_search(
    search: Search,
    policy: ScriptedPolicy | None = None,
    reward: ScriptedReward | None = None,
    problem: Problem = PROBLEM,
) -> Outcome:
    policy = policy or ScriptedPolicy()
    reward = reward or ScriptedReward()

    async def grow() -> tuple[list[Path], Tree]:
        rewards = RewardPool([reward]) if search.uses_reward else None
        tree = Tree(problem, PolicyPool([policy]), rewards, search.sampling(Sampling()), seed=0)
        return await search(tree), tree

    answers, tree = asyncio.run(grow())
    return Outcome(answers, tree, policy, reward)


@pytest.fixture
def search_with():
    return run_search
