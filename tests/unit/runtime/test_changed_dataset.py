"""A dataset that changes between two jobs of a run: nothing that was withdrawn is counted, and no
total exceeds the whole."""

import asyncio
from pathlib import Path as File

import pytest

from tests.unit import builders
from tts_ray.analysis.stored import stored_outcomes
from tts_ray.errors import ConfigError
from tts_ray.results.folder import folder_at
from tts_ray.results.stored_parts import records
from tts_ray.search.dvts import Dvts
from tts_ray.types import Grade

ROWS = [{"problem": f"What is {number}?", "answer": str(number)} for number in range(12)]


def do_all(cell):
    """Store a right answer to every problem that is left; how many there were."""
    with cell:
        for trial in cell.trials:
            answer = trial.problem.answer
            grade = Grade(answer, 0, True)
            record = builders.record(
                trial.problem,
                builders.solution(f"\\boxed{{{answer}}}", (0.5,), grade),
                search=trial.search.id,
            )
            asyncio.run(cell.directory.append(record))
        return len(cell.trials)


def counted(cell):
    """Problems in the report, and done and total of the next job."""
    with cell:
        return (
            len(stored_outcomes(folder_at(cell.config.run))),
            cell.board.done,
            cell.board.total,
        )


def test_what_was_added_is_done(cell):
    assert do_all(cell(ROWS[:8])) == 8
    assert do_all(cell(ROWS)) == 4
    assert counted(cell(ROWS)) == (12, 12, 12)


def test_another_order_is_the_same_dataset(cell):
    do_all(cell(ROWS))
    assert do_all(cell(ROWS[::-1])) == 0


def test_what_was_taken_away_needs_a_decision(cell):
    do_all(cell(ROWS))
    with pytest.raises(ConfigError, match=r"4 were taken away .* 0 were given another") as refused:
        counted(cell(ROWS[:8]))
    assert "dataset.changed=drop" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_results_of_what_was_taken_away_are_dropped_or_kept_and_that_is_remembered(cell):
    do_all(cell(ROWS))
    assert counted(cell(ROWS[:8], "dataset.changed=drop")) == (8, 8, 8)
    assert counted(cell(ROWS[:8])) == (8, 8, 8)
    assert counted(cell(ROWS[:6], "dataset.changed=keep")) == (8, 8, 8)
    assert counted(cell(ROWS)) == (12, 12, 12)


@pytest.mark.parametrize("changed", ["keep", "drop"])
def test_an_answer_that_was_corrected_is_never_scored_again_and_the_problem_is_done_anew(
    cell, changed
):
    do_all(cell(ROWS))
    corrected = [{**ROWS[0], "answer": "17"}, *ROWS[1:]]
    with pytest.raises(ConfigError, match=r"0 were taken away and 1 was given another answer"):
        counted(cell(corrected))
    assert do_all(cell(corrected, f"dataset.changed={changed}")) == 1
    assert counted(cell(corrected)) == (12, 12, 12)
    stored = {
        r.problem.question: r.problem.answer for r in records(folder_at(cell(ROWS).config.run))
    }
    assert stored["What is 0?"] == "17"
    assert len(stored) == 12


def test_a_problem_list_that_is_damaged_is_one_line(cell):
    do_all(cell(ROWS))
    run = File(cell(ROWS).config.run)
    for content in (b"", b"[1]", b'{"problems": 5}', b"\xff\xfe", b"[" * 10_000):
        (run / "problems.json").write_bytes(content)
        with pytest.raises(Exception, match=r"problems\.json is damaged") as refused:
            counted(cell(ROWS))
        assert "\n" not in str(refused.value)


def test_searches_that_an_earlier_version_ran_beside_a_larger_one_are_part_of_the_total(
    cell, monkeypatch
):
    grid = ("search.name=dvts", "search.n=[4,8]")
    with monkeypatch.context() as earlier:
        earlier.setattr("tts_ray.runtime.cell.searches", lambda _: [Dvts(n=4), Dvts(n=8)])
        assert do_all(cell(ROWS[:6], *grid)) == 12
    assert counted(cell(ROWS[:6], *grid)) == (12, 12, 12)
    assert do_all(cell(ROWS[:8], *grid)) == 2, "with the larger search alone"
    assert counted(cell(ROWS[:8], *grid)) == (14, 14, 14)
