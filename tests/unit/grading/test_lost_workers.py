"""Grading workers that are paused, killed, silent, too busy or too hungry: real processes, some of
them with a stand-in for the comparison that does what no answer does reliably."""

import asyncio
import logging
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tts_ray.errors import TtsError
from tts_ray.grading import worker_process
from tts_ray.grading.equivalence import Grader
from tts_ray.grading.worker_process import ATTEMPTS
from tts_ray.types import Grade, Ungraded

ROOT = Path(__file__).parents[3]
HANGS = "9^{9^{9^9}}"
TERMS = [f"e^{{{19000 + k}}}" for k in range(25)]
SLOW = ("+".join(TERMS), "+".join(reversed(TERMS)))
"""About 1 s of CPU time."""
FINDER = """
import importlib.util, sys

class Finder:
    def find_spec(name, path=None, target=None):
        if name == "tts_ray.grading.comparison":
            return importlib.util.spec_from_file_location(name, {file!r})

sys.meta_path.insert(0, Finder)
"""
STAND_IN = """
import os, signal, sys, time
from pathlib import Path
from tts_ray.grading.rules import Rule

def nth():
    # How many comparisons were begun, by all workers.
    with open(Path(__file__).with_name("begun"), "a") as begun:
        begun.write(".")
        return begun.tell()

def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

def compare(reference, answer):
    if answer != "x+1":  # That one is made at the start of a worker.
        {comparing}
    return Rule.VALUE

{importing}
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Puts a comparison of our own in the place of the real one, for workers only."""

    def install(comparing="pass", importing=""):
        file = tmp_path / "stand_in.py"
        file.write_text(STAND_IN.format(comparing=comparing, importing=importing))
        (tmp_path / "sitecustomize.py").write_text(FINDER.format(file=str(file)))
        monkeypatch.syspath_prepend(tmp_path)
        return tmp_path

    return install


@pytest.fixture
def started(monkeypatch):
    """The workers that were started, one entry each."""
    starts = []
    start = asyncio.create_subprocess_exec

    async def counted(*arguments, **options):
        process = await start(*arguments, **options)
        starts.append(process.pid)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", counted)
    return starts


def grade(answers, reference, **limits):
    async def one():
        async with Grader(**limits) as grader:
            return await grader.grade(answers, reference), grader.given_up

    return asyncio.run(one())


def graded_while(happens, answers, reference, **limits):
    """Grade, and while the worker is at it await happens(its pid); the grades, given_up, and
    whether the worker is still the same."""

    async def scenario():
        async with Grader(**limits) as grader:
            await grader.grade(["y"], "x")
            (pid,) = grader.pids
            grading = asyncio.create_task(grader.grade(answers, reference))
            await asyncio.sleep(0)
            await happens(pid)
            return await grading, grader.given_up, grader.pids == [pid]

    return asyncio.run(scenario())


def test_a_pause_longer_than_its_limit_makes_no_right_answer_wrong():
    reference, answer = SLOW

    async def pause(pid):
        os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(3.5)
        os.kill(pid, signal.SIGCONT)

    (found,), given_up, same = graded_while(pause, [answer], reference, seconds=3)
    assert (found, given_up, same) == (Grade(answer, 0, True), 0, True)


def test_a_comparison_whose_worker_stays_stopped_is_repeated_on_a_fresh_one(caplog):
    async def stop(pid):
        os.kill(pid, signal.SIGSTOP)

    with caplog.at_level(logging.INFO, "tts_ray"):
        (found,), given_up, same = graded_while(stop, ["0.5"], r"\frac12", silence_s=3)
    assert (found, given_up, same) == (Grade("0.5", 0, True), 0, False)
    assert "a grading worker was lost (silent for 3 s)" in caplog.text


def test_a_hanging_event_loop_changes_no_grade(stand_in):
    stand_in("burn(0.3)")

    async def hang(pid):
        time.sleep(3)

    (found,), given_up, same = graded_while(hang, ["1/2"], "0.5", silence_s=2)
    assert (found, given_up, same) == (Grade("1/2", 0, True), 0, True)


DRIVER = """
import asyncio
from tts_ray.grading.equivalence import Grader
async def main():
    async with Grader(silence_s=3) as grader:
        await grader.grade(["y"], "x")
        grading = asyncio.create_task(grader.grade(["1/2"], "0.5"))
        await asyncio.sleep(0)
        pids = grader.pids
        print(*pids, flush=True)
        [found] = await grading
        print(found.correct, found.ungraded, grader.pids == pids, flush=True)
asyncio.run(main())
"""


def test_a_pause_of_driver_and_worker_together_changes_no_grade(stand_in, tmp_path):
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    path = os.pathsep.join([str(stand_in("burn(1)")), str(ROOT)])
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": path}
    ) as driver:
        worker = int(driver.stdout.readline())
        try:
            for pid in (driver.pid, worker):
                os.kill(pid, signal.SIGSTOP)
            time.sleep(4)
        finally:
            for pid in (driver.pid, worker):
                os.kill(pid, signal.SIGCONT)
        assert driver.stdout.read() == b"True None True\n"


