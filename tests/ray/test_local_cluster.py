"""cluster/local.sh: nodes with a token on one machine, a job on them, and nothing left after."""

import os
import socket
import stat
import subprocess
import sys
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import psutil
import pytest

from tests.patience import PATIENCE_S
from tests.ray.test_job import ENVIRONMENT, ROOT, command, rows

pytestmark = pytest.mark.timeout(3 * 600)


def free_ports():
    """The first of three ports in a row that are free: of the GCS, the dashboard and Ray Client."""
    for _ in range(100):
        with socket.socket() as first, socket.socket() as second, socket.socket() as third:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            with suppress(OSError, OverflowError):
                second.bind(("127.0.0.1", port + 1))
                third.bind(("127.0.0.1", port + 2))
                return port
    raise AssertionError("no three free ports in a row")


def environment_of(name):
    """What local.sh needs for a cluster of its own. Ray's sockets must fit 107 characters."""
    return ENVIRONMENT | {
        "TTS_RAY_CLUSTER": f"/tmp/tts-{name}-{os.getpid()}",
        "TTS_RAY_PORT": str(free_ports()),
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


def finish(words, environment):
    return subprocess.run(
        words,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def script(environment, *words):
    return finish([str(ROOT / "cluster" / "local.sh"), *words], environment)


def start(environment, *words):
    """Start a cluster; return the environment that its user works in."""
    started = script(environment, "start", *words)
    assert started.returncode == 0, started.stderr
    exported = started.stdout.removeprefix("export ").split()
    return environment | dict(word.split("=", 1) for word in exported)


def processes_of(environment):
    """Every process of a running cluster."""
    nodes = (Path(environment["TTS_RAY_CLUSTER"]) / "pids").read_text().split()
    found = [psutil.Process(int(pid)) for pid in nodes]
    return found + [child for node in found for child in node.children(recursive=True)]


@pytest.fixture(scope="module")
def cluster():
    """The environment of the user of a cluster of two nodes."""
    environment = environment_of("local")
    yield start(environment, "2", "1")
    stopped = script(environment, "stop")
    assert stopped.returncode == 0, stopped.stderr


def test_the_first_submission_to_a_fresh_cluster_works(cluster, tmp_path):
    _, _, *overrides = command(tmp_path / "run", "dataset.limit=4", "wandb.mode=disabled")
    dashboard = f"--address=http://127.0.0.1:{int(cluster['TTS_RAY_PORT']) + 1}"
    done = finish([sys.executable, "jobs/submit.py", *overrides, dashboard], cluster)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(rows(tmp_path / "run")) == 8


def test_a_job_joins_it_with_the_token_and_not_without(cluster, tmp_path):
    job = command(tmp_path / "run", "dataset.limit=4", "cluster.address=auto")
    done = finish(job, cluster)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(rows(tmp_path / "run")) == 8
    other = [*job, f"run={tmp_path / 'other'}"]
    refused = finish(other, cluster | {"RAY_AUTH_MODE": "disabled"})
    assert refused.returncode == 2, refused.stdout + refused.stderr


def test_only_its_owner_may_enter_its_folder(cluster):
    folder = Path(cluster["TTS_RAY_CLUSTER"])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "token").stat().st_mode) == 0o600
    assert len((folder / "pids").read_text().split()) == 3


def test_everything_of_it_listens_on_loopback_only(cluster):
    addresses = [
        (process.name(), connection.laddr)
        for process in processes_of(cluster)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    names = {name for name, _ in addresses}
    assert {"gcs_server", "raylet"} <= names
    for name, (host, port) in addresses:
        host = ip_address(host)
        host = getattr(host, "ipv4_mapped", None) or host
        assert host.is_loopback, f"{name} listens on {host}:{port}"


@pytest.fixture
def environment():
    """For a cluster that the test itself starts and stops."""
    environment = environment_of("stop")
    yield environment
    script(environment, "stop")


def test_stop_ends_every_process_and_leaves_no_folder(environment):
    start(environment, "1", "1")
    again = script(environment, "start")
    assert again.returncode == 1
    assert "stop" in again.stderr
    processes = processes_of(environment)
    assert len(processes) > 10
    stopped = script(environment, "stop")
    assert stopped.returncode == 0, stopped.stderr
    assert not [process for process in processes if process.is_running()]
    assert not Path(environment["TTS_RAY_CLUSTER"]).exists()


def test_a_folder_of_somebody_else_is_neither_used_nor_removed(tmp_path):
    environment = environment_of("other")
    folder = Path(environment["TTS_RAY_CLUSTER"])
    folder.mkdir()
    try:
        (folder / "pids").write_text(str(os.getpid()))
        assert script(environment, "start").returncode == 1
        assert "no cluster of yours" in script(environment, "stop").stderr
        assert (folder / "pids").exists()
    finally:
        (folder / "pids").unlink()
        folder.rmdir()


def test_a_process_that_has_got_the_number_of_a_node_is_left_alone():
    environment = environment_of("stale")
    folder = Path(environment["TTS_RAY_CLUSTER"])
    folder.mkdir(mode=0o700)
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        (folder / "token").touch()
        (folder / "pids").write_text(f"{bystander.pid}\n")
        assert script(environment, "stop").returncode == 0
        assert bystander.poll() is None
        assert not folder.exists()
    finally:
        bystander.kill()
        bystander.wait()


def test_a_folder_whose_name_is_too_long_for_rays_sockets_is_refused(tmp_path):
    refused = script(environment_of("long") | {"TTS_RAY_CLUSTER": f"/tmp/{'x' * 40}"}, "start")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
