"""A part of the fuzz in every run of the tests: the same cases each time (fuzz.py has more)."""

import pytest

from tests.fuzz.fuzz import SHARES, case

CASES = {
    **{"config": 500, "sweep": 150, "strategy": 200, "dataset": 80, "part": 40},
    **{"run_yaml": 40, "place": 60, "checkpoint": 60},
}


@pytest.mark.parametrize("kind", SHARES)
def test_hostile_input_ends_in_success_that_means_something_or_in_one_line(kind):
    found = [case(kind, seed) for seed in range(CASES[kind])]
    assert not [why for _, why in found if why]
    assert {outcome for outcome, _ in found} <= {"accepted", "refused"}


def test_the_harness_sees_a_traceback_a_second_line_and_a_hang(monkeypatch):
    from tests.fuzz import fuzz
    from tts_ray.errors import ConfigError

    def raising(error):
        def kind(dice, folder):
            raise error

        return kind

    def endless(dice, folder):
        while True:
            pass

    monkeypatch.setattr(fuzz, "ONE_CASE_S", 1)
    for kind, outcome in (
        (raising(KeyError("m")), "FAILED"),
        (raising(ConfigError("two\nlines")), "FAILED"),
        (raising(ConfigError("one line")), "refused"),
        (endless, "HUNG"),
        (lambda dice, folder: 0, "accepted"),
        (lambda dice, folder: 1, "FAILED"),
    ):
        monkeypatch.setitem(fuzz.KINDS, "config", kind)
        assert case("config", 0)[0] == outcome
