"""Accuracy against budget: laws that hold for every set of outcomes, and the tables made of it."""

import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tts_ray.analysis.curves import budgets, difficulties, points, split
from tts_ray.analysis.metrics import Pool
from tts_ray.analysis.outcomes import Outcome
from tts_ray.analysis.report import accuracy_table, part_table
from tts_ray.analysis.scoreboard import Scoreboard
from tts_ray.analysis.sweep_report import table
from tts_ray.flops import ModelSize, Sizes, Work
from tts_ray.search.beam_search import BeamSearch
from tts_ray.search.best_of_n import BestOfN, Majority
from tts_ray.search.dvts import Dvts
from tts_ray.search.greedy import Greedy
from tts_ray.types import NO_USAGE, SearchId, Usage

SIZES = Sizes(ModelSize(1e6))
SEARCHES = [BestOfN(n=8).id, BeamSearch(n=8).id, BeamSearch(n=8, m=2).id]


def outcome(problem, search, correct, level=None, error=None):
    unit = search.unit or 1
    pool = Pool(
        tuple(0 if right else 1 for right in correct),
        tuple(correct),
        tuple((0.9 if right else 0.1,) for right in correct),
        tuple(at // unit for at in range(len(correct))),
        len(correct) // unit,
    )
    usage = Usage.of_request(10, 0, 10 * len(correct))
    return Outcome(problem, level, search, pool, usage, NO_USAGE, 0, 1.0, error, 10)


OUTCOMES = st.lists(
    st.tuples(st.sampled_from(SEARCHES), st.lists(st.booleans(), min_size=8, max_size=8)),
    min_size=1,
    max_size=12,
).map(lambda made: [outcome(f"p{i}", search, right) for i, (search, right) in enumerate(made)])


@given(OUTCOMES, st.randoms())
def test_the_order_of_outcomes_changes_no_point(outcomes, order):
    shuffled = list(outcomes)
    order.shuffle(shuffled)

    def facts(found):
        return {
            (point.search, point.n): (
                {name: round(each.mean, 12) for name, each in point.accuracy.items()},
                round(point.ceiling.mean, 12),
                {name: None if s is None else round(s, 9) for name, s in point.closed.items()},
                (point.tokens, point.flops),
                (point.endings, point.tied, point.seconds),
            )
            for point in points(found, SIZES)
        }

    assert facts(outcomes) == facts(shuffled)


@given(OUTCOMES)
def test_a_board_is_the_sum_of_its_outcomes_in_whatever_order(outcomes):
    boards = []
    for order in (outcomes, outcomes[::-1]):
        board = Scoreboard(total=len(outcomes))
        for each in order:
            board.add(each)
        boards.append(board)
    assert boards[0].scores == boards[1].scores
    assert boards[0].work == sum((each.work for each in outcomes), Work())
    assert boards[0].done == len(outcomes)


def test_a_pool_is_read_at_every_smaller_budget_and_a_beam_at_its_own():
    rights = [random.Random(0).random() < 0.5 for _ in range(8)]
    found = points([outcome("a", search, rights) for search in SEARCHES], SIZES)
    assert [(p.name, p.n) for p in found] == [
        ("best_of_n", 1),
        ("best_of_n", 4),
        ("best_of_n", 8),
        ("beam_search", 8),
        ("beam_search m=2", 8),
    ]


@pytest.mark.parametrize(
    ("search", "also", "found"),
    [
        (BestOfN(n=1), [], [1]),
        (BestOfN(n=4), [], [1, 4]),
        (Majority(n=64), [8, 32, 64, 128], [1, 4, 8, 16, 32, 64]),
        (Dvts(n=4), [], [4]),
        (Dvts(n=64), [1, 6, 32], [4, 16, 32, 64]),
        (Dvts(n=24, m=3), [16, 24], [3, 15, 24]),
        (Dvts(n=72, m=8), [4, 64], [8, 16, 64, 72]),
        (Dvts(n=64, m=64), [4, 16], [64]),
        (BeamSearch(n=64), [4, 16], [64]),
        (Greedy(), [4], [1]),
    ],
    ids=str,
)
def test_the_budgets_of_a_run_are_whole_units(search, also, found):
    assert budgets(search.id, also) == found


def read_at(found):
    return [(point.name, point.n) for point in found]


def test_a_search_with_a_unit_is_read_at_the_budgets_of_the_others():
    searches = [BeamSearch(n=32).id, BestOfN(n=128).id, Dvts(n=128).id, Dvts(n=64, m=8).id]
    found = points([outcome("a", search, [True] * search.n) for search in searches], SIZES)
    assert read_at(found) == [
        ("beam_search", 32),
        *(("best_of_n", n) for n in (1, 4, 8, 16, 32, 64, 128)),
        *(("dvts", n) for n in (4, 8, 16, 32, 64, 128)),
        *(("dvts m=8", n) for n in (8, 16, 32, 64)),
    ]


def test_a_budget_is_read_from_the_larger_of_two_runs():
    small = outcome("a", Dvts(n=8).id, [False] * 8)
    large = outcome("a", Dvts(n=16).id, [True] * 16)
    found = points([small, large], SIZES)
    assert read_at(found) == [("dvts", 4), ("dvts", 8), ("dvts", 16)]
    assert [point.headline.mean for point in found] == [1.0, 1.0, 1.0]
    assert read_at(points([large, small], SIZES)) == read_at(found)


def test_a_budget_is_read_from_the_run_that_has_more_problems():
    small = [outcome(name, Dvts(n=8).id, [False] * 8) for name in "ab"]
    large = [outcome("a", Dvts(n=16).id, [True] * 16)]
    found = points(small + large, SIZES)
    assert [(point.n, point.headline.count) for point in found] == [(4, 2), (8, 2), (16, 1)]


def test_a_budget_costs_its_share_of_the_run():
    (quarter, whole) = points([outcome("a", Dvts(n=16).id, [True] * 16)], SIZES)
    assert (quarter.n, whole.n) == (4, 16)
    assert quarter.tokens == whole.tokens / 4
    assert quarter.flops["paper"] == whole.flops["paper"] / 4


@given(st.lists(st.booleans(), min_size=8, max_size=8))
def test_one_sample_is_right_as_often_as_samples_are(rights):
    (first, *_, last) = points([outcome("a", BestOfN(n=8).id, rights)], SIZES)
    assert first.accuracy["majority"].mean == pytest.approx(sum(rights) / 8)
    assert last.accuracy["majority"].mean in (0.0, 1.0)


def test_a_search_that_failed_has_no_accuracy_and_no_difficulty():
    failed = outcome("b", BestOfN(n=8).id, [], error="lost")
    good = outcome("a", BestOfN(n=8).id, [True] * 8)
    assert points([good, failed], SIZES)[-1].accuracy["majority"].count == 1
    assert set(difficulties([good, failed])) == {"a"}


def test_outcomes_without_a_level_are_in_no_part():
    levels = split(
        [outcome("a", SEARCHES[0], [True], 1), outcome("b", SEARCHES[0], [True])],
        lambda each: each.level,
    )
    assert list(levels) == [1]


def shown(made):
    console = Console(file=io.StringIO(), width=200)
    console.print(made)
    return console.file.getvalue()


def test_what_a_file_says_of_its_search_is_shown_as_it_is():
    search = SearchId("s", 2, (), "[red]s|x[/red]", 1)
    found = points([outcome("a", search, [True, False])], SIZES)
    assert "[red]s|x[/red]" in shown(accuracy_table(found, "run"))
    assert "[red]s|x[/red]" in shown(part_table({"easy": found}, "difficulty"))
    assert "| [red]s\\|x[/red] |" in table(("search",), [[found[0].name]])
