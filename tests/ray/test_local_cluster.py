"""cluster/local.sh: nodes with a token on one machine, a job on them, and nothing left after."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.ray.test_job import ENVIRONMENT, ROOT, command, rows


def alive_with(folder):
    """Processes that belong to a cluster's folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any(str(folder) in word for word in process.info["cmdline"] or []):
            found.append(process)
    return found


@pytest.fixture
def environment(tmp_path_factory):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Ray's sockets have to fit 107 characters.
    folder = Path(f"/tmp/tts-local-{os.getpid()}")
    yield ENVIRONMENT | {
        "TTS_RAY_CLUSTER": str(folder),
        "TTS_RAY_PORT": str(port),
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    for process in alive_with(folder):
        process.kill()


def script(environment, *words):
    return subprocess.run(
        [str(ROOT / "cluster" / "local.sh"), *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def test_a_job_runs_on_nodes_of_one_machine_and_stop_leaves_nothing(environment, tmp_path):
    started = script(environment, "start", "2", "1")
    assert started.returncode == 0, started.stderr
    exported = dict(word.split("=", 1) for word in started.stdout.removeprefix("export ").split())
    folder = Path(environment["TTS_RAY_CLUSTER"])
    assert (folder / "token").stat().st_mode & 0o777 == 0o600
    assert script(environment, "start").returncode == 1
    job = command(tmp_path / "run", "dataset.limit=4", "cluster.address=auto")
    for extra, code in ((exported, 0), (exported | {"RAY_AUTH_MODE": "disabled"}, 2)):
        done = subprocess.run(
            job if code == 0 else [*job, f"run={tmp_path / 'other'}"],
            cwd=ROOT,
            env=environment | extra,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
    assert len(rows(tmp_path / "run")) == 8
    assert script(environment, "stop").returncode == 0
    assert not alive_with(folder)
    assert not folder.exists()