@pytest.mark.parametrize("comparing", [None, "burn(1000)", "pow(3, 10**9)", "while True: nth()"])
def test_what_uses_up_its_cpu_time_is_given_up_with_that_reason_and_not_repeated(
    comparing, stand_in, started, caplog
):
    if comparing:
        stand_in(comparing)
    (found,), given_up = grade([HANGS], "1", seconds=0.5)
    assert found == Grade(HANGS, 0, False, Ungraded.TIME)
    assert (given_up, len(started)) == (1, 1)
    assert "more than 0.5 s of CPU time" in caplog.text


def test_a_comparison_that_blocks_ends_though_it_uses_no_cpu_time(stand_in, started, caplog):
    stand_in("signal.pause()")
    (found,), given_up = grade(["1/2"], "0.5", silence_s=0.3)
    assert found == Grade("1/2", 0, False, Ungraded.LOST)
    assert (given_up, len(started)) == (1, ATTEMPTS)
    assert f"{ATTEMPTS} workers were lost, the last one silent for 0.3 s" in caplog.text


def test_a_worker_that_is_killed_twice_at_work_changes_no_grade(stand_in, started):
    stand_in("if nth() <= 2: os.kill(os.getpid(), signal.SIGKILL)")
    assert grade(["1/2"], "0.5") == ([Grade("1/2", 0, True)], 0)
    assert len(started) == 3


@pytest.mark.parametrize(
    ("comparing", "how"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", r"killed by signal 9 \(Killed\)"),
        ("os.write(2, b'well\\nno memory\\n'); os.abort()", r"signal 6 \(Aborted\): no memory"),
        ("raise SystemExit('a \\x1b[31mreason')", r"ended with exit code 1: a \?\[31mreason"),
    ],
)
def test_a_worker_that_is_lost_in_every_attempt_is_given_up_with_its_last_words(
    comparing, how, stand_in, caplog, capfd
):
    stand_in(comparing)
    (found,), _ = grade(["1/2"], "0.5")
    assert found.ungraded is Ungraded.LOST
    (warning,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert re.search(how, warning)
    assert capfd.readouterr() == ("", "")


def test_an_answer_that_takes_all_memory_is_given_up_with_that_reason(stand_in, started):
    stand_in("if answer == 'big': raise MemoryError")
    (big, other), given_up = grade(["big", "10/20"], "0.5")
    assert big == Grade("big", 0, False, Ungraded.MEMORY)
    assert other == Grade("10/20", 1, True)
    assert (given_up, len(started)) == (1, 2)


def test_a_group_that_could_not_be_compared_with_another_says_so(stand_in):
    stand_in("if reference != 't': burn(1000)")
    grades, given_up = grade(["a", "b", "a", "t"], "t", seconds=0.3)
    assert [found.group for found in grades] == [0, 1, 0, 2]
    assert [found.ungraded for found in grades] == [None, "group", None, "group"]
    assert [found.correct for found in grades] == [True] * 4
    assert given_up == 2


def test_a_worker_that_writes_much_to_stderr_is_not_held_up(stand_in, capfd):
    stand_in("sys.stderr.write('x' * 10**6)")
    assert grade(["1/2"], "0.5", silence_s=20) == ([Grade("1/2", 0, True)], 0)
    assert capfd.readouterr().err == ""


def test_what_was_given_up_is_graded_by_grading_the_same_answers_again():
    reference, answer = SLOW
    answers = [None, answer, "2"]
    first, given_up = grade(answers, reference, seconds=0.05)
    assert first[1] == Grade(answer, 0, False, Ungraded.TIME)
    assert given_up == 1 + (first[2].ungraded is not None)
    again, given_up = grade([found.answer for found in first], reference, seconds=20)
    assert again == [Grade(), Grade(answer, 0, True), Grade("2", 1, False)]
    assert given_up == 0


def test_a_worker_that_is_killed_twice_while_it_starts_has_a_third_chance(stand_in, started):
    stand_in(importing="if nth() <= 2: os.kill(os.getpid(), signal.SIGKILL)")
    assert grade(["1/2"], "0.5") == ([Grade("1/2", 0, True)], 0)
    assert len(started) == 3


@pytest.mark.parametrize(
    ("importing", "how"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", r"killed by signal 9 \(Killed\)$"),
        ("raise SystemError('bad build')", "ended with exit code 1: SystemError: bad build$"),
        ("signal.pause()", "silent for 2 s$"),
    ],
)
def test_when_no_worker_comes_up_it_is_said_how_each_ended(
    importing, how, stand_in, monkeypatch, capfd
):
    monkeypatch.setattr(worker_process, "START_S", 2.0)
    stand_in(importing=importing)
    with pytest.raises(TtsError, match=f"in 3 attempts, its memory limit is 4 GiB: {how}"):
        grade(["1/2"], "0.5")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("arguments", [["nan", "1"], ["inf", "1"], ["1"], ["1", "x"], ["0", "1"]])
def test_a_worker_with_wrong_arguments_says_one_line(arguments):
    found = subprocess.run(
        [sys.executable, "-m", "tts_ray.grading.worker", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert found.returncode == 1
    assert found.stderr.startswith("usage: python -m tts_ray.grading.worker SECONDS MEMORY_BYTES")
    assert found.stderr.count("\n") == 1
