"""Outcomes of a run directory: each finished search once, however its records lie in the parts."""

import tempfile
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.builders import RIGHT, SEARCH, WRONG, candidate, failed, outcome, record, write
from tts_ray.analysis.outcomes import Outcome
from tts_ray.analysis.stored import all_outcomes, last_attempts, stored_outcomes, stored_sizes
from tts_ray.errors import StoreError
from tts_ray.flops import ModelSize, Sizes
from tts_ray.results.folder import folder_at
from tts_ray.results.grade_file import Regrade, write_grades
from tts_ray.results.problem_list import ProblemList
from tts_ray.results.stored_parts import parts, records
from tts_ray.search.best_of_n import Majority
from tts_ray.types import Ungraded

FINISHED = [
    record("a", RIGHT, WRONG, level=1, generated=7),
    record("b", WRONG, judged=5, seconds=0.25),
    record("c", candidate(None), repeats=1),
    record("a", candidate(scores=()), search=Majority(n=2).id),
]
FAILED = [failed("a", generated=3), failed("b", generated=2), failed("d")]


@pytest.fixture
def folder(tmp_path):
    return folder_at(tmp_path / "run")


@st.composite
def spread(draw, made):
    """Records in any order, dealt to parts."""
    order = draw(st.permutations(made))
    cuts = draw(st.sets(st.integers(1, len(made) - 1)))
    ends = [0, *sorted(cuts), len(made)]
    return [order[begin:end] for begin, end in pairwise(ends)]


def as_a_set(outcomes):
    """Outcomes without their order."""
    return {(o.problem_id, o.search): o for o in outcomes}


@settings(max_examples=15)
@given(spread(FINISHED))
def test_how_finished_searches_lie_in_parts_changes_nothing(batches):
    with tempfile.TemporaryDirectory() as place:
        run = folder_at(f"{place}/run")
        write(run, *batches)
        found = stored_outcomes(run)
        assert as_a_set(found) == as_a_set(map(Outcome.of, FINISHED))
        assert found == [Outcome.of(each) for batch in batches for each in batch]
        assert found == [Outcome.of(each) for each in records(run)]


@settings(max_examples=15)
@given(spread([*FINISHED, *FINISHED[:2], *FAILED]))
def test_each_finished_search_counts_once_and_every_failed_attempt_is_there(batches):
    with tempfile.TemporaryDirectory() as place:
        run = folder_at(f"{place}/run")
        write(run, *batches)
        assert len(stored_outcomes(run)) == len(FINISHED)
        assert as_a_set(stored_outcomes(run)) == as_a_set(map(Outcome.of, FINISHED))
        everything = stored_outcomes(run, failed=True)
        assert everything == all_outcomes(run)
        assert sum(each.error is not None for each in everything) == len(FAILED)
        # What came of each search in the end: "d" alone was never finished.
        ends = last_attempts(everything)
        assert {end.policy_usage.generated_tokens for end in ends.values() if end.error} == {10}
        assert {key: end for key, end in ends.items() if not end.error} == as_a_set(
            map(Outcome.of, FINISHED)
        )


def test_a_search_that_is_there_twice_is_named_in_the_log(folder, caplog):
    write(folder, [FINISHED[0]], [FINISHED[1]], [FINISHED[0]])
    assert len(stored_outcomes(folder)) == 2
    (line,) = caplog.messages
    problem = FINISHED[0].problem.id
    assert f"{SEARCH} of problem {problem} is there twice, counted once" in line


def test_two_attempts_that_failed_are_no_repetition(folder, caplog):
    write(folder, [FAILED[0]], [FAILED[0]], [FINISHED[0]])
    assert [bool(each.error) for each in all_outcomes(folder)] == [True, True, False]
    assert not caplog.messages


