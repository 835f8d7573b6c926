"""cluster/slurm/tts_ray.sbatch without Slurm: its commands are replaced, its processes are real."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S

SCRIPT = Path(__file__).parents[2] / "cluster" / "slurm" / "tts_ray.sbatch"
FAKES = {
    # `srun ... COMMAND` runs the command; `ray symmetric-run ... -- COMMAND` runs that one.
    "srun": '#!/bin/bash\nuntil [ "$1" = ray ]; do shift; done\nexec "$@"\n',
    "ray": "#!/bin/bash\nif [ -e wait ]; then echo waiting >step; exec sleep 600; fi\n"
    'until [ "$1" = -- ]; do shift; done\n"${@:2}"\n',
    "getent": "#!/bin/bash\necho 10.0.0.1 STREAM node1\n",
}
DRIVER = """
import os, signal, sys, time
def stop(*arguments):
    open(sys.argv[1] + ".asked", "w").close()
    sys.exit(4)
signal.signal(signal.SIGTERM, stop)
with open(sys.argv[1] + ".new", "w") as file:
    file.write(" ".join(sys.argv[2:]))
os.rename(sys.argv[1] + ".new", sys.argv[1])
while not os.path.exists(sys.argv[1] + ".end"):
    time.sleep(0.02)
"""


@pytest.fixture
def project(tmp_path):
    """A folder to submit from, with a driver that tells when it runs and when it is asked."""
    for folder in ("bin", "jobs", "tmp", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / ".venv/bin/activate").touch()
    (tmp_path / "jobs/evaluate.py").write_text(DRIVER)
    for name, text in FAKES.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o700)
    (tmp_path / "bin/python").symlink_to(sys.executable)
    return tmp_path


@pytest.fixture
def started():
    """Collects what a test starts, and ends it: each is the leader of a process group."""
    processes = []
    yield processes
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run(started, project, words, job="7"):
    slurm = {
        "SLURM_JOB_ID": job,
        "SLURM_JOB_NUM_NODES": "1",
        "SLURM_GPUS_ON_NODE": "8",
        "SLURM_CPUS_PER_TASK": "64",
        "SLURMD_NODENAME": "node1",
        "TMPDIR": str(project / "tmp"),
        "PATH": f"{project / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }
    started.append(
        subprocess.Popen(words, cwd=project, env=os.environ | slurm, start_new_session=True)
    )
    return started[-1]


def batch(started, project, *arguments):
    return run(started, project, ["bash", str(SCRIPT), *arguments])


def wait_for(path):
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} did not appear"
        time.sleep(0.02)


def test_the_arguments_reach_the_run_as_they_are_and_its_code_comes_back(project, started):
    job = batch(started, project, "here", "policy.extra={a: 'b c'}", "$HOME")
    wait_for(project / "here")
    words = (project / "here").read_text()
    assert words == "policy.extra={a: 'b c'} $HOME cluster.address=10.0.0.1:6379"
    (project / "here.end").touch()
    assert job.wait(PATIENCE_S) == 0


def test_only_the_run_of_this_job_is_asked_to_stop(project, started):
    other = run(started, project, ["python", "jobs/evaluate.py", "other"], job="8")
    wait_for(project / "other")
    job = batch(started, project, "mine")
    wait_for(project / "mine")
    job.send_signal(signal.SIGTERM)
    assert job.wait(PATIENCE_S) == 4
    assert (project / "mine.asked").exists()
    assert other.poll() is None
    assert not (project / "other.asked").exists()
    assert not list((project / "tmp").iterdir())


def test_a_requeued_job_asks_its_own_run_and_no_process_of_the_earlier_one(project, started):
    killed = batch(started, project, "earlier")
    wait_for(project / "earlier")
    killed.kill()
    killed.wait()
    assert list((project / "tmp").iterdir())
    job = batch(started, project, "later")
    wait_for(project / "later")
    job.send_signal(signal.SIGTERM)
    assert job.wait(PATIENCE_S) == 4
    assert (project / "later.asked").exists()
    assert not (project / "earlier.asked").exists()


def test_a_job_whose_run_has_not_begun_ends_with_its_step(project, started):
    (project / "wait").touch()
    job = batch(started, project, "mine")
    wait_for(project / "step")
    job.send_signal(signal.SIGTERM)
    assert job.wait(PATIENCE_S) == 128 + signal.SIGTERM
    assert not (project / "mine").exists()
