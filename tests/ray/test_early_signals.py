"""Ctrl-C and SIGTERM before there are engines: exit code 4, one line, and nothing that keeps the
same command from going on."""

import signal
import time
from contextlib import suppress

import psutil
import pytest

from tests.patience import PATIENCE_S
from tests.ray.test_job import rows, started


def opened(run, process):
    """The run directory is locked; Ray is not asked for yet."""
    return (run / "lock").exists()


def ray_starts(run, process):
    """Ray's first process is there, and the driver waits for the others."""
    with suppress(psutil.NoSuchProcess):
        children = psutil.Process(process.pid).children(recursive=True)
        return any("gcs_server" in child.name() for child in children)
    return False


@pytest.mark.parametrize("moment", [opened, ray_starts])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_engines_are_up_is_exit_code_four(tmp_path, moment, number):
    run = tmp_path / "run"
    with started(run) as process:
        deadline = time.monotonic() + PATIENCE_S
        while not moment(run, process):
            assert process.poll() is None, process.stdout.read()
            assert time.monotonic() < deadline, "the job does not begin"
            time.sleep(0.01)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(number)
        said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 4, said
    assert "Traceback" not in said
    assert "interrupted; run the same command to go on" in said
    assert not rows(run)
    assert not psutil.wait_procs(children, PATIENCE_S)[1]
