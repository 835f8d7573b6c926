import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tts_ray.analysis.metrics import (
    Difficulty,
    Pool,
    accuracy,
    bootstrap_interval,
    difficulty_bin,
    expected_accuracy,
    pass_at_k,
    wilson,
)
from tts_ray.errors import ConfigError
from tts_ray.grading.selection import AGGREGATIONS, aggregate

EXACT = [name for name in AGGREGATIONS if name.endswith("max")]
SAMPLED = [name for name in AGGREGATIONS if not name.endswith("max")]


@st.composite
def pools(draw, smallest=1):
    n = draw(st.integers(smallest, 7))
    groups = draw(st.lists(st.none() | st.integers(0, 3), min_size=n, max_size=n))
    right = draw(st.sets(st.integers(0, 3)))
    score = st.sampled_from([0.25, 0.5, 0.75, math.nan])
    steps = draw(st.lists(st.lists(score, max_size=2), min_size=n, max_size=n))
    return Pool(groups, [group in right for group in groups], steps)


def by_enumeration(pool, aggregation, k):
    """Mean over all subsets of size k, each in pool order."""
    outcomes = []
    for chosen in combinations(range(len(pool.groups)), k):
        groups = [pool.groups[i] for i in chosen]
        winner = aggregate(aggregation, groups, [pool.step_scores[i] for i in chosen])
        outcomes.append(winner is not None and pool.correct[chosen[groups.index(winner)]])
    return sum(outcomes) / len(outcomes)


@given(st.integers(1, 8).flatmap(lambda n: st.tuples(*[st.just(n), st.integers(0, n)])))
def test_pass_at_k_is_the_share_of_subsets_with_a_correct_sample(n_and_c):
    n, c = n_and_c
    correct = [True] * c + [False] * (n - c)
    for k in range(1, n + 1):
        subsets = [any(chosen) for chosen in combinations(correct, k)]
        assert pass_at_k(n, c, k) == pytest.approx(sum(subsets) / len(subsets))


def test_pass_at_k_stays_exact_where_binomials_overflow():
    assert pass_at_k(10_000, 1, 5_000) == pytest.approx(0.5)
    assert pass_at_k(10_000, 0, 10_000) == 0.0
    assert pass_at_k(10_000, 1, 10_000) == 1.0


@pytest.mark.parametrize(("n", "c", "k"), [(4, 5, 1), (4, -1, 1), (4, 2, 0), (4, 2, 5)])
def test_pass_at_k_refuses_what_makes_no_sense(n, c, k):
    with pytest.raises(ValueError, match="pass@k needs"):
        pass_at_k(n, c, k)


@given(pools(), st.sampled_from(EXACT))
def test_best_of_k_is_exact_at_every_k(pool, aggregation):
    ks = range(1, len(pool.groups) + 1)
    expected = [by_enumeration(pool, aggregation, k) for k in ks]
    assert expected_accuracy(pool, aggregation, ks) == pytest.approx(expected)


@given(pools(), st.sampled_from(AGGREGATIONS))
def test_one_sample_and_the_whole_pool_are_exact_for_every_aggregation(pool, aggregation):
    n = len(pool.groups)
    expected = [by_enumeration(pool, aggregation, k) for k in (1, n)]
    assert expected_accuracy(pool, aggregation, [1, n], draws=1) == pytest.approx(expected)


@settings(max_examples=40)
@given(pools(3), st.sampled_from(SAMPLED))
def test_a_sampled_vote_is_within_its_error_of_the_enumeration(pool, aggregation):
    ks = range(2, len(pool.groups))
    expected = [by_enumeration(pool, aggregation, k) for k in ks]
    assert expected_accuracy(pool, aggregation, ks, draws=4000) == pytest.approx(expected, abs=0.05)


def test_an_aggregation_is_as_good_as_its_scores():
    pool = Pool([0, 1, 1, 1], [True, False, False, False], [[0.9], [0.1], [0.1], [0.1]])
    assert expected_accuracy(pool, "last-max", [1, 2, 4]) == [0.25, 0.5, 1.0]
    assert expected_accuracy(pool, "majority", [1, 4]) == [0.25, 0.0]
    assert expected_accuracy(pool, "last-vote", [4]) == [1.0]


def test_a_pool_of_missing_answers_is_never_right():
    pool = Pool([None] * 4, [False] * 4, [[0.5]] * 4)
    for aggregation in AGGREGATIONS:
        assert expected_accuracy(pool, aggregation, [1, 2, 4]) == [0.0, 0.0, 0.0]


def test_the_order_of_the_ks_is_that_of_the_results():
    pool = Pool([0, 1, 1, 2], [True, False, False, False], [[0.5]] * 4)
    up = expected_accuracy(pool, "majority", [1, 2, 3, 4])
    assert expected_accuracy(pool, "majority", [4, 2, 3, 1, 2]) == [up[i] for i in (3, 1, 2, 0, 1)]


