"""Answers that are longer than the reward model's context: counted from the record to the log."""

import io
import logging
import math

import pytest
from rich.console import Console

from tests.unit import builders
from tests.unit.analysis.test_ungraded import SIZES, board, stored
from tts_ray.analysis.curves import points
from tts_ray.analysis.live import metrics, problems_table, searches_table
from tts_ray.analysis.outcomes import Outcome
from tts_ray.analysis.report import effort_table
from tts_ray.runtime.run import warn_of_unscored
from tts_ray.search.best_of_n import BestOfN
from tts_ray.types import Grade

SEARCH = BestOfN(n=4).id
FITS, BEYOND, PARTLY, NOT_ASKED = (0.5, 0.9), (math.nan, math.nan), (0.5, math.nan), ()
ANSWER, NO_ANSWER = Grade("1", 0, True), Grade()


def candidate(scores, grade=ANSWER, kept=True):
    return builders.solution("", scores, grade, kept=kept)


def record(*candidates, number=1, error=None):
    return builders.record(f"question {number}", *candidates, search=SEARCH, error=error)


@pytest.mark.parametrize(
    ("each", "asked", "unscored"),
    [
        (candidate(FITS), 1, 0),
        (candidate(BEYOND), 1, 1),
        (candidate(PARTLY), 1, 1),
        (candidate(PARTLY, kept=False), 1, 1),
        (candidate(NOT_ASKED), 0, 0),
        (candidate(BEYOND, NO_ANSWER), 0, 0),
    ],
    ids=["scored", "all beyond", "its end beyond", "not kept", "no reward model", "no answer"],
)
def test_an_answer_without_a_score_counts_where_a_reward_model_was_asked(each, asked, unscored):
    for outcome in (Outcome.of(record(each)), Outcome.from_row(stored(record(each)))):
        assert (outcome.asked, outcome.unscored) == (asked, unscored)


def test_the_share_is_of_all_answers_of_the_problems_done():
    found = board(
        record(candidate(FITS), candidate(BEYOND)),
        record(candidate(FITS), candidate(FITS), number=2),
        record(candidate(BEYOND), number=3, error="EngineDied: gone"),
    )
    assert found.scores[SEARCH].unscored_share == found.unscored_share == 0.25
    assert dict(metrics(found, SIZES, SEARCH))["unscored_share"] == 0.25
    searches = searches_table(found, SIZES)
    assert searches.rows[0][searches.columns.index("unscored_share")] == 0.25
    problems = problems_table([Outcome.of(record(candidate(FITS), candidate(BEYOND)))])
    assert problems.rows[0][problems.columns.index("unscored")] == 1
    for table in (searches, problems):
        assert {len(row) for row in table.rows} == {len(table.columns)}


@pytest.mark.parametrize("second", [FITS, BEYOND])
def test_the_report_has_a_column_of_them_only_if_there_are_any(second):
    outcomes = [Outcome.of(record(*[candidate(FITS)] * 3, candidate(second)))]
    table = effort_table(points(outcomes, SIZES))
    text = io.StringIO()
    Console(file=text, width=200).print(table)
    columns = {column.header: [*column.cells] for column in table.columns}
    assert columns.get("unscored %") == (["25.0"] * 2 if second is BEYOND else None)
    assert ("longer than the reward model's context" in text.getvalue()) == (second is BEYOND)


@pytest.mark.parametrize(("beyond", "warned"), [(0, False), (1, False), (2, True)])
def test_a_job_warns_once_of_a_search_with_more_than_one_in_a_hundred(caplog, beyond, warned):
    answers = [candidate(BEYOND)] * beyond + [candidate(FITS)] * (100 - beyond)
    with caplog.at_level(logging.WARNING):
        warn_of_unscored(board(record(*answers[:50]), record(*answers[50:], number=2)))
    assert len(caplog.messages) == warned
    if warned:
        (line,) = caplog.messages
        assert line.startswith(f"{SEARCH}: 2 of 100 answers (2.0 %) are longer than the PRM's")


def test_without_a_reward_model_there_is_no_share():
    assert board(record(candidate(NOT_ASKED))).unscored_share == 0.0
