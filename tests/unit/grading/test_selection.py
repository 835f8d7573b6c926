import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_ray.errors import ConfigError
from tts_ray.grading.selection import (
    AGGREGATIONS,
    aggregate,
    majority,
    path_score,
    path_weights,
    right_groups,
    select,
)

NAN = math.nan
STEP_SCORES = st.lists(st.sampled_from([0.125, 0.25, 0.5, 0.75, NAN]), max_size=3)
CANDIDATES = st.lists(st.tuples(st.none() | st.integers(0, 3), STEP_SCORES), max_size=8)


def test_a_path_is_scored_from_its_steps():
    scores = [0.5, 0.25, 0.75]
    assert path_score(scores, "last") == 0.75
    assert path_score(scores, "min") == 0.25
    assert path_score(scores, "mean") == 0.5
    assert path_score(scores, "prod") == 0.09375


@pytest.mark.parametrize("how", ["last", "min", "mean", "prod"])
@pytest.mark.parametrize("scores", [[], [NAN], [0.5, NAN], [NAN, 0.5]])
def test_a_path_with_an_unscored_step_or_none_at_all_is_unscored(how, scores):
    assert math.isnan(path_score(scores, how))


def test_there_are_the_papers_seven_aggregations_and_the_products():
    assert set(AGGREGATIONS) == {
        "majority",
        *("last-max", "last-vote", "min-max", "min-vote", "mean-max", "mean-vote"),
        *("prod-max", "prod-vote"),
    }


def test_majority_max_and_vote_can_each_choose_another_answer():
    groups = [0, 0, 0, 1, 1, 2]
    scores = [[0.1], [0.1], [0.1], [0.6], [0.6], [0.9]]
    assert aggregate("majority", groups, scores) == 0
    assert aggregate("last-vote", groups, scores) == 1
    assert aggregate("last-max", groups, scores) == 2


def test_a_missing_answer_never_wins():
    groups, scores = [None, None, None, 4], [[0.9], [0.9], [0.9], [0.1]]
    assert {aggregate(name, groups, scores) for name in AGGREGATIONS} == {4}


def test_an_unscored_path_votes_only_where_scores_play_no_part():
    groups, scores = [0, 0, 1], [[NAN], [], [0.1]]
    assert aggregate("majority", groups, scores) == 0
    assert {aggregate(n, groups, scores) for n in AGGREGATIONS if n != "majority"} == {1}


@pytest.mark.parametrize("name", AGGREGATIONS)
def test_with_nobody_left_there_is_no_winner(name):
    assert aggregate(name, [], []) is None
    assert aggregate(name, [None], [[0.5]]) is None


@pytest.mark.parametrize("name", AGGREGATIONS)
def test_a_tie_goes_to_the_group_that_came_first(name):
    assert aggregate(name, [7, 3], [[0.5], [0.5]]) == 7


def test_the_earliest_of_equally_good_paths_is_the_best():
    assert select([0, 1, 0], [0.1, 0.9, 0.9], "max") == 1


def test_the_order_of_the_paths_breaks_no_tie_between_sums():
    first = [0.1, 0.2, 0.3]
    groups = [5, 5, 5, 2, 2, 2]
    assert select(groups, first + first[::-1], "vote") == 5
    assert select(groups, first[::-1] + first, "vote") == 5


@given(CANDIDATES, st.sampled_from(AGGREGATIONS))
def test_every_winner_has_a_vote_at_least_as_large_as_any_other(candidates, name):
    groups = [group for group, _ in candidates]
    steps = [scores for _, scores in candidates]
    winner = aggregate(name, groups, steps)
    votes = {}
    for group, scores in candidates:
        value = 1.0 if name == "majority" else path_score(scores, name.split("-")[0])
        if group is not None and not math.isnan(value):
            votes.setdefault(group, []).append(value)
    size = {g: max(v) if name.endswith("max") else math.fsum(v) for g, v in votes.items()}
    if name == "majority":
        assert majority(groups) == winner
    assert winner is None if not size else size[winner] == max(size.values())


@pytest.mark.parametrize("name", ["avg-max", "last", "", "min-sum"])
def test_an_unknown_aggregation_is_refused_with_those_there_are(name):
    with pytest.raises(ConfigError, match="majority, last-max"):
        aggregate(name, [0], [[0.5]])


def test_groups_and_scores_must_belong_together():
    with pytest.raises(ValueError, match="zip"):
        aggregate("last-max", [0, 1], [[0.5]])


def test_a_group_counts_as_most_of_its_candidates():
    groups = [0, 0, 0, 1, 1, None, 2]
    correct = [True, False, True, True, False, True, False]
    assert right_groups(groups, correct) == {0}


def exact(scores):
    return math.prod(map(Fraction, scores))


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.lists(st.floats(0, 1) | st.sampled_from([0.1, 0.3, 0.5, 1.0]), min_size=1),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_products_choose_as_exact_arithmetic_does_and_ties_go_to_the_first(candidates):
    groups = [group for group, _ in candidates]
    steps = [scores for _, scores in candidates]
    products = [exact(scores) for scores in steps]
    assert aggregate("prod-max", groups, steps) == groups[products.index(max(products))]
    sums = {}
    for group, product in zip(groups, products, strict=True):
        sums[group] = sums.get(group, 0) + product
    assert aggregate("prod-vote", groups, steps) == max(sums, key=sums.get)


@pytest.mark.parametrize("name", ["prod-max", "prod-vote"])
def test_products_of_hundreds_of_steps_still_choose(name):
    assert aggregate(name, [0, 1], [[0.1] * 400, [0.11] * 400]) == 1
    assert aggregate(name, [0, 1, 0], [[1e-300] * 300, [0.9, 0.0], [1e-300] * 300]) == 0


def test_many_small_products_outvote_a_larger_one():
    small = [0.1] * 400
    assert aggregate("prod-vote", [0, 1, 1], [[*small, 0.9], [*small, 0.5], [*small, 0.5]]) == 1
    assert aggregate("prod-max", [0, 1, 1], [[*small, 0.9], [*small, 0.5], [*small, 0.5]]) == 0


@given(st.lists(st.floats(0, 1), min_size=2), st.randoms())
def test_the_order_of_the_steps_breaks_no_tie_between_products(scores, random):
    shuffled = random.sample(scores, len(scores))
    assert aggregate("prod-max", [7, 3], [scores, shuffled]) == 7
    assert aggregate("prod-vote", [7, 3], [scores, shuffled]) == 7


def test_weights_are_in_proportion_to_the_products():
    first, none, second = path_weights([[0.5, 0.5], [NAN], [0.125, 1.0]], "prod")
    assert none is None
    assert first == 2 * second
    assert path_score([0.5, 0.5], "prod") == 0.25
