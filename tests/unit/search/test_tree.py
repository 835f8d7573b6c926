import asyncio

import pytest

from tts_ray.engines.scripted import Faults, ScriptedPolicy, ScriptedReward
from tts_ray.errors import EngineError
from tts_ray.replicas import PolicyPool, RewardPool
from tts_ray.search.tree import SLICE, Tree, child_seed
from tts_ray.types import Path, Problem, Sampling

PROBLEM = Problem.of("1+1?", "2")


def grow(width=4, policy=None, reward=None, seed=0):
    policy, reward = policy or ScriptedPolicy(), reward or ScriptedReward()

    async def expand():
        tree = Tree(PROBLEM, PolicyPool([policy]), RewardPool([reward]), Sampling(), seed)
        return tree, await tree.expand([Path()], width=width)

    return asyncio.run(expand())


def test_children_come_in_order_scored_and_with_their_lineage():
    _, children = grow(width=4)
    assert [child.lineage for child in children] == [(0,), (1,), (2,), (3,)]
    assert all(len(child.scores) == len(child.steps) == 1 for child in children)


def test_usage_counts_every_token_that_an_engine_handled():
    tree, children = grow(width=5)
    generated = sum(len(child.token_ids) for child in children)
    assert tree.ledger.policy_usage.generated_tokens == generated
    assert tree.ledger.reward_usage.prompt_tokens == generated


def test_a_wide_expansion_is_several_calls_of_at_most_a_slice():
    policy = ScriptedPolicy()
    _, children = grow(width=SLICE * 2 + 1, policy=policy)
    assert sorted(len(paths) for paths, _ in policy.calls) == [1, SLICE, SLICE]
    assert [child.lineage[0] for child in children] == list(range(SLICE * 2 + 1))


def test_a_call_that_fails_is_repeated_and_counted_and_gives_the_same_children():
    tree, children = grow(policy=ScriptedPolicy(faults=Faults(fail=frozenset({1}))))
    assert tree.ledger.repeats == 1
    assert children == grow()[1]


def test_a_call_that_always_fails_is_raised_as_itself():
    with pytest.raises(EngineError, match="scripted failure"):
        grow(policy=ScriptedPolicy(faults=Faults(poison="1+1")))


def test_seeds_differ_between_siblings_depths_problems_and_runs():
    seeds = {
        child_seed(run, problem, lineage)
        for run in (0, 1)
        for problem in ("a", "b")
        for lineage in ((0,), (1,), (0, 0), (0, 1), (1, 0), (10,), (1, 0, 0))
    }
    assert len(seeds) == 28
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_same_seed_grows_the_same_tree_and_another_seed_another():
    assert grow(seed=3)[1] == grow(seed=3)[1]
    assert grow(seed=3)[1] != grow(seed=4)[1]
