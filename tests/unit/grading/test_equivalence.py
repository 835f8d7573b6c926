import asyncio
import logging
import math
import os
import resource
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.patience import PATIENCE_S
from tts_ray.errors import ConfigError, TtsError
from tts_ray.grading.equivalence import LONGEST, Grader
from tts_ray.types import Grade

ROOT = Path(__file__).parents[3]
HANGS = "9^{9^{9^9}}"
EQUAL = [
    ("25", "025"),
    ("27.0", "27"),
    (r"\frac{1}{2}", "0.5"),
    (r"\frac43", "4/3"),
    (r"1\frac{4}{5}", r"\frac{9}{5}"),
    (r"\frac{\sqrt{3}}{3}", r"\frac{1}{\sqrt{3}}"),
    (r"11\sqrt2", r"11\sqrt{2}"),
    (r"\text{Evelyn}", "Evelyn"),
    (r"\text{(C)}", "C"),
    (r"\text{east}", r"\textbf{East}"),
    (r"90^\circ", "90"),
    (r"\frac{270}7\text{ degrees}", r"\frac{270}{7}"),
    (r"\$18.90", "18.9"),
    (r"5.4 \text{ cents}", "5.4"),
    (r"15\mbox{ cm}^2", "15"),
    ("15", r"15\%"),
    ("0.15", r"15\%"),
    ("1,-2", "-2, 1"),
    ("(3,4]", r"\left(3, 4\right]"),
    (r"(2,\infty)", "x>2"),
    (r"x \in [-2,7]", "[-2,7]"),
    (r"\left( 3, \frac{\pi}{2} \right)", r"(3,\pi/2)"),
    (
        r"\begin{pmatrix} 1/5 \\ -18/5 \end{pmatrix}",
        r"\begin{bmatrix} 0.2 \\ -3.6 \end{bmatrix}",
    ),
    (r"1 \pm \sqrt{19}", r"1+\sqrt{19}, 1-\sqrt{19}"),
    ("x=5", "5"),
    ("5", "x=5"),
    ("y = -2x", "2x+y=0"),
    ("(a+5)(b+2)", "ab+2a+5b+10"),
    (r"\cot x", r"\frac{\cos x}{\sin x}"),
    ("6 - 5i", "-5i+6"),
    ("4210_{5}", "4210_5"),
]
DIFFERENT = [
    ("1", "2"),
    ("5", "-5"),
    ("0.0000001", "0.0000002"),
    (r"\frac13", "0.333"),
    ("(3,4]", "(3,4)"),
    ("(8,-2)", "(-2,8)"),
    (r"\text{yes}", r"\text{no}"),
    (r"\text{(C)}", "(D)"),
    ("x+1", "x+2"),
    (r"\sqrt{2}", r"\sqrt{3}"),
    ("y = 2x + 3", "y = 2x - 3"),
    (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix} 2 \\ 1 \end{pmatrix}"),
    ("3", "{" * 20),
    ("3", "\ud800"),
]


def grade(answers, reference, **limits):
    async def one():
        async with Grader(**limits) as grader:
            return await grader.grade(answers, reference), grader.given_up

    return asyncio.run(one())


