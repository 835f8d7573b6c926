"""Candidates without an answer, candidates that were cut, ties and seconds: from the record on."""

import pytest

from tests.unit import builders
from tests.unit.analysis.test_ungraded import SIZES, board, stored
from tts_ray.analysis.curves import points
from tts_ray.analysis.endings import Endings
from tts_ray.analysis.live import metrics, problems_table, searches_table
from tts_ray.analysis.metrics import Pool
from tts_ray.analysis.outcomes import Outcome
from tts_ray.analysis.report import effort_table
from tts_ray.analysis.seconds import Seconds
from tts_ray.search.best_of_n import Majority
from tts_ray.types import NO_USAGE, Finish, Grade, Step

SEARCH = Majority(n=4).id
ANSWERS = [Grade(str(group), group, group == 0) for group in range(3)]


def candidate(*finishes, grade=ANSWERS[0], kept=True):
    steps = tuple(Step("x", (1,), finish, 0.0) for finish in finishes)
    return builders.Solution(steps, (), grade, kept)


FOUND = candidate(Finish.STEP, Finish.EOS)
OTHER = candidate(Finish.EOS, grade=ANSWERS[1])
SILENT = candidate(Finish.STEP, Finish.EOS, grade=Grade())
CUT = candidate(Finish.STEP, Finish.LENGTH, grade=Grade())


def record(*candidates, number=1, seconds=1.0, error=None):
    return builders.record(
        f"question {number}", *candidates, search=SEARCH, seconds=seconds, error=error
    )


@pytest.mark.parametrize(
    ("each", "endings"),
    [
        (FOUND, Endings(1, 0, 0)),
        (SILENT, Endings(1, 1, 0)),
        (CUT, Endings(1, 0, 1)),
        (candidate(Finish.EOS, grade=Grade(), kept=False), Endings(1, 1, 0)),
    ],
    ids=["an answer", "no answer", "a token limit", "not kept"],
)
def test_every_ended_candidate_counts_as_it_ended_in_a_record_and_in_its_row(each, endings):
    made = record(FOUND, each)
    assert Outcome.of(made).endings == Endings(1, 0, 0) + endings
    assert Outcome.from_row(stored(made)).endings == Endings(1, 0, 0) + endings


def test_of_no_candidate_there_is_no_share():
    assert (Endings().no_answer_share, Endings().cut_share) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("groups", "tied"),
    [
        ((0, 1), True),
        ((0, 0, 1), False),
        ((0, 0, 1, 1, 2), True),
        ((0, None, None), False),
        ((None, None), False),
        ((), False),
    ],
)
def test_a_majority_vote_is_tied_if_several_answers_have_the_most_votes(groups, tied):
    pool = Pool(groups, (False,) * len(groups), ((),) * len(groups))
    assert Outcome("a", None, SEARCH, pool, NO_USAGE, NO_USAGE, 0, 1.0, None).is_tied == tied


def test_a_candidate_that_was_not_kept_has_no_vote_in_a_tie():
    dropped = candidate(Finish.EOS, grade=ANSWERS[1], kept=False)
    assert not Outcome.of(record(FOUND, dropped)).is_tied
    assert Outcome.of(record(FOUND, OTHER)).is_tied


def test_half_of_the_searches_are_no_slower_than_the_median_and_nine_in_ten_than_p90():
    assert Seconds.of([4.0, 1.0, 2.0, 3.0, 11.0]) == Seconds(3.0, pytest.approx(8.2))
    assert Seconds.of([]) is None
    assert str(Seconds(12.345, 40.0)) == "12.3 / 40"


RECORDS = [
    record(FOUND, OTHER, SILENT, CUT, number=1, seconds=1.0),
    record(FOUND, FOUND, FOUND, CUT, number=2, seconds=2.0),
    record(FOUND, number=3, seconds=50.0, error="EngineDied: gone"),
    record(FOUND, FOUND, OTHER, OTHER, number=4, seconds=6.0),
    record(FOUND, FOUND, FOUND, FOUND, number=5, seconds=3.0),
]


def test_wandb_shows_them_of_each_search_that_did_not_fail():
    row = dict(metrics(board(*RECORDS), SIZES, SEARCH))
    assert row["no_answer_share/majority n=4"] == 1 / 16
    assert row["cut_share/majority n=4"] == 2 / 16
    assert row["tied_share/majority n=4"] == 2 / 4
    assert row["seconds/majority n=4"] == 3.0


def test_a_search_of_which_nothing_is_done_shows_none():
    failed = board(record(FOUND, error="EngineDied: gone"))
    assert not [key for key, _ in metrics(failed, SIZES, SEARCH) if key.endswith("majority n=4")]
    table = searches_table(failed, SIZES)
    (row,) = table.rows
    assert len(row) == len(table.columns)
    assert row[table.columns.index("seconds_median")] is None


def test_the_tables_of_wandb_have_them():
    searches = searches_table(board(*RECORDS), SIZES)
    row = dict(zip(searches.columns, searches.rows[0], strict=True))
    assert (row["no_answer_share"], row["cut_share"], row["tied_share"]) == (1 / 16, 1 / 8, 1 / 2)
    assert (row["seconds_median"], row["seconds_p90"]) == (2.5, pytest.approx(5.1))
    problems = problems_table(map(Outcome.of, RECORDS))
    rows = [dict(zip(problems.columns, each, strict=True)) for each in problems.rows]
    assert [each["no_answer"] for each in rows] == [1, 0, 0, 0, 0]
    assert [each["cut"] for each in rows] == [1, 1, 0, 0, 0]
    assert [each["tied"] for each in rows] == [True, False, None, True, False]
    assert [each["right_candidates"] for each in rows] == [1, 3, 1, 2, 4]


def cells(*records):
    outcomes = [each for each in map(Outcome.of, records) if each.error is None]
    table = effort_table(points(outcomes, SIZES))
    return {column.header: [*column.cells] for column in table.columns}, str(table.caption)


def test_the_report_has_a_column_of_each_only_if_there_is_something_to_say():
    shown, caption = cells(*RECORDS)
    assert shown["no answer %"] == ["6.2", "6.2"]
    assert shown["cut %"] == ["12.5", "12.5"]
    assert shown["tied %"] == ["", "50.0"], "of the budget that ran"
    assert shown["seconds"] == ["", "2.5 / 5.1"]
    plain, said = cells(RECORDS[-1])
    for name in ("no answer %", "cut %", "tied %"):
        assert f"{name}: of " in caption
        assert name not in said
        assert name not in plain
    assert plain["seconds"] == ["", "3 / 3"]
