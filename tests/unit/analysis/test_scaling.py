"""Curves and who overtakes whom."""

import numpy as np
import pytest

from tts_ray.analysis.scaling import fits, lead, predict

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
