"""Comparisons that grading gave up: from a candidate's grade to the tables that count them."""

import io

import pyarrow as pa
import pytest
from rich.console import Console

from tests.unit import builders
from tts_ray.analysis.curves import points
from tts_ray.analysis.live import metrics, problems_table, searches_table
from tts_ray.analysis.outcomes import Outcome
from tts_ray.analysis.report import effort_table
from tts_ray.analysis.scoreboard import Scoreboard
from tts_ray.flops import ModelSize, Sizes
from tts_ray.results.schema import SCHEMA, to_record, to_row
from tts_ray.search.best_of_n import Majority
from tts_ray.types import Grade, Ungraded

SEARCH = Majority(n=2).id
SIZES = Sizes(ModelSize(1e9))
RIGHT = Grade("1", 0, True)


def record(number, *grades, kept=True, error=None):
    solutions = [builders.solution("", (), grade, kept=kept) for grade in grades]
    return builders.record(f"question {number}", *solutions, search=SEARCH, error=error)


def given_up(reason):
    return Grade("x", 1, reason is Ungraded.GROUP, reason)


def board(*records):
    found = Scoreboard(total=len(records))
    for each in records:
        found.add(Outcome.of(each))
    return found


def stored(each):
    """A record as a row that was written and read."""
    return pa.Table.from_pylist([to_row(each)], SCHEMA).to_pylist()[0]


@pytest.mark.parametrize("reason", [None, *Ungraded])
def test_the_reason_is_stored_and_read_back(reason):
    each = record(1, RIGHT, given_up(reason), Grade())
    assert stored(each)["candidates"][1]["ungraded"] == reason
    assert to_record(stored(each)) == each
    assert Outcome.from_row(stored(each)) == Outcome.of(each)


def test_problems_with_a_marked_candidate_count_once_if_it_was_kept():
    twice = record(1, given_up(Ungraded.TIME), given_up(Ungraded.LOST))
    dropped = record(2, given_up(Ungraded.TIME), kept=False)
    found = board(twice, dropped, record(3, RIGHT), record(4, RIGHT, given_up(Ungraded.GROUP)))
    assert found.ungraded == 2
    assert dict(metrics(found, SIZES, SEARCH))["ungraded"] == 2


def test_a_failed_search_is_not_ungraded():
    assert board(record(1, given_up(Ungraded.TIME), error="EngineDied: gone")).ungraded == 0


def test_the_tables_for_wandb_have_a_column_of_them():
    records = [record(1, RIGHT, given_up(Ungraded.TIME)), record(2, RIGHT, RIGHT)]
    searches = searches_table(board(*records), SIZES)
    assert [row[searches.columns.index("ungraded")] for row in searches.rows] == [1]
    problems = problems_table(map(Outcome.of, records))
    assert [row[problems.columns.index("ungraded")] for row in problems.rows] == [1, 0]
    for table in (searches, problems):
        assert {len(row) for row in table.rows} == {len(table.columns)}


@pytest.mark.parametrize("second", [RIGHT, given_up(Ungraded.MEMORY)])
def test_the_report_speaks_of_them_only_if_there_are_any(second):
    outcomes = [Outcome.of(record(1, RIGHT, second)), Outcome.of(record(2, RIGHT, RIGHT))]
    table = effort_table(points(outcomes, SIZES))
    text = io.StringIO()
    Console(file=text, width=200).print(table)
    marked = second.ungraded is not None
    assert ("ungraded: problems with an answer" in text.getvalue()) == marked
    columns = {column.header: [*column.cells] for column in table.columns}
    assert columns.get("ungraded") == (["1", "1"] if marked else None)