@pytest.mark.parametrize("order", [("lost", None), (None, "lost")])
def test_a_search_that_was_finished_is_finished_wherever_a_failed_attempt_stands(order):
    """A part that was set aside and put back leaves its searches behind those of later jobs."""
    attempts = [outcome("a", *([] if error else [RIGHT]), error=error) for error in order]
    (end,) = last_attempts(attempts).values()
    assert end.error is None


def test_of_attempts_that_all_failed_the_last_one_says_why():
    attempts = [outcome("a", error=error) for error in ("first", "second")]
    (end,) = last_attempts(attempts).values()
    assert end.error == "second"


@pytest.mark.parametrize("failed_too", [False, True])
def test_results_of_dropped_problems_do_not_count(folder, failed_too):
    write(folder, [*FINISHED, *FAILED])
    ids = {each.problem.question: each.problem.id for each in [*FINISHED, *FAILED]}
    ProblemList([ids["b"]], [ids["c"]], [ids["a"], ids["d"]]).write(folder)
    found = stored_outcomes(folder, failed=failed_too)
    assert {each.problem_id for each in found} == {ids["b"], ids["c"]}
    assert len(found) == 2 + failed_too
    assert len(all_outcomes(folder)) == len(FINISHED) + len(FAILED)


def regraded(before, *grades):
    after = replace(
        before,
        candidates=tuple(
            replace(each, grade=grade)
            for each, grade in zip(before.candidates, grades, strict=True)
        ),
    )
    return Regrade.of(before, after, None)


def test_newer_grades_go_over_those_of_the_parts_and_the_newest_over_all(folder):
    write(folder, [FINISHED[0], FAILED[0]], [FINISHED[1]])
    assert [each.right("last-vote") for each in stored_outcomes(folder)] == [True, False]
    first, second = FINISHED[0], FINISHED[1]
    wrong = replace(RIGHT.grade, correct=False)
    unsure = replace(WRONG.grade, ungraded=Ungraded.TIME)
    write_grades(folder, [regraded(first, wrong, unsure)], "1")
    write_grades(folder, [regraded(second, replace(WRONG.grade, correct=True))], "2")
    found = stored_outcomes(folder)
    assert [each.right("last-vote") for each in found] == [False, True]
    assert [each.ungraded for each in found] == [1, 0]
    write_grades(folder, [regraded(first, RIGHT.grade, WRONG.grade)], "3")
    assert [each.right("last-vote") for each in stored_outcomes(folder)] == [True, True]
    assert stored_outcomes(folder)[0] == Outcome.of(FINISHED[0])
    # The attempt that failed has nothing to grade.
    assert [each.error for each in all_outcomes(folder)] == [None, "EngineDied: gone", None]


def test_newer_grades_change_neither_cost_nor_scores(folder):
    write(folder, [FINISHED[0]])
    (before,) = stored_outcomes(folder)
    wrong = replace(RIGHT.grade, correct=False)
    write_grades(folder, [regraded(FINISHED[0], wrong, WRONG.grade)], "1")
    (after,) = stored_outcomes(folder)
    assert (after.work, after.seconds, after.repeats) == (before.work, 0.5, 0)
    assert list(after.pool.step_scores) == list(before.pool.step_scores)
    assert list(after.pool.correct) == [False, False]


def test_a_run_without_results_has_no_outcomes(folder):
    write(folder)
    assert all_outcomes(folder) == stored_outcomes(folder) == []


def test_a_damaged_part_stops_the_reading_and_is_named(folder):
    write(folder, FINISHED)
    (part, *_) = parts(folder)
    folder.write(part, folder.read(part)[:-9])
    with pytest.raises(StoreError, match=part):
        stored_outcomes(folder)


def test_the_sizes_are_those_of_run_yaml(folder):
    write(folder, FINISHED)
    assert stored_sizes(folder) == Sizes(ModelSize(1e6))


def test_what_is_no_run_has_no_sizes(folder):
    with pytest.raises(StoreError, match=r"no run directory: it has no run\.yaml"):
        stored_sizes(folder)
