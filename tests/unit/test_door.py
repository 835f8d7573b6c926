"""How jobs begin and end: streams that fail, text that looks like markup, errors in one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S
from tts_ray.door import LastingStream, enter

ROOT = Path(__file__).parents[2]
PLAN = ("policy=pocket-s", "prm=pocket-prm", "dataset=pocket")


def shell(line, **environment):
    """A job whose streams a shell has arranged."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=ROOT,
        env=os.environ | {"PY": sys.executable, "PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.mark.parametrize("into", ["| true", "| head -n 1", ">/dev/full", ">&-"])
def test_nobody_who_reads_the_output_can_end_a_job(into):
    done = shell(f"$PY jobs/plan.py {' '.join(PLAN)} {into}")
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""


def test_a_terminal_without_unicode_shows_a_question_mark(tmp_path):
    done = shell(f"$PY jobs/report.py '{tmp_path}/é'", PYTHONIOENCODING="ascii", LC_ALL="C.UTF-8")
    assert done.returncode == 2
    assert b"/? is no run directory" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_terminal_without_any_encoding_ends_no_job(tmp_path):
    bare = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = shell(f"$PY jobs/report.py '{tmp_path}/é'", **bare)
    assert done.returncode == 2
    assert b"is no run directory" in done.stderr
    assert done.stderr.count(b"\n") == 1


def test_a_full_disk_behind_standard_error_changes_no_exit_code():
    assert shell("$PY jobs/report.py nothing-here 2>/dev/full").returncode == 2


def test_what_is_wrong_is_one_line_without_control_sequences(capsys):
    assert enter("report", ["\x1b[31mred[/]:b:"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("error: ")
    assert "\x1b" not in said.err
    assert "[/]:b:" in said.err


def test_a_stream_that_is_closed_takes_every_word(tmp_path):
    file = open(tmp_path / "out", "w")  # noqa: SIM115  # closed below
    stream = LastingStream(file)
    assert stream.write("one") == 3
    file.close()
    assert stream.write("two") == 3
    stream.flush()


def test_standard_streams_are_given_back():
    before = sys.stdout, sys.stderr
    enter("report", ["nothing-here"])
    assert (sys.stdout, sys.stderr) == before


def test_a_job_that_ends_waits_for_its_threads_and_handlers_and_loses_no_word():
    script = (
        "import atexit, threading; from tts_ray.door import leave; "
        "atexit.register(print, 'handler'); gate = threading.Event(); "
        "threading.Thread(target=lambda: (gate.wait(), print('thread'))).start(); "
        "threading.Timer(0.1, gate.set).start(); leave(3)"
    )
    done = shell(f'"$PY" -c "{script}" | cat')
    assert done.stdout.decode().split() == ["thread", "handler"]
    assert done.returncode == 3


def test_an_interrupt_while_a_process_leaves_skips_no_exit_handler():
    script = (
        "import atexit, threading; from tts_ray.door import leave; "
        "atexit.register(print, 'handler'); "
        "threading._shutdown = lambda: (_ for _ in ()).throw(KeyboardInterrupt()); leave(3)"
    )
    done = shell(f'"$PY" -c "{script}" | cat')
    assert done.stdout.decode().split() == ["handler"]
    assert done.returncode == 3
