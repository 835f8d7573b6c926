"""What analysis keeps of a record, the same whether it is counted at once or read from disk."""

import random

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.builders import RIGHT, WRONG, candidate, failed, outcome, record
from tts_ray.analysis.outcomes import Outcome
from tts_ray.flops import Work
from tts_ray.grading.selection import AGGREGATIONS, aggregate, right_groups
from tts_ray.results.schema import SCHEMA, to_row
from tts_ray.search.best_of_n import Majority
from tts_ray.types import NO_USAGE, Ungraded, Usage

SCORES = st.lists(st.sampled_from([0.125, 0.25, 0.5, 0.75]), min_size=1, max_size=3)
CANDIDATES = st.lists(
    st.builds(
        candidate,
        st.sampled_from(["1", "2", None]),
        group=st.integers(0, 2),
        correct=st.booleans(),
        scores=SCORES,
        kept=st.booleans(),
        ungraded=st.sampled_from([None, *Ungraded]),
    ),
    max_size=6,
)


def from_disk(each):
    return Outcome.from_row(pa.Table.from_pylist([to_row(each)], SCHEMA).to_pylist()[0])


@given(
    CANDIDATES,
    st.sampled_from([None, 1, 5]),
    st.sampled_from([None, "EngineDied: gone"]),
    st.integers(0, 99),
)
def test_an_outcome_is_the_same_from_the_record_and_from_its_row(candidates, level, error, number):
    each = record(
        "q",
        *candidates,
        level=level,
        error=error,
        generated=number,
        judged=2 * number,
        repeats=number % 3,
        seconds=number / 4,
        question_tokens=number + 1,
    )
    assert from_disk(each) == Outcome.of(each)


def test_everything_that_analysis_asks_for_is_taken_over():
    each = record("q", RIGHT, level=3, generated=9, judged=20, repeats=2, seconds=0.25)
    found = Outcome.of(each)
    assert found.problem_id == each.problem.id
    assert (found.level, found.search, found.error) == (3, each.search, None)
    assert (found.repeats, found.seconds, found.question_tokens) == (2, 0.25, 4)
    assert found.policy_usage.generated_tokens == 9
    assert found.reward_usage.computed_tokens == 20
    assert found.work == Work.of(each.policy_usage, each.reward_usage, 4)


def test_a_candidate_that_was_not_kept_has_no_voice_and_keeps_its_place():
    dropped = candidate("2", group=1, correct=False, scores=(0.9,), kept=False)
    found = outcome("q", dropped, RIGHT)
    assert list(found.pool.groups) == [None, 0]
    assert list(found.pool.correct) == [False, True]
    assert {name: found.right(name) for name in AGGREGATIONS} == dict.fromkeys(AGGREGATIONS, True)


@given(CANDIDATES)
def test_right_is_what_selection_says_of_the_kept_candidates(candidates):
    found = outcome("q", *candidates)
    kept = [each for each in candidates if each.kept]
    groups = [each.grade.group for each in kept]
    right = right_groups(groups, [each.grade.correct for each in kept])
    for name in AGGREGATIONS:
        if name.endswith("max"):
            continue
        winner = aggregate(name, groups, [each.scores for each in kept])
        assert found.right(name) == (winner in right)


@given(CANDIDATES, st.integers(0, 2**32))
def test_the_order_of_candidates_with_scores_of_their_own_changes_no_answer(candidates, seed):
    """The powers of two have different sums, so nothing ties."""
    apart = [
        candidate(
            each.grade.answer,
            group=each.grade.group,
            correct=each.grade.group == 0,
            scores=(0.5 ** (at + 1),),
            kept=each.kept,
        )
        for at, each in enumerate(candidates)
    ]
    shuffled = random.Random(seed).sample(apart, len(apart))
    one, other = outcome("q", *apart), outcome("q", *shuffled)
    for name in one.aggregations:
        if name != "majority":
            assert one.right(name) == other.right(name)


@pytest.mark.parametrize("name", AGGREGATIONS)
def test_nothing_is_right_where_no_path_ended_or_none_has_an_answer(name):
    assert not outcome("q").right(name)
    assert not outcome("q", candidate(None)).right(name)


def test_only_a_vote_by_count_is_shown_where_nothing_was_scored():
    plain = outcome("q", candidate(scores=()), search=Majority(n=1).id)
    scored = outcome("q", candidate(None), RIGHT)
    assert (plain.aggregations, plain.headline) == (("majority",), "majority")
    assert (scored.aggregations, scored.headline) == (AGGREGATIONS, "last-vote")


def test_a_failed_attempt_has_its_error_and_its_cost_and_no_answer():
    found = Outcome.of(failed("q", generated=7))
    assert found.error == "EngineDied: gone"
    assert found.work.policy.generated_tokens == 7
    assert len(found.pool.groups) == 0


@given(st.lists(st.tuples(*[st.integers(0, 50)] * 3), min_size=1, max_size=5))
def test_the_work_of_several_is_the_sum_of_their_tokens_and_pairs(sizes):
    found = [outcome("q", question_tokens=q, generated=g, judged=j) for q, g, j in sizes]
    total = sum((each.work for each in found), Work())
    assert total.question_tokens == sum(q for q, _, _ in sizes)
    assert total.question_pairs == sum(q * (q + 1) // 2 for q, _, _ in sizes)
    assert total.policy == sum((each.policy_usage for each in found), NO_USAGE)
    assert total.reward == sum((Usage.of_request(j, 0) for _, _, j in sizes), NO_USAGE)


@pytest.mark.parametrize(
    ("marks", "kept", "count"),
    [
        ([None, None], True, 0),
        (["time", None], True, 1),
        (["time", "group"], True, 2),
        (["time"] * 2, False, 0),
    ],
)
def test_of_the_kept_candidates_those_with_an_uncertain_grade_are_counted(marks, kept, count):
    each = record("q", *(candidate(ungraded=mark, kept=kept) for mark in marks), WRONG)
    assert Outcome.of(each).ungraded == from_disk(each).ungraded == count
