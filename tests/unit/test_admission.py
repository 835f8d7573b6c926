import asyncio

import pytest

from tests.unit.builders import record, solution
from tts_ray.admission import FIRST_GUESS, OVERLAP, Admission, held_tokens
from tts_ray.search.beam_search import BeamSearch
from tts_ray.search.best_of_n import BestOfN
from tts_ray.search.evidence import evidence
from tts_ray.types import Finish, Path, Problem, Step

PROBLEM = Problem.of("1+1?", "2")


def step(tokens, finish=Finish.STEP):
    return Step("x", (1,) * tokens, finish, 0.0)


def grown(*paths, search):
    """A record of paths, each given by its lineage and its steps' tokens."""
    born = {}
    for lineage, lengths in paths:
        steps = tuple(
            step(tokens, Finish.STEP if at < len(lengths) else Finish.EOS)
            for at, tokens in enumerate(lengths, start=1)
        )
        for depth in range(1, len(lineage) + 1):
            known = steps if depth == len(lineage) else steps[:depth]
            born[lineage[:depth]] = Path(known, (), lineage[:depth])
    nodes, candidates = evidence(born, set())
    made = record(PROBLEM, solution(), search=search.id)
    return type(made)(
        **{name: getattr(made, name) for name in made.__slots__}
        | {"nodes": nodes, "candidates": candidates}
    )


def test_before_anything_has_ended_every_sequence_counts_in_full():
    assert Admission(64, 1 << 30).room == 64 * OVERLAP


def test_sequences_that_wait_for_the_longest_of_their_call_make_room():
    admission = Admission(64, 1 << 30)
    admission.learn_call(100, 400)
    assert admission.running_share == 0.25
    assert admission.room == 4 * 64 * OVERLAP


def test_longer_calls_count_for_more():
    admission = Admission(64, 1 << 30)
    admission.learn_call(2, 2)
    admission.learn_call(1000, 2000)
    assert admission.running_share == pytest.approx(0.5, abs=0.01)


def test_calls_are_forgotten_as_others_end():
    admission = Admission(64, 1 << 30)
    admission.learn_call(1000, 4000)
    for _ in range(20_000):
        admission.learn_call(20, 20)
    assert admission.running_share == pytest.approx(1.0, abs=0.01)


def test_a_call_that_generated_nothing_changes_nothing():
    admission = Admission(64, 1 << 30)
    admission.learn_call(0, 0)
    assert admission.running_share == 1.0


def test_the_kv_cache_limits_trees_whatever_their_calls_are():
    admission = Admission(64, FIRST_GUESS * 10)
    admission.learn_call(100, 400)
    assert admission.room == 10 * OVERLAP


def test_what_finished_trees_held_replaces_the_guess():
    admission = Admission(1 << 20, 1000)
    admission.learn(grown(((0,), [10]), ((1,), [30]), search=BestOfN(n=2)))
    assert admission.held_tokens == 20
    assert admission.room == 1000 * OVERLAP // 20


def test_a_tree_that_failed_tells_nothing_of_what_trees_hold():
    admission = Admission(64, 1 << 20)
    admission.learn(record(PROBLEM, error="gone"))
    assert admission.held_tokens == FIRST_GUESS


def test_a_step_that_paths_share_is_held_once():
    shared = grown(((0, 0), [50, 10]), ((0, 1), [50, 20]), search=BeamSearch(n=4))
    # depth 1: 50; depth 2: 50 + 10 + 20
    assert held_tokens(shared) == (50 + 80) / 2


def test_a_pruned_step_is_held_at_its_own_depth_alone():
    pruned = grown(((0, 0), [50, 10]), ((1,), [40]), search=BeamSearch(n=4))
    # depth 1: 50 + 40; depth 2: 50 + 10
    assert held_tokens(pruned) == (90 + 60) / 2


def test_a_call_that_ends_lets_a_waiting_tree_in():
    async def go():
        admission = Admission(4, 1 << 30)
        await admission.enter(4 * OVERLAP)
        waiting = asyncio.create_task(admission.enter(1))
        await asyncio.sleep(0)
        assert not waiting.done()
        admission.learn_call(10, 20)
        await asyncio.wait_for(waiting, 10)
        return admission.inside

    assert asyncio.run(go()) == 4 * OVERLAP + 1
