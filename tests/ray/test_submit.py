"""A run submitted to a cluster with a job server and token authentication, from outside."""

import os
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.patience import PATIENCE_S
from tests.ray.test_job import ENVIRONMENT, ROOT, rows

pytestmark = pytest.mark.timeout(3 * 600)
HEAD = """
import sys, ray
from tts_ray.runtime.local_ray import NO_RAY_METRICS
ray.init(include_dashboard=True, dashboard_host="127.0.0.1", dashboard_port=int(sys.argv[1]),
         num_cpus=2, _system_config=NO_RAY_METRICS, logging_level="ERROR")
print("up", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def head():
    """The address of a cluster's dashboard, and the environment of who may use it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(32)
    environment = ENVIRONMENT | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": token,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    process = subprocess.Popen(
        [sys.executable, "-c", HEAD, str(port)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "up\n"
        yield f"http://127.0.0.1:{port}", environment
    finally:
        children = psutil.Process(process.pid).children(recursive=True)
        process.stdin.close()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(PATIENCE_S)
        process.stdout.close()
        for child in psutil.wait_procs(children, 30)[1]:
            child.kill()


def submit(head, run, *overrides, **environment):
    address, base = head
    return subprocess.run(
        [
            sys.executable,
            "jobs/submit.py",
            "configs/pocket.yaml",
            "policy=scripted",
            "prm=scripted",
            "dataset.limit=4",
            "search.name=best_of_n",
            "search.n=4",
            "policy.cpus=0.25",
            "prm.cpus=0.25",
            "wandb.mode=disabled",
            f"run={run}",
            f"--address={address}",
            *overrides,
        ],
        cwd=ROOT,
        env=base | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_a_submitted_run_is_followed_to_its_exit_code_and_resumed_under_its_name(head, tmp_path):
    poisoned = submit(head, tmp_path / "run", "policy.extra={poison: 'Find'}")
    assert poisoned.returncode == 1, poisoned.stdout + poisoned.stderr
    assert "searches failed" in poisoned.stdout
    again = submit(head, tmp_path / "run", "policy.extra={poison: 'Find'}")
    assert again.returncode == 1
    first = poisoned.stdout.split()[1].rstrip(".")
    assert again.stdout.startswith(f"submitted {first}-2.")
    whole = submit(head, tmp_path / "other")
    assert whole.returncode == 0, whole.stdout + whole.stderr
    assert len(rows(tmp_path / "other")) == 4


def test_a_second_submit_is_refused_with_the_status_of_the_first(head, tmp_path):
    from ray.job_submission import JobSubmissionClient

    endless = (tmp_path / "run", "policy.extra={seconds: 600}", "cluster.grace_s=0")
    key = "0123456789abcdef" * 2 + "fedcba98"
    first = submit(head, *endless, "--no-wait", WANDB_API_KEY=key)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "ray job stop" in first.stdout
    second = submit(head, *endless)
    assert second.returncode == 2
    name = first.stdout.split()[1].rstrip(".")
    assert f"already, as {name}" in second.stderr
    assert "RUNNING" in second.stderr or "PENDING" in second.stderr
    address, environment = head
    headers = {"Authorization": f"Bearer {environment['RAY_AUTH_TOKEN']}"}
    client = JobSubmissionClient(address, headers=headers)
    assert key not in str(client.get_job_info(name))
    client.stop_job(name)
    deadline = time.monotonic() + PATIENCE_S
    while not client.get_job_status(name).is_terminal():
        assert time.monotonic() < deadline, "the job did not stop"
        time.sleep(0.2)


SENDER = """
import sys
from pathlib import Path
from tts_ray.runtime.submission import Submissions
jobs = Submissions(sys.argv[1])
sys.exit(jobs.follow(jobs.submit("upload", ["find", ".", "-type", "f"], Path(sys.argv[2]))))
"""
SENT = ["jobs/a.py", "configs/environment.yaml", "keyboard.txt", "tts_ray/env.py"]
KEPT = [".env", "jobs/.env.local", "prod.env", ".netrc", "a.pem", "tls/b.key", ".ssh/config"]
KEPT += ["a/id_rsa", ".aws/credentials", "gcp-service-account.json", ".envrc", ".kube/config"]
KEPT += ["runs/x/run.yaml", "wandb/run", ".venv/bin/python", ".git/config", "a.parquet"]


def test_no_file_that_holds_keys_is_uploaded(head, tmp_path):
    for name in [*SENT, *KEPT]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    address, environment = head
    done = subprocess.run(
        [sys.executable, "-c", SENDER, address, str(tmp_path)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    there = {line.removeprefix("./") for line in done.stdout.splitlines() if line.startswith("./")}
    assert there == set(SENT)


@pytest.mark.parametrize(
    ("run", "override", "said"),
    [
        ("runs/x", "search.n=4", "absolute path"),
        ("/tmp/x", "search.n=x", "n='x' must be a whole number"),
        ("/tmp/x", "../outside.yaml", "outside"),
        ("/tmp/x", "--address=http://127.0.0.1:9", "no Ray jobs at http://127.0.0.1:9"),
    ],
)
def test_what_cannot_run_there_is_one_line_and_exit_code_two(head, run, override, said):
    refused = submit(head, run, override)
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_wrong_token_is_refused_in_one_line(head, tmp_path):
    refused = submit(head, tmp_path / "run", RAY_AUTH_TOKEN=secrets.token_hex(32))
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert refused.stderr.startswith("error: no Ray jobs at")
