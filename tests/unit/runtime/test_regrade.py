"""Grading a stored run again, with real grading workers."""

import asyncio
import json
from dataclasses import replace

import pytest

from tests.unit import builders
from tests.unit.results.test_run_directory import opened
from tts_ray.analysis.stored import stored_outcomes
from tts_ray.door import enter
from tts_ray.errors import StoreError
from tts_ray.results.folder import folder_at
from tts_ray.results.grade_file import grade_files
from tts_ray.results.stored_parts import parts, records
from tts_ray.runtime.regrade import regrade
from tts_ray.search.best_of_n import Majority
from tts_ray.types import Grade, Problem, Ungraded

HALF = Problem.of("What is one half?", "\\frac{1}{2}")
OTHER = Problem.of("What is one third?", "\\frac{1}{3}")
IDENTITY = builders.IDENTITY | {"search": {"name": "majority", "n": 2}}


def record(problem, *answers):
    """A search whose candidates box these (answer, grade)."""
    solutions = [
        builders.solution(f"So \\boxed{{{answer}}}.", (0.5,), grade) for answer, grade in answers
    ]
    return builders.record(problem, *solutions, search=Majority(n=2).id)


@pytest.fixture
def run(tmp_path):
    folder = folder_at(tmp_path / "run")
    sizes = {"policy": {"nominal": 1e6, "dimensions": None}, "prm": None}
    directory = opened(folder, IDENTITY)
    directory.about = {"sizes": sizes, "config": {}}
    given_up = Grade("\\frac{2}{4}", 0, False, Ungraded.TIME)
    right = Grade("\\frac{1}{3}", 0, True)
    wrong = Grade("2", 1, False)
    with directory:
        for each in (
            record(HALF, ("\\frac{2}{4}", given_up), ("2", wrong)),
            record(OTHER, ("\\frac{1}{3}", right), ("2", wrong)),
        ):
            asyncio.run(directory.append(each))
    return folder


def test_what_was_given_up_is_tried_again_and_counts_from_then_on(run):
    before = [run.read(part) for part in parts(run)]
    found = regrade(run, everything=False, workers=1, seconds=5.0)
    assert (found.searches, found.changed, found.ungraded) == (1, 1, 0)
    assert found.accuracies[0] == (Majority(n=2).id, "majority", 0.5, 1.0)
    assert [outcome.right("majority") for outcome in stored_outcomes(run)] == [True, True]
    assert [r.candidates[0].grade.ungraded for r in records(run)] == [None, None]
    assert [run.read(part) for part in parts(run)] == before
    again = regrade(run, everything=True, workers=1, seconds=5.0)
    assert (again.searches, again.changed) == (2, 0)
    assert grade_files(run) == ["grades-000001.parquet"]


def test_the_job_says_what_changed_and_exits_with_one_while_something_is_ungraded(
    run, capsys, monkeypatch
):
    async def given_up(record, grader):
        grades = [replace(c.grade, ungraded=Ungraded.LOST) for c in record.candidates]
        pairs = zip(record.candidates, grades, strict=True)
        return replace(record, candidates=tuple(replace(c, grade=g) for c, g in pairs))

    with monkeypatch.context() as patch:
        patch.setattr("tts_ray.runtime.regrade.grade", given_up)
        assert enter("regrade", [str(run), "--ungraded"]) == 1
    assert "2 answers are ungraded still" in capsys.readouterr().out
    assert enter("regrade", [str(run), "--ungraded"]) == 0
    said = capsys.readouterr().out
    assert "1 searches graded again" in said
    assert "majority n=2 majority: 50.0% -> 100.0%" in said


def test_grades_of_an_earlier_attempt_at_a_search_are_passed_over(run):
    regrade(run, everything=False, workers=1, seconds=5.0)
    (first, *_) = parts(run)
    run.delete(first)
    right = Grade("\\frac{1}{2}", 0, True)
    with opened(run, IDENTITY) as directory:
        asyncio.run(directory.append(record(HALF, ("\\frac{1}{2}", right), ("2", Grade("2", 1)))))
    answers = {r.problem.question: [c.grade.answer for c in r.candidates] for r in records(run)}
    assert answers[HALF.question] == ["\\frac{1}{2}", "2"]
    assert [outcome.right("majority") for outcome in stored_outcomes(run)] == [True, True]


def test_grades_are_made_again_and_again(run):
    for _ in range(3):
        regrade(run, everything=True, workers=1, seconds=5.0)
    assert [outcome.right("majority") for outcome in stored_outcomes(run)] == [True, True]


def test_grades_that_are_damaged_are_refused(run):
    regrade(run, everything=False, workers=1, seconds=5.0)
    (name,) = grade_files(run)
    whole = run.read(name)
    run.write(name, whole[:-3])
    with pytest.raises(StoreError, match=r"delete it, and grade again with jobs/regrade\.py"):
        stored_outcomes(run)
    run.delete(name)
    assert len(stored_outcomes(run)) == 2


def test_what_is_no_run_is_one_line(tmp_path, capsys):
    assert enter("regrade", [str(tmp_path)]) == 2
    assert enter("regrade", [str(tmp_path), "--seconds=nan"]) == 2
    assert json.dumps(capsys.readouterr().err).count("error:") == 2
    assert not list(tmp_path.iterdir())
