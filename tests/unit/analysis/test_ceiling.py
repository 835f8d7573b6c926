"""pass@N as the ceiling of every selection, and the share of the gap to it that one closes."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.unit.analysis.test_curves import OUTCOMES, SIZES, outcome
from tts_ray.analysis.ceiling import ceiling, closed_share, pass_at_1
from tts_ray.analysis.curves import points
from tts_ray.analysis.live import curve, metrics, searches_table
from tts_ray.analysis.metrics import DRAWS, Pool
from tts_ray.analysis.outcomes import Outcome
from tts_ray.analysis.report import accuracy_table, gap_table, plot_curves
from tts_ray.analysis.scoreboard import Scoreboard
from tts_ray.search.beam_search import BeamSearch
from tts_ray.search.best_of_n import BestOfN
from tts_ray.search.greedy import Greedy
from tts_ray.types import NO_USAGE

POOL, BEAM = BestOfN(n=4).id, BeamSearch(n=4).id
ONE_OF_FOUR = [True, False, False, False]
NONE, ALL = [False] * 4, [True] * 4


def point_of(found, search, n):
    (point,) = [each for each in found if (each.name, each.n) == (search.label, n)]
    return point


def test_the_ceiling_of_a_pool_is_pass_at_k_at_every_budget_it_holds():
    # 2 right ones of 8: 1 - C(6, 4) / C(8, 4) = 1 - 15 / 70 for 4 samples.
    each = outcome("a", BestOfN(n=8).id, [True, True, *[False] * 6])
    assert [ceiling(each, n) for n in (1, 4, 8)] == pytest.approx([2 / 8, 55 / 70, 1.0])


def test_the_ceiling_of_a_guided_search_is_whether_a_kept_candidate_is_right():
    assert ceiling(outcome("a", BEAM, ONE_OF_FOUR), 4) == 1.0
    assert ceiling(outcome("a", BEAM, NONE), 4) == 0.0
    dropped = Pool((None, 0), (True, False), ((0.9,), (0.1,)))
    assert ceiling(Outcome("a", None, BEAM, dropped, NO_USAGE, NO_USAGE, 0, 1.0, None), 4) == 0.0


@given(OUTCOMES)
def test_no_selection_is_right_more_often_than_the_ceiling(outcomes):
    for point in points(outcomes, SIZES):
        is_exact = point.n in (1, point.search.n)
        for name, found in point.accuracy.items():
            # Else a vote is a mean over random subsets: five of its standard errors.
            error = 1e-9 if is_exact or name.endswith("max") else 5 * 0.5 / DRAWS**0.5
            assert found.mean <= point.ceiling.mean + error


@given(st.floats(0, 1), st.floats(0, 1))
def test_one_sample_closes_nothing_and_a_selection_that_always_knows_closes_all(low, high):
    if high - low < 1e-6:
        assert closed_share(high, low, low) is None
    else:
        assert closed_share(low, low, high) == 0.0
        assert closed_share(high, low, high) == 1.0


@pytest.mark.parametrize(
    ("accuracy", "base", "highest", "closed"),
    [
        (0.625, 0.25, 1.0, 0.5),
        (0.1, 0.2, 0.4, -0.5),
        (0.5, 0.5, 0.5, None),
        (0.5, 0.1 + 0.2, 0.3, None),
        (0.5, 0.6, 0.5, None),
        (0.5, None, 0.9, None),
    ],
    ids=["half", "worse than one sample", "no gap", "a rounding error", "below pass@1", "unknown"],
)
def test_the_share_of_the_gap_is_none_where_there_is_no_gap(accuracy, base, highest, closed):
    found = closed_share(accuracy, base, highest)
    assert found == (closed if closed is None else pytest.approx(closed))


def test_a_pool_is_measured_from_its_own_pass_at_1():
    # pass@1 = (1/4 + 2/4) / 2, pass@4 = 1, and the vote by score finds both right answers.
    outcomes = [outcome("a", POOL, ONE_OF_FOUR), outcome("b", POOL, [True, True, False, False])]
    point = point_of(points(outcomes, SIZES), POOL, 4)
    assert point.ceiling.mean == 1.0
    assert point.accuracy["majority"].mean == 0.5
    assert point.closed["majority"] == pytest.approx((0.5 - 0.375) / (1 - 0.375))
    assert point.closed["last-max"] == pytest.approx(1.0)


def test_a_guided_search_is_measured_from_the_pool_of_the_same_run():
    beams = [outcome("a", BEAM, ALL), outcome("b", BEAM, NONE)]
    alone = point_of(points(beams, SIZES), BEAM, 4)
    assert set(alone.closed.values()) == {None}
    pools = [outcome("a", POOL, ONE_OF_FOUR), outcome("b", POOL, ONE_OF_FOUR)]
    beside = point_of(points([*beams, *pools], SIZES), BEAM, 4)
    # Accuracy is the ceiling: one of two problems.
    assert beside.closed["last-vote"] == pytest.approx(1.0)
    partly = point_of(points([*beams, pools[0]], SIZES), BEAM, 4)
    assert set(partly.closed.values()) == {None}, "the pool has not all of its problems"


def test_nothing_is_selected_from_one_sample():
    greedy = Greedy().id
    outcomes = [outcome("a", greedy, [True]), outcome("a", POOL, ONE_OF_FOUR)]
    found = points(outcomes, SIZES)
    assert set(point_of(found, greedy, 1).closed.values()) == {None}
    assert set(point_of(found, POOL, 1).closed.values()) == {None}


def test_pass_at_1_is_of_the_largest_pool_and_the_mean_over_seeds():
    small = outcome("a", BestOfN(n=2).id, [True, True])
    seeds = [outcome("a", POOL, ONE_OF_FOUR), outcome("a", POOL, ALL)]
    assert pass_at_1([small, *seeds]) == pass_at_1([*seeds, small]) == {"a": 0.625}
    assert pass_at_1([outcome("a", BEAM, ALL)]) == {}


def test_outcomes_of_one_problem_count_as_their_mean():
    seeds = [outcome("a", BEAM, ALL), outcome("a", BEAM, NONE)]
    point = point_of(points([*seeds, outcome("b", BEAM, ALL)], SIZES), BEAM, 4)
    assert point.accuracy["majority"].count == point.ceiling.count == 2
    assert point.accuracy["majority"].mean == point.ceiling.mean == 0.75


def board_of(outcomes):
    board = Scoreboard(total=len(outcomes))
    for each in outcomes:
        board.add(each)
    return board


def test_wandb_has_the_ceiling_beside_the_accuracy():
    board = board_of([outcome("a", POOL, ONE_OF_FOUR), outcome("b", POOL, NONE)])
    row = dict(metrics(board, SIZES, POOL))
    assert row["coverage/best_of_n n=4"] == 0.5
    assert row["closed/best_of_n n=4/last-max"] == pytest.approx(1.0)
    assert row["closed/best_of_n n=4/majority"] == pytest.approx((0 - 0.125) / (0.5 - 0.125))
    (last,) = curve(board, SIZES)
    assert last["curve/coverage/best_of_n"] == 0.5
    table = searches_table(board, SIZES)
    assert {len(each) for each in table.rows} == {len(table.columns)}
    assert {each[table.columns.index("coverage")] for each in table.rows} == {0.5}


def test_wandb_shows_no_share_where_there_is_no_gap():
    for search, right in ((POOL, ALL), (BEAM, ONE_OF_FOUR)):
        board = board_of([outcome("a", search, right)])
        assert not [key for key, _ in metrics(board, SIZES, search) if key.startswith("closed/")]
        table = searches_table(board, SIZES)
        assert {each[table.columns.index("closed")] for each in table.rows} == {None}


def test_a_board_agrees_with_the_report():
    outcomes = [outcome("a", POOL, ONE_OF_FOUR), outcome("b", POOL, [True, True, False, False])]
    point, score = point_of(points(outcomes, SIZES), POOL, 4), board_of(outcomes).scores[POOL]
    assert score.coverage == point.ceiling.mean
    assert score.closed == {name: pytest.approx(share) for name, share in point.closed.items()}


def columns(table):
    return {column.header: [*column.cells] for column in table.columns}


def test_the_report_shows_the_ceiling_and_leaves_an_unknown_share_empty():
    outcomes = [outcome("a", POOL, ONE_OF_FOUR), outcome("b", POOL, NONE)]
    found = points([*outcomes, outcome("a", BEAM, ALL), outcome("c", BEAM, ALL)], SIZES)
    assert columns(accuracy_table(found, "run"))["pass@N"] == ["12.5", "50.0", "100.0"]
    gaps = columns(gap_table(found))
    assert gaps["last-max"] == ["100.0"]
    assert gaps["majority"] == ["-33.3"]
    assert gap_table([point for point in found if point.name == BEAM.label]) is None


def test_a_pool_fits_a_terminal_of_140_columns():
    found = points([outcome("a", POOL, ALL)], SIZES)
    console = Console(file=io.StringIO(), width=140)
    console.print(accuracy_table(found, "run"))
    assert "100.0 [100, 100]" in console.file.getvalue()


def test_the_plot_draws_with_ceilings():
    outcomes = [outcome("a", each, ALL[: each.n]) for each in (POOL, BEAM, Greedy().id)]
    assert plot_curves(points(outcomes, SIZES)).startswith(b"\x89PNG")
