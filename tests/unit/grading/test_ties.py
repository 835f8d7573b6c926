"""Sums of scores that tie: the group whose first voting path comes earliest wins, in whatever order
the paths stand and the scores are added."""

import math
from fractions import Fraction
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_ray.grading.selection import SCORINGS, aggregate, path_score

TINY = 2.0**-53
"""Half of what separates 1.0 from the next float: added to it alone, it is lost."""
SCORES = st.sampled_from([0.1, 0.2, 0.3, 0.6, 0.7, 1.0]) | st.floats(0.01, 1)
VOICELESS = st.sampled_from([(None, [1.0]), (0, []), (1, [1.0, math.nan]), (9, [math.nan])])
AS_STEPS = {
    "last": [lambda x: [x], lambda x: [0.9, x], lambda x: [0.0, 0.9, x]],
    "min": [lambda x: [x], lambda x: [x, 1.0], lambda x: [1.0, 1.0, x]],
    "mean": [lambda x: [x], lambda x: [x, x], lambda x: [x] * 4],
    "prod": [lambda x: [x], lambda x: [x, 1.0], lambda x: [0.5, x, 2.0]],
}
"""Paths whose score is exactly x."""


def first_to_vote(paths):
    """The group of the first path (group, step scores) that has an answer and a score."""
    return next(g for g, steps in paths if g is not None and steps and not math.isnan(sum(steps)))


def elected(how, paths):
    return aggregate(f"{how}-vote", [group for group, _ in paths], [steps for _, steps in paths])


@st.composite
def tied_paths(draw):
    """A scoring, and paths in some order: two or three groups have the same scores, each from steps
    of its own; some paths have no voice."""
    how = draw(st.sampled_from(sorted(SCORINGS)))
    scores = draw(st.lists(SCORES, min_size=2, max_size=5))
    groups = draw(st.permutations(range(draw(st.integers(2, 3)))))
    voters = [
        (group, draw(st.sampled_from(AS_STEPS[how]))(score)) for group in groups for score in scores
    ]
    return how, scores, draw(st.permutations(voters + draw(st.lists(VOICELESS, max_size=3))))


@pytest.mark.parametrize("how", AS_STEPS)
@given(SCORES)
def test_these_paths_have_the_score_that_the_ties_are_made_of(how, score):
    assert [path_score(steps(score), how) for steps in AS_STEPS[how]] == [score] * 3


@given(tied_paths())
def test_of_groups_with_the_same_scores_the_first_to_vote_wins(tied):
    how, _, paths = tied
    assert elected(how, paths) == first_to_vote(paths)


@given(tied_paths(), st.randoms())
def test_another_order_of_tied_paths_changes_the_winner_only_with_who_votes_first(tied, random):
    how, _, paths = tied
    shuffled = random.sample(paths, len(paths))
    same_first = first_to_vote(shuffled) == first_to_vote(paths)
    assert (elected(how, shuffled) == elected(how, paths)) == same_first


@given(tied_paths(), st.randoms())
def test_what_is_below_the_tie_does_not_win_though_it_votes_first(tied, random):
    how, scores, paths = tied
    fewer = [(7, AS_STEPS[how][0](score)) for score in random.sample(scores, len(scores) - 1)]
    assert elected(how, [*fewer, *paths]) == first_to_vote(paths)


@pytest.mark.parametrize("how", ["last", "min", "mean", "prod"])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([0.1, 0.2, 0.3], [0.3, 0.2, 0.1]),
        ([0.7, 0.1, 0.2], [0.1, 0.2, 0.7]),
        ([1.0, TINY, TINY], [1.0 + 2 * TINY]),
        ([1.0, TINY, TINY], [TINY, 1.0, TINY]),
        ([0.5, 0.25], [0.125, 0.625]),
    ],
)
def test_sums_that_are_equal_as_real_numbers_tie_in_every_order_of_the_paths(how, first, second):
    assert sum(map(Fraction, first)) == sum(map(Fraction, second))
    paths = [(3, [score]) for score in first] + [(8, [score]) for score in second]
    for order in permutations(paths):
        assert elected(how, order) == order[0][0]


@pytest.mark.parametrize("vote", ["max", "vote"])
@given(st.lists(SCORES, min_size=2, max_size=6), st.randoms())
def test_the_order_of_the_steps_breaks_no_tie_between_means(vote, scores, random):
    shuffled = random.sample(scores, len(scores))
    assert aggregate(f"mean-{vote}", [7, 3], [scores, shuffled]) == 7
    assert aggregate(f"mean-{vote}", [3, 7], [scores, shuffled]) == 3


def test_scores_that_differ_in_their_last_digit_do_not_tie():
    """A score is the number that the reward model gave: as such 0.1 + 0.2 is more than 0.3."""
    for order in permutations([(3, [0.1]), (3, [0.2]), (8, [0.3])]):
        assert elected("last", order) == 3