@pytest.fixture(scope="module")
def worker():
    """Grades with one worker that stays up."""
    with asyncio.Runner() as runner:
        grader = Grader(seconds=20)
        yield lambda answers, references: runner.run(grader.grade(answers, references))
        runner.run(grader.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def verdicts():
    """Every pair of this module, graded by one grader of two workers."""

    async def all_pairs():
        pairs = EQUAL + DIFFERENT
        async with Grader(workers=2, seconds=20) as grader:
            grades = await asyncio.gather(*(grader.grade([b], a) for a, b in pairs))
        return {pair: found.correct for pair, (found,) in zip(pairs, grades, strict=True)}

    return asyncio.run(all_pairs())


@pytest.mark.parametrize("pair", EQUAL, ids=str)
def test_equivalent_answers_are_correct(verdicts, pair):
    assert verdicts[pair]


@pytest.mark.parametrize("pair", DIFFERENT, ids=str)
def test_different_answers_are_wrong(verdicts, pair):
    assert not verdicts[pair]


def test_groups_are_numbered_by_first_appearance_and_missing_answers_have_none():
    answers = [None, "3", "0.5", "", r"\frac{1}{2}", "x", " 3.0 ", "1/2"]
    grades, given_up = grade(answers, r"\dfrac{2}{4}", seconds=20)
    assert [found.group for found in grades] == [None, 0, 1, None, 1, 2, 0, 1]
    assert [found.correct for found in grades] == [found.group == 1 for found in grades]
    assert grades[0] == grades[3] == Grade(None, None, False)
    assert grades[6].answer == " 3.0 "
    assert given_up == 0


POOL = ["25", r"25\%", "0.25", "x=25", "24", "1,2", "(1,2)", "2,1", r"\{1,2\}", "25 cm", "25 m"]


@given(st.lists(st.sampled_from(POOL), min_size=1, max_size=12), st.randoms())
@settings(max_examples=25)
def test_neither_grades_nor_groups_depend_on_the_order_of_the_pool(worker, answers, order):
    shuffled = list(range(len(answers)))
    order.shuffle(shuffled)
    one = worker(answers, "25")
    two = worker([answers[i] for i in shuffled], "25")
    for at, each in enumerate(shuffled):
        assert two[at].correct == one[each].correct
        for beside, other in enumerate(shuffled):
            together = one[each].group == one[other].group
            assert together == (two[at].group == two[beside].group)


@given(st.lists(st.sampled_from(POOL), min_size=1, max_size=6))
@settings(max_examples=25)
def test_the_grade_of_an_answer_is_its_own(worker, answers):
    for answer, found in zip(answers, worker(answers, "25"), strict=True):
        (alone,) = worker([answer], "25")
        assert found.correct == alone.correct


@given(st.lists(st.sampled_from(POOL), min_size=1, max_size=8))
@settings(max_examples=25)
def test_groups_are_formed_without_the_reference(worker, answers):
    groups = [[found.group for found in worker(answers, truth)] for truth in ("25", "(1,2)")]
    assert groups[0] == groups[1]


def test_the_most_frequent_form_leads_a_group():
    answers = ["0.25", r"25\%", r"25\%", "25"]
    grades, _ = grade(answers, "25", seconds=20)
    assert [found.group for found in grades] == [0, 0, 0, 0]
    assert [found.correct for found in grades] == [False, True, True, True]
    grades, _ = grade(["0.25", "25"], "25", seconds=20)
    assert [found.group for found in grades] == [0, 1]


def test_an_answer_is_correct_if_it_is_the_same_as_any_reference():
    grades, _ = grade(["0.5", "2", "3"], [r"\frac12", "2"], seconds=20)
    assert [found.correct for found in grades] == [True, True, False]


def test_numbers_and_equal_strings_need_no_worker():
    async def scenario():
        async with Grader() as grader:
            first = await grader.grade(["025", "25.0", "7", "1,000"], "25")
            second = await grader.grade([r"\dfrac12"], r"\frac12")
            return grader.pids, [found.group for found in first], second[0].correct

    assert asyncio.run(scenario()) == ([], [0, 0, 1, 2], True)


def test_no_answers_get_no_grades():
    assert grade([], "1") == ([], 0)


def test_an_expression_that_hangs_is_different_from_all_and_stalls_nothing(caplog):
    answers = [HANGS, "0.5", "x", r"\frac{1}{2}", HANGS]
    with caplog.at_level(logging.WARNING):
        grades, given_up = grade(answers, "1/2", seconds=1)
    assert [found.group for found in grades] == [0, 1, 2, 1, 0]
    assert [found.correct for found in grades] == [False, True, False, True, False]
    assert given_up == 1
    warnings = [r for r in caplog.records if r.name == "tts_ray.grading.equivalence"]
    assert len(warnings) == 1


def test_a_reference_that_hangs_is_only_met_by_its_own_string():
    grades, given_up = grade(["x", HANGS], HANGS, seconds=0.5)
    assert [found.correct for found in grades] == [False, True]
    assert given_up == 1


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux to see the limit")
def test_the_memory_of_a_worker_is_limited():
    async def limit():
        async with Grader(seconds=20, memory_bytes=2**30) as grader:
            await grader.grade(["x"], "y")
            return resource.prlimit(grader.pids[0], resource.RLIMIT_AS)

    assert asyncio.run(limit()) == (2**30, 2**30)


def test_a_worker_that_cannot_start_is_an_error_with_its_limits():
    with pytest.raises(TtsError, match="no grading worker came up in 3 attempts"):
        grade(["x"], "y", memory_bytes=2**20)


def test_an_answer_of_endless_length_is_only_a_string():
    endless = "1+" * LONGEST + "x"
    grades, given_up = grade([endless, endless, "x"], "y", seconds=20)
    assert [found.group for found in grades] == [0, 0, 1]
    assert given_up == 0


def test_a_killed_worker_is_replaced_whether_idle_or_at_work():
    async def scenario():
        async with Grader(seconds=1) as grader:
            await grader.grade(["x"], "y")
            (idle,) = grader.pids
            os.kill(idle, signal.SIGKILL)
            (after,) = await grader.grade(["0.5"], r"\frac12")
            (at_work,) = grader.pids
            hanging = asyncio.create_task(grader.grade([HANGS], "1"))
            await asyncio.sleep(0)
            os.kill(at_work, signal.SIGKILL)
            (hung,) = await hanging
            return idle != at_work, after.correct, hung.correct, grader.given_up

    assert asyncio.run(scenario()) == (True, True, False, 1)


def test_a_cancelled_comparison_leaves_no_reply_for_the_next():
    async def scenario():
        async with Grader(seconds=20) as grader:
            await grader.grade(["x"], "y")
            first = asyncio.create_task(grader.grade(["0.5"], r"\frac12"))
            await asyncio.sleep(0)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            (second,) = await grader.grade(["x+1"], "x+2")
            return first.cancelled(), second.correct, grader.given_up

    assert asyncio.run(scenario()) == (True, False, 0)


def test_leaving_the_grader_ends_its_workers():
    async def scenario():
        async with Grader(seconds=20) as grader:
            await grader.grade(["x"], "y")
            pids = grader.pids
        return pids, grader.pids

    (pid,), left = asyncio.run(scenario())
    assert left == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


DRIVER = """
import asyncio
from tts_ray.grading.equivalence import Grader
print("main runs", flush=True)
async def main():
    async with Grader(seconds=2) as grader:
        await grader.grade(["x"], "y")
        waiting = asyncio.ensure_future({then})
        await asyncio.sleep(0)
        print(*grader.pids, flush=True)
        await waiting
asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux to wait for a grandchild")
@pytest.mark.parametrize(
    "then", ["asyncio.Event().wait()", f"grader.grade(['{HANGS}'], 'y')"], ids=["idle", "hanging"]
)
def test_a_worker_outlives_no_killed_driver_and_never_runs_its_main_module(tmp_path, then):
    script = tmp_path / "driver.py"
    script.write_text(DRIVER.format(then=then))
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, env=env) as driver:
        assert driver.stdout.readline() == b"main runs\n"
        worker = os.pidfd_open(int(driver.stdout.readline()))
        driver.kill()
        assert driver.stdout.read() == b""
    ended, _, _ = select.select([worker], [], [], PATIENCE_S)
    os.close(worker)
    assert ended


def test_without_mpmath_the_user_is_told_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "mpmath.py").write_text("raise ImportError('No module named mpmath')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="pip install mpmath"):
        grade(["x"], "y")


@pytest.mark.parametrize("workers", [0, -1, 257, 100_000_000, 10**400])
def test_a_number_of_workers_that_is_out_of_range_is_refused(workers):
    with pytest.raises(ConfigError, match=r"^grading.workers is from 1 to 256 processes, not "):
        Grader(workers=workers)


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf, 0, -1, 1e-9, 3600.1, 10**400])
def test_a_limit_of_time_that_is_out_of_range_is_refused(seconds):
    with pytest.raises(ConfigError, match=r"^grading.seconds is .* from 0.01 to 3600 s, not "):
        Grader(seconds=seconds)


def test_grading_is_light_to_import():
    heavy = ["ray", "vllm", "torch", "pyarrow", "omegaconf", "numpy", "mpmath"]
    probe = (
        "import sys, tts_ray.grading.equivalence, tts_ray.grading.selection, "
        f"tts_ray.grading.worker; print([name for name in {heavy} if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert found.stdout.strip() == "[]"
