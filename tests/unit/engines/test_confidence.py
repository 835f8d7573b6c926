import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_ray.engines.confidence import WINDOW, lowest_groups, per_token, with_confidence
from tts_ray.types import Finish, Step

NUMBERS = st.floats(min_value=0, max_value=50)


def logs_of(*probabilities):
    return np.log(np.array(probabilities, dtype=np.float32))


def steps_of(*lengths):
    return tuple(Step("x", tuple(range(n)), Finish.STEP, 0.0) for n in lengths)


def test_confidence_is_minus_the_mean_log_probability_of_the_most_probable_tokens():
    confidence, _ = per_token(logs_of([0.5, 0.25], [0.9, 0.001]))
    expected = [-(math.log(0.5) + math.log(0.25)) / 2, -(math.log(0.9) + math.log(0.001)) / 2]
    assert confidence.tolist() == pytest.approx(expected)


def test_entropy_is_that_of_the_most_probable_tokens_alone():
    _, entropy = per_token(logs_of([0.2, 0.2], [0.3, 0.1]))
    expected = [math.log(2), -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))]
    assert entropy.tolist() == pytest.approx(expected)


@given(st.lists(st.floats(-1000, 0), min_size=1, max_size=20))
def test_entropy_lies_between_none_and_that_of_equal_probabilities(logs):
    # The most probable of them is not as improbable as that.
    _, (entropy,) = per_token(np.array([[0.0, *logs]]))
    assert 0 <= entropy <= math.log(1 + len(logs)) + 1e-9


def test_without_tokens_there_is_nothing_to_say():
    assert [numbers.tolist() for numbers in per_token(np.empty((0, 5)))] == [[], []]


def brute_groups(numbers, ends, window):
    """The means of all windows, by their definition, each where it ends."""
    size = min(window, len(numbers))
    found = [[] for _ in ends[1:]]
    for end in range(max(1, size), len(numbers) + 1):
        (at,) = (i for i in range(len(ends) - 1) if ends[i] < end <= ends[i + 1])
        found[at].append(math.fsum(numbers[end - size : end]) / size)
    return [min(means) if means else None for means in found]


@given(st.lists(st.lists(NUMBERS, max_size=8), min_size=1, max_size=6), st.integers(1, 12))
def test_groups_are_found_where_they_end(parts, window):
    numbers = [number for part in parts for number in part]
    ends = [sum(map(len, parts[:k])) for k in range(len(parts) + 1)]
    found = lowest_groups(np.array(numbers), ends, window)
    assert found == [
        mean if mean is None else pytest.approx(mean, abs=1e-9)
        for mean in brute_groups(numbers, ends, window)
    ]


@given(st.lists(NUMBERS, min_size=1, max_size=40), st.integers(1, 12), st.data())
def test_the_lowest_of_all_steps_does_not_depend_on_where_they_are_cut(numbers, window, data):
    cuts = data.draw(st.lists(st.integers(0, len(numbers)), max_size=4))
    ends = [0, *sorted(cuts), len(numbers)]
    (whole,) = lowest_groups(np.array(numbers), [0, len(numbers)], window)
    cut = lowest_groups(np.array(numbers), ends, window)
    assert min(group for group in cut if group is not None) == pytest.approx(whole)


def test_a_group_reaches_back_into_earlier_steps():
    lengths = (WINDOW - 1, 3)
    confidence = [1.0] * (WINDOW - 1) + [2.0, 3.0, 4.0]
    first, second = with_confidence(steps_of(*lengths), confidence, [0.0] * sum(lengths))
    assert first.confidence.lowest_group is None
    assert second.confidence.lowest_group == pytest.approx((WINDOW - 1 + 2) / WINDOW)


def test_a_response_shorter_than_a_window_is_one_group_at_its_end():
    first, second = with_confidence(steps_of(1, 3), [1.0, 2.0, 3.0, 6.0], [0.0] * 4)
    assert first.confidence.lowest_group is None
    assert second.confidence.lowest_group == pytest.approx(3.0)


def test_a_step_has_the_means_over_its_own_tokens():
    steps = with_confidence(steps_of(2, 1), [1.0, 2.0, 5.0], [0.5, 0.1, 0.2])
    assert [step.confidence.mean for step in steps] == pytest.approx([1.5, 5.0])
    assert [step.confidence.entropy for step in steps] == pytest.approx([0.3, 0.2])


def test_tokens_after_the_last_step_do_not_count():
    (step,) = with_confidence(steps_of(2), [1.0, 3.0, 50.0], [0.0, 1.0, 9.0])
    assert (step.confidence.mean, step.confidence.entropy) == (2.0, 0.5)
    assert step.confidence.lowest_group == 2.0


def test_a_step_without_tokens_has_no_confidence():
    first, last = with_confidence(steps_of(2, 0), [1.0, 3.0], [0.0, 0.0])
    assert first.confidence.lowest_group == 2.0
    assert last.confidence is None


def test_steps_stay_as_they_are_where_it_was_not_asked_for():
    steps = steps_of(2, 1)
    assert with_confidence(steps, [], []) is steps
