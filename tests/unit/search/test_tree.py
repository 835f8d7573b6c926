import asyncio
from dataclasses import fields, replace

import pytest

from tts_ray.engines.scripted import Faults, ScriptedPolicy, ScriptedReward
from tts_ray.errors import EngineError
from tts_ray.replicas import PolicyPool, RewardPool
from tts_ray.search.tree import SLICE, Tree, child_seed
from tts_ray.types import Path, Problem, Sampling, Usage

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


def test_usages_are_added_field_by_field():
    names = [each.name for each in fields(Usage)]
    one, ten = (Usage(*(by * at for at, _ in enumerate(names, start=1))) for by in (1, 10))
    assert [getattr(one + ten, name) for name in names] == [
        11 * at for at, _ in enumerate(names, start=1)
    ]


def test_a_wide_expansion_is_several_calls_of_at_most_a_slice():
    policy = ScriptedPolicy()
    _, children = grow(width=SLICE * 2 + 1, policy=policy)
    assert sorted(len(paths) for paths, _ in policy.calls) == [1, SLICE, SLICE]
    assert [child.lineage[0] for child in children] == list(range(SLICE * 2 + 1))


def test_what_grew_on_a_replica_goes_on_there_whatever_the_order_of_the_beam():
    class Recording(ScriptedPolicy):
        async def propose(self, problem, paths, *args, **kwargs):
            await asyncio.sleep(0)
            return await super().propose(problem, paths, *args, **kwargs)

    async def go():
        engines = [Recording(depth=9), Recording(depth=9)]
        tree = Tree(PROBLEM, PolicyPool(engines), RewardPool([ScriptedReward()]), Sampling(), 0)
        first = await tree.expand([tree.root], width=2 * SLICE)
        mixed = [path for pair in zip(first[SLICE:], first[:SLICE], strict=True) for path in pair]
        second = await tree.expand(mixed, width=1)
        assert [path.lineage[:1] for path in second] == [path.lineage for path in mixed]
        return [
            {path.lineage[0] // SLICE for paths, _ in engine.calls[1:] for path in paths}
            for engine in engines
        ]

    assert asyncio.run(go()) == [{0}, {1}]


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


def explore(search, policy=None, reward=None):
    """A tree after `search` was run on it, and what that returned."""
    tree = Tree(
        PROBLEM,
        PolicyPool([policy or ScriptedPolicy()]),
        RewardPool([reward or ScriptedReward()]),
        Sampling(),
        0,
    )
    return tree, asyncio.run(search(tree))


def test_expanding_is_proposing_and_scoring():
    async def in_two(tree):
        return await tree.score(await tree.propose([tree.root], 70))

    async def in_one(tree):
        return await tree.expand([tree.root], width=70)

    (two, apart), (one, together) = explore(in_two), explore(in_one)
    assert apart == together
    assert two.ledger.born == one.ledger.born
    assert two.ledger.reward_usage == one.ledger.reward_usage


def test_a_path_that_is_expanded_again_gets_further_children():
    async def again(tree):
        (first,) = await tree.expand([tree.root], width=1)
        return [
            *await tree.expand([first], width=2),
            *await tree.expand([first, first], width=1),
        ]

    async def once(tree):
        (first,) = await tree.expand([tree.root], width=1)
        return await tree.expand([first], width=4)

    assert explore(again)[1] == explore(once)[1]
    assert len({path.text for path in explore(once)[1]}) > 1


def test_branches_of_a_tree_share_its_numbers():
    async def apart(tree):
        return [
            *await tree.branch().expand([tree.root], width=2),
            *await tree.branch().expand([tree.root], width=2),
        ]

    assert [path.lineage for path in explore(apart)[1]] == [(0,), (1,), (2,), (3,)]


def test_every_path_can_have_a_width_of_its_own():
    async def widths(tree):
        first = await tree.expand([tree.root], width=3)
        return await tree.expand(first, width=[2, 0, 1])

    assert [path.lineage for path in explore(widths)[1]] == [(0, 0), (0, 1), (2, 0)]


@pytest.mark.parametrize("widths", [[1], [1, 1, 1]])
def test_widths_for_other_than_the_paths_are_refused(widths):
    async def wrong(tree):
        first = await tree.expand([tree.root], width=2)
        await tree.expand(first, width=widths)

    with pytest.raises(ValueError, match="zip"):
        explore(wrong)


def test_a_path_that_has_ended_is_not_continued():
    async def wrong(tree):
        ended = await tree.expand([tree.root], width=2, whole=True)
        await tree.propose(ended)

    with pytest.raises(ValueError, match=r"paths that have ended cannot be continued: \[\(0,\)"):
        explore(wrong)


def test_a_search_without_a_reward_model_proposes_and_cannot_score():
    async def search(tree):
        return await tree.expand([tree.root], width=2)

    tree = Tree(PROBLEM, PolicyPool([ScriptedPolicy()]), None, Sampling(), 0)
    paths = asyncio.run(search(tree))
    assert [path.scores for path in paths] == [(), ()]
    with pytest.raises(ValueError, match="uses_reward=False"):
        asyncio.run(tree.score(paths))


def test_looking_ahead_is_counted_and_changes_no_other_child():
    async def ahead(tree):
        first = await tree.expand([tree.root], width=2)
        greedy = replace(tree.sampling, temperature=0.0)
        seen = await tree.propose(first, whole=True, sampling=greedy, scratch=True)
        await tree.score(seen)
        return await tree.expand(first, width=2)

    async def without(tree):
        return await tree.expand(await tree.expand([tree.root], width=2), width=2)

    (tree, with_it), (plain, without_it) = explore(ahead), explore(without)
    assert with_it == without_it
    scratch = [path for path in tree.ledger.born.values() if path.is_scratch]
    assert [path.lineage for path in scratch] == [(0, -1), (1, -1)]
    assert all(path.is_complete and len(path.scores) == len(path.steps) for path in scratch)
    assert tree.ended == []
    spent = sum(len(step.token_ids) for path in scratch for step in path.steps[1:])
    used = tree.ledger.policy_usage.generated_tokens - plain.ledger.policy_usage.generated_tokens
    assert used == spent


def test_another_sampling_is_handed_to_the_policy():
    async def both(tree):
        greedy = replace(tree.sampling, temperature=0.0)
        return (
            await tree.propose([tree.root], 3, sampling=greedy),
            await tree.propose([tree.root], 3),
        )

    _, (same, other) = explore(both)
    assert len({path.text for path in same}) == 1
    assert len({path.text for path in other}) > 1