def test_sampling_depends_on_the_seed_alone():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 6, 64).tolist()
    pool = Pool(groups, [g == 0 for g in groups], rng.random((64, 2)).tolist())
    first, again = (expected_accuracy(pool, "min-vote", [8, 16], seed=3) for _ in range(2))
    assert first == again
    assert first != expected_accuracy(pool, "min-vote", [8, 16], seed=4)


@pytest.mark.parametrize("ks", [[0], [5], [1, -1]])
def test_a_k_beyond_the_pool_is_refused(ks):
    with pytest.raises(ValueError, match=r"1\.\.4"):
        expected_accuracy(Pool([0] * 4, [True] * 4, [[0.5]] * 4), "majority", ks)


def test_an_unknown_aggregation_is_refused():
    with pytest.raises(ConfigError, match="avg-max"):
        expected_accuracy(Pool([0], [True], [[0.5]]), "avg-max", [1])


def test_a_failed_search_leaves_a_pool_without_candidates():
    with pytest.raises(ValueError, match="every k"):
        expected_accuracy(Pool([], [], []), "majority", [1])


def test_a_pool_whose_columns_differ_in_length_is_refused():
    with pytest.raises(ValueError, match="one group, grade and score each"):
        Pool([0, 1], [True], [[0.5]])


def test_the_bootstrap_agrees_with_all_resamples():
    values = [0.0, 0.5, 1.0]
    every = [np.mean([a, b, c]) for a in values for b in values for c in values]
    low, high = bootstrap_interval(values, draws=20_000, level=0.8)
    assert (low, high) == pytest.approx(tuple(np.percentile(every, [10, 90])))


def test_the_interval_holds_the_mean_and_shrinks_with_more_problems():
    few, many = accuracy([0, 1] * 10), accuracy([0, 1] * 250)
    assert few.low < few.mean == 0.5 < few.high
    assert many.high - many.low < few.high - few.low
    assert (few.count, many.count) == (20, 500)


def test_the_width_of_the_interval_is_that_of_the_normal_approximation():
    low, high = bootstrap_interval([0.0, 1.0] * 250)
    assert high - low == pytest.approx(2 * 1.96 * 0.5 / math.sqrt(500), rel=0.1)


def test_equal_values_leave_an_interval_of_no_width():
    estimate = accuracy([1.0] * 30)
    assert (estimate.mean, estimate.low, estimate.high) == (1.0, 1.0, 1.0)


def test_the_interval_is_the_same_for_the_same_seed():
    values = [0.1, 0.4, 0.4, 0.9]
    assert bootstrap_interval(values, seed=1) == bootstrap_interval(np.array(values), seed=1)


@pytest.mark.parametrize("values", [[], [[0.5], [0.5]]])
def test_an_interval_needs_a_row_of_values(values):
    with pytest.raises(ValueError, match="problems"):
        bootstrap_interval(values)


@pytest.mark.parametrize(
    ("pass_at_1", "name"),
    [
        (1, "easy"),
        (0.5, "easy"),
        (0.4999, "medium"),
        (0.1, "medium"),
        (0.0999, "hard"),
        (0, "hard"),
    ],
)
def test_an_edge_belongs_to_the_easier_bin(pass_at_1, name):
    assert difficulty_bin(pass_at_1) == Difficulty(name)


@given(st.integers(1, 60))
def test_exactly_one_in_ten_is_medium_whatever_the_pool(tens):
    assert difficulty_bin(pass_at_k(10 * tens, tens, 1)) == "medium"


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_what_is_no_fraction_has_no_difficulty(value):
    with pytest.raises(ValueError, match="fraction"):
        difficulty_bin(value)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_wilson_interval_holds_its_share_and_narrows_with_more_problems(counts):
    right, count = counts
    low, high = wilson(right, count)
    assert 0 <= low <= right / count <= high <= 1
    wider, higher = wilson(10 * right, 10 * count)
    assert higher - wider < high - low


def test_a_wilson_interval_has_the_published_ends():
    # Newcombe 1998 (Statistics in Medicine 17), table I, method 3: 81 of 263.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)


def tiny_pool(base):
    """Two answers, by products below the smallest float beside that of a third one, and too small
    for a float themselves with a small `base`."""
    steps = [[base] * 300, [base] * 299 + [base * 0.9], [base] * 299 + [base * 0.8], [1.0]]
    return Pool([0, 1, 1, 2], [False, True, True, False], steps)


@pytest.mark.parametrize("base", [0.5, 0.01, 1e-300])
def test_products_too_small_for_a_float_still_vote_in_subsets(base):
    pool = tiny_pool(base)
    # Of the four subsets of three only {0, 1, 1} has a right winner, by 1.7 to 1.
    (found,) = expected_accuracy(pool, "prod-vote", [3], draws=4000)
    assert found == pytest.approx(1 / 4, abs=0.03)
    assert expected_accuracy(pool, "prod-max", [1, 2, 3, 4])[0] == 0.5


def test_a_subset_of_zeros_alone_goes_to_the_first():
    pool = Pool([0, 1, 1, 0], [True, False, False, True], [[0.0]] * 4)
    (found,) = expected_accuracy(pool, "prod-vote", [3], draws=2000)
    assert found == pytest.approx(3 / 4, abs=0.03)
