"""Running totals: sums of what came of each search, in any order and over any number of jobs."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.builders import RIGHT, WRONG, candidate, outcome
from tts_ray.analysis.scoreboard import Score, Scoreboard
from tts_ray.flops import Work
from tts_ray.search.beam_search import BeamSearch
from tts_ray.search.best_of_n import BestOfN, Majority

SEARCHES = [BestOfN(n=2).id, BeamSearch(n=4).id, Majority(n=2).id]
GAVE_UP = candidate("3", group=2, correct=False, ungraded="time")
BEYOND = candidate(scores=(0.5, float("nan")))


@st.composite
def attempts(draw):
    """Outcomes, each with whether it is an earlier attempt that was tried again. Seconds are sums
    of powers of two, which floats add up exactly."""
    search = draw(st.sampled_from(SEARCHES))
    pool = draw(st.lists(st.sampled_from([RIGHT, WRONG, GAVE_UP, BEYOND]), max_size=3))
    if not search.uses_reward:
        pool = [candidate(each.grade.answer, scores=()) for each in pool]
    made = outcome(
        "q",
        *pool,
        search=search,
        level=draw(st.sampled_from([None, 1, 2])),
        generated=draw(st.integers(0, 50)),
        judged=draw(st.integers(0, 50)),
        repeats=draw(st.integers(0, 2)),
        seconds=draw(st.integers(0, 8)) / 4,
        error=draw(st.sampled_from([None, None, "EngineDied: gone"])),
    )
    return made, draw(st.booleans()) and made.error is not None


ATTEMPTS = st.lists(attempts(), max_size=8)
few = settings(max_examples=40)


def board(made, total=100):
    found = Scoreboard(total)
    for each, tried_again in made:
        (found.spend if tried_again else found.add)(each)
    return found


def summed(one, other):
    """Two scores of one search as one."""
    levels = {key: (tally.done, tally.right) for key, tally in one.levels.items()}
    for key, tally in other.levels.items():
        done, right = levels.get(key, (0, 0))
        levels[key] = done + tally.done, right + tally.right
    counts = ("done", "failed", "repeats", "seconds", "work", "finished")
    counts += ("ungraded", "asked", "unscored")
    return (
        {name: getattr(one, name) + getattr(other, name) for name in counts},
        {
            name: one.right.get(name, 0) + other.right.get(name, 0)
            for name in one.right | other.right
        },
        levels,
    )


@few
@given(ATTEMPTS, st.randoms())
def test_totals_do_not_depend_on_the_order_in_which_searches_end(made, order):
    shuffled = order.sample(made, len(made))
    assert board(shuffled).scores == board(made).scores


@few
@given(ATTEMPTS, ATTEMPTS)
def test_the_board_of_two_jobs_is_the_sum_of_their_boards(first, second):
    one, other, both = board(first), board(second), board(first + second)
    assert set(both.scores) == set(one.scores) | set(other.scores)
    for search, score in both.scores.items():
        parts = one.scores.get(search, Score()), other.scores.get(search, Score())
        assert summed(score, Score()) == summed(*parts)
    assert both.work == one.work + other.work
    assert both.done == one.done + other.done
    assert both.failed == one.failed + other.failed
    assert both.ungraded == one.ungraded + other.ungraded


@few
@given(ATTEMPTS)
def test_every_attempt_is_work_and_only_what_finished_is_the_methods_cost(made):
    found = board(made)
    assert found.work == sum((each.work for each, _ in made), Work())
    finished = [each for each, _ in made if each.error is None]
    assert sum((s.finished for s in found.scores.values()), Work()) == sum(
        (each.work for each in finished), Work()
    )
    assert found.done == len(finished)
    assert found.failed == sum(each.error is not None and not again for each, again in made)


@few
@given(ATTEMPTS)
def test_levels_have_the_problems_that_have_one_and_are_right_as_the_headline_says(made):
    leveled = [(each, False) for each, _ in made if each.level is not None]
    for score in board(leveled).scores.values():
        assert sum(tally.done for tally in score.levels.values()) == score.done
        right = sum(tally.right for tally in score.levels.values())
        assert right == round((score.headline or 0.0) * score.done)
    for score in board([(each, False) for each, _ in made if each.level is None]).scores.values():
        assert score.levels == {}


def test_accuracy_is_the_share_of_problems_done_by_aggregation():
    low, high = (candidate(scores=(0.1,)), candidate("2", group=1, correct=False, scores=(0.9,)))
    found = board(
        [
            (outcome("a", RIGHT), False),
            (outcome("b", low, low, high), False),
            (outcome("c", WRONG), False),
            (outcome("d", RIGHT), False),
            (outcome("e", error="EngineDied: gone"), False),
        ]
    )
    (score,) = found.scores.values()
    assert score.accuracy["majority"] == 0.75
    assert score.accuracy["last-vote"] == score.accuracy["last-max"] == 0.5
    assert score.headline == 0.5


@pytest.mark.parametrize("error", [None, "EngineDied: gone"])
def test_an_attempt_that_was_tried_again_is_spent_and_neither_done_nor_failed(error):
    found = Scoreboard(total=1)
    found.spend(outcome("a", RIGHT, repeats=2, seconds=0.5, error=error))
    (score,) = found.scores.values()
    assert (found.done, found.failed, score.repeats, score.seconds) == (0, 0, 2, 0.5)
    assert found.work.policy.generated_tokens == 10
    assert score.finished == Work()
    assert score.headline is None


def test_a_board_without_searches_has_no_numbers():
    found = Scoreboard(total=7)
    assert (found.done, found.failed, found.ungraded, found.unscored_share) == (0, 0, 0, 0.0)
    assert found.work == Work()
    assert Score().accuracy == {}


@few
@given(ATTEMPTS)
def test_a_vote_by_count_stands_for_what_has_no_scores(made):
    search = SEARCHES[2]
    found = board([(each, again) for each, again in made if each.search == search])
    for score in found.scores.values():
        assert set(score.right) <= {"majority"}
        assert score.headline == score.accuracy.get("majority")
