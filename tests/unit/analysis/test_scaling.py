"""Curves and who overtakes whom."""

import numpy as np
import pytest

from tts_ray.analysis.scaling import fits, gain, lead, predict

BUDGETS = [1, 4, 16, 64, 256]


def test_a_straight_line_in_log_n_is_found():
    best, _ = fits(BUDGETS, [0.3 + 0.05 * np.log2(n) for n in BUDGETS])
    assert best.form == "log"
    assert best.parameters == pytest.approx((0.3, 0.05))
    assert best.error == pytest.approx(0, abs=1e-9)


def test_a_curve_that_levels_off_is_found():
    best, other = fits(BUDGETS, [0.9 - 0.4 * n**-0.5 for n in BUDGETS])
    assert best.form == "saturating"
    assert best.parameters == pytest.approx((0.9, 0.4, 0.5), abs=0.02)
    assert best.error < other.error
    assert predict(best.form, best.parameters, 1024) == pytest.approx(0.8875, abs=0.005)


def test_a_falling_curve_has_no_growth_to_saturate():
    saturating = next(fit for fit in fits(BUDGETS, [0.5, 0.4, 0.3, 0.2, 0.1]) if fit.form != "log")
    assert saturating.parameters[1] == 0.0


def test_one_point_is_no_curve():
    with pytest.raises(ValueError, match="two points"):
        fits([4], [0.5])


def test_a_lead_is_as_certain_as_the_problems_allow():
    ahead = lead(np.ones(50), np.zeros(50))
    assert (ahead.mean, ahead.certainty) == (1.0, 1.0)
    even = lead(np.tile([0.0, 1.0], 25), np.tile([1.0, 0.0], 25))
    assert even.mean == 0
    assert even.low < 0 < even.high
    assert 0.3 < even.certainty < 0.7


MAJORITY = [(1.0, 0.2), (4.0, 0.3), (16.0, 0.5), (64.0, 0.5), (256.0, 0.4)]


@pytest.mark.parametrize(
    ("curve", "reached", "factor", "at_least"),
    [
        ([(4.0, 0.4), (16.0, 0.6)], 10.0, 1.6, False),
        ([(4.0, 0.4), (16.0, 0.5)], 16.0, 1.0, False),
        ([(4.0, 0.1), (16.0, 0.1), (64.0, 0.9)], 40.0, 0.4, False),
        ([(4.0, 0.3), (16.0, 0.7), (64.0, 0.4)], 10.0, 1.6, False),
        ([(4.0, 0.5), (16.0, 0.4)], 4.0, 4.0, True),
        ([(4.0, 0.1), (16.0, 0.4)], None, None, False),
    ],
    ids=["between", "at a point", "behind a level", "before a fall", "at once", "never"],
)
def test_a_gain_is_the_budget_of_the_best_over_the_one_that_reaches_it(
    curve, reached, factor, at_least
):
    found = gain(curve, MAJORITY)
    assert (found.best, found.n) == (0.5, 16.0), "the smallest budget with the best accuracy"
    assert found.reached == (reached if reached is None else pytest.approx(reached))
    assert found.factor == (factor if factor is None else pytest.approx(factor))
    assert found.at_least == at_least


def test_a_curve_gains_nothing_over_itself():
    assert gain(MAJORITY, MAJORITY).factor == 1.0


def test_there_is_no_gain_over_nothing():
    assert gain([(4.0, 0.5)], [(1.0, 0.0), (4.0, 0.0)]).factor is None
