"""What a record keeps of a tree: all of it, each step once."""

import asyncio
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_ray.engines.scripted import Faults, ScriptedPolicy, ScriptedReward
from tts_ray.evaluate import Engines, Trial, solve
from tts_ray.replicas import PolicyPool, RewardPool
from tts_ray.search.adaptive import Adaptive
from tts_ray.search.beam_search import BeamSearch
from tts_ray.search.best_of_n import BestOfN, Majority
from tts_ray.search.dvts import Dvts
from tts_ray.search.evidence import evidence, paths_of
from tts_ray.search.greedy import Greedy
from tts_ray.search.replay import Replay
from tts_ray.search.search import Search
from tts_ray.search.strategy import Route, Strategy
from tts_ray.types import Finish, Path, Problem, Sampling, State, Step

PROBLEM = Problem.of("1+1?", "2")
ROUTES = Strategy(2, ((4, (Route("beam_search", below=0.5), Route("best_of_n"))),))
SEARCHES = [
    *(Greedy(), Majority(n=3), BestOfN(n=70), BeamSearch(n=16), Dvts(n=16)),
    Adaptive(n=14, strategy=ROUTES),
]
FINISHES = {Finish.EOS: State.COMPLETE, Finish.LENGTH: State.CUT}


def solved(search, policy=None, reward=None):
    engines = Engines(
        PolicyPool([policy or ScriptedPolicy(5)]), RewardPool([reward or ScriptedReward()])
    )
    return asyncio.run(solve(Trial(PROBLEM, search, Sampling(), 0), engines))


@st.composite
def trees(draw):
    """The paths of a random tree by lineage: of one step or several, scored or not, some of them
    only to look ahead."""
    born = {}
    open_paths = [Path()]
    number = 0
    while open_paths and len(born) < 12:
        parent = open_paths.pop(draw(st.integers(0, len(open_paths) - 1)))
        for child in [*range(draw(st.integers(0, 3))), *draw(st.sampled_from([[], [-1]]))]:
            steps = []
            for _ in range(draw(st.integers(1, 3))):
                number += 1
                steps.append(Step(f"{number}", (number,), Finish.STEP, -1.0 * number))
            steps[-1] = replace(steps[-1], finish=draw(st.sampled_from(list(Finish))))
            path = parent.extend(tuple(steps), child)
            if draw(st.booleans()):
                path = path.scored(
                    tuple(0.01 * s.token_ids[0] for s in path.steps[len(path.scores) :])
                )
            born[path.lineage] = path
            if path.is_open:
                open_paths.append(path)
    return born


@given(trees(), st.data())
def test_every_step_is_one_node_and_the_tree_comes_back(born, data):
    ended = [path for path in born.values() if not (path.is_open or path.is_scratch)]
    kept = {path.lineage for path in ended if data.draw(st.booleans())}
    nodes, candidates = evidence(born, kept)
    back = paths_of(nodes)
    assert {key: path.steps for key, path in back.items()} == {k: p.steps for k, p in born.items()}
    assert list(back) == sorted(born)
    texts = [node.step.text for node in nodes]
    assert sorted(texts) == sorted({s.text for path in born.values() for s in path.steps})
    assert len(set(texts)) == len(texts)
    assert all(node.parent is None or node.parent < at for at, node in enumerate(nodes))
    assert evidence(back, kept) == (nodes, candidates)


@given(trees())
def test_a_node_says_what_became_of_it(born):
    nodes, candidates = evidence(born, ())
    for path in born.values():
        (at,) = (at for at, node in enumerate(nodes) if node.step is path.steps[-1])
        node, children = nodes[at], [other for other in nodes if other.parent == at]
        if path.is_scratch:
            expected = State.SCRATCH
        elif path.is_open:
            is_continued = any(child.state is not State.SCRATCH for child in children)
            expected = State.KEPT if is_continued else State.PRUNED
        else:
            expected = FINISHES[node.step.finish]
        assert node.state is expected
        is_candidate = any(candidate.leaf == at for candidate in candidates)
        assert is_candidate == (expected in FINISHES.values())


@given(trees())
def test_a_step_has_its_score_wherever_it_was_given(born):
    nodes, _ = evidence(born, ())
    scored = {s.text for path in born.values() for s in path.steps[: len(path.scores)]}
    for node in nodes:
        assert node.score == (0.01 * node.step.token_ids[0] if node.step.text in scored else None)


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.name)
def test_every_token_that_was_generated_is_in_a_node(search):
    record = solved(search)
    tokens = sum(len(node.step.token_ids) for node in record.nodes)
    assert tokens == record.policy_usage.generated_tokens
    assert all((node.score is None) != search.uses_reward for node in record.nodes)
    assert all(record.path(each.leaf).is_complete for each in record.candidates)


def test_a_beam_shows_what_it_pruned():
    record = solved(BeamSearch(n=8, m=4, depth=3))
    first = [node for node in record.nodes if node.parent is None]
    assert sorted(node.state for node in first) == [State.KEPT] * 2 + [State.PRUNED] * 6
    worst_kept = min(node.score for node in first if node.state is State.KEPT)
    assert all(node.score <= worst_kept for node in first if node.state is State.PRUNED)


def test_a_failed_search_keeps_the_nodes_it_had():
    reward = ScriptedReward(faults=Faults(fail=frozenset(range(2, 99))))
    record = solved(BeamSearch(n=8, m=4), reward=reward)
    assert record.error
    assert record.candidates == ()
    assert len(record.nodes) == 16
    assert [node.score is None for node in record.nodes].count(True) == 8


@dataclass(frozen=True, kw_only=True)
class Returns(Search):
    """Returns a path that is no answer."""

    name: ClassVar[str] = "returns"
    what: str = "open"

    async def __call__(self, tree):
        if self.what == "open":
            return await tree.expand([tree.root], 1)
        if self.what == "scratch":
            return await tree.propose([tree.root], 1, whole=True, scratch=True)
        (path,) = await tree.expand([tree.root], 1, whole=True)
        return [replace(path, lineage=(7,))]


@pytest.mark.parametrize("what", ["open", "scratch", "foreign"])
def test_what_cannot_be_an_answer_is_never_one(what):
    with pytest.raises(ValueError, match="of its answers is not complete"):
        solved(Returns(what=what))


def test_a_replay_is_what_its_search_would_have_left_with_the_other_reward_model():
    other = {"reward": ScriptedReward(judge=lambda question, text: len(text) / 1000)}
    stored = solved(Majority(n=70))
    replayed = solved(Replay(n=70, of=BestOfN(n=70), record=stored), **other)
    assert stored.nodes[0].score is None
    fresh = solved(BestOfN(n=70), **other)
    assert replace(replayed, seconds=0.0) == replace(fresh, seconds=0.0)
    assert replayed.seconds > stored.seconds


def test_a_replay_that_fails_says_so_and_keeps_what_was_sampled():
    stored = solved(BestOfN(n=3))
    broken = ScriptedReward(faults=Faults(poison="1+1"))
    failed = solved(Replay(n=3, of=BestOfN(n=3), record=stored), reward=broken)
    assert "scripted failure" in failed.error
    assert failed.policy_usage == stored.policy_usage
    assert [node.step for node in failed.nodes] == [node.step for node in stored.nodes]
    assert all(node.score is None for node in failed.nodes)
