"""What a problem costs is the same number wherever it is shown."""

import dataclasses

import pytest

from tts_ray.analysis.cost import per_problem
from tts_ray.analysis.curves import points
from tts_ray.analysis.live import curve, metrics
from tts_ray.analysis.metrics import Pool
from tts_ray.analysis.outcomes import Outcome
from tts_ray.analysis.scoreboard import Scoreboard
from tts_ray.analysis.stored import last_attempts
from tts_ray.dimensions import Dimensions
from tts_ray.flops import CONVENTIONS, ModelSize, Sizes, Work, flops
from tts_ray.search.best_of_n import Majority
from tts_ray.types import NO_USAGE, Usage

SIZES = Sizes(ModelSize(1e9))


def outcome(problem, generated=100, error=None):
    pool = Pool((), (), ()) if error else Pool((0, 1), (True, False), ((), ()))
    usage = Usage.of_request(10, 0, generated)
    return Outcome(problem, None, Majority(n=2).id, pool, usage, NO_USAGE, 0, 1.0, error, 10)


def board_of(outcomes):
    board = Scoreboard(total=len(outcomes))
    last = last_attempts(outcomes)
    for each in outcomes:
        if last[each.problem_id, each.search] is each:
            board.add(each)
        else:
            board.spend(each)
    return board


@pytest.mark.parametrize("failed", [[], [outcome("c", 700, "lost")], [outcome("a", 900, "lost")]])
def test_a_failed_attempt_changes_what_was_spent_and_not_what_the_method_costs(failed):
    good = [outcome("a", 100), outcome("b", 300)]
    board = board_of([*failed, *good])
    (row,) = curve(board, SIZES)
    (point,) = [p for p in points(good, SIZES) if p.n == 2]
    assert row["curve/flops_paper"] == point.flops["paper"] == 2 * 1e9 * 200
    spent = dict(metrics(board, SIZES, Majority(n=2).id))["flops/paper"]
    assert spent == 2 * 1e9 * (400 + sum(each.policy_usage.generated_tokens for each in failed))


def test_a_failure_that_was_retried_counts_once_as_what_came_of_it():
    board = board_of([outcome("a", error="lost"), outcome("a"), outcome("b", error="lost")])
    assert (board.done, board.failed) == (1, 1)


def test_costs_add_up_over_problems_and_over_shares():
    size = ModelSize(1e6, Dimensions(**DIMENSIONS))
    sizes = Sizes(size, size)
    each = [Work.of(Usage.of_request(10, 0, n), NO_USAGE, 10) for n in (50, 150)]
    total = sum(each, Work())
    assert set(per_problem(total, 2, sizes)) == set(CONVENTIONS)
    for convention, value in per_problem(total, 2, sizes).items():
        assert value == pytest.approx(sum(flops(w, sizes)[convention] for w in each) / 2)
    parts = [per_problem(total, 2, sizes, share)["algorithmic"] for share in (0.0, 0.5, 1.0)]
    assert parts[0] > 0
    assert parts[1] == pytest.approx((parts[0] + parts[2]) / 2)


DIMENSIONS = {
    field.name: 2
    for field in dataclasses.fields(Dimensions)
    if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
}
