"""Nobody gets into a run's own cluster: it listens on this machine's loopback address alone, and
without the token of the run nothing is answered there. The job is a real one, at work."""

import http.client
import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import psutil
import pytest

from tests.patience import PATIENCE_S
from tests.ray.test_job import ENVIRONMENT, ROOT, started

LOOPBACK = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
INTRUDER = """
import sys, ray
ray.init(address=sys.argv[1], logging_level="ERROR", log_to_driver=False)
open(sys.argv[2], "w").write(ray.get(ray.remote(lambda: "in").remote(), timeout=30))
"""


@pytest.fixture(scope="module")
def listening(tmp_path_factory):
    """(process name, address, port) of everything that a job at work listens on."""
    run = tmp_path_factory.mktemp("local") / "run"
    with started(run, "policy.extra={seconds: 600}", "cluster.grace_s=0") as process:
        lines = iter(process.stdout.readline, "")
        assert any(line.startswith("loading") for line in lines), "the job did not begin"
        yield list(until_it_serves(process))
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


def until_it_serves(process):
    """Wait until the dashboard agent, the last of Ray's processes to come up, takes jobs."""
    for _ in range(1200):
        assert process.poll() is None, "the job ended"
        found = set(listeners(process))
        if any("DashboardAgent" in name and answers(port) for name, _, port in found):
            return found
    raise AssertionError("no dashboard agent came up")


def listeners(process):
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            for connection in child.net_connections():
                if connection.status == psutil.CONN_LISTEN:
                    yield child.name(), connection.laddr.ip, connection.laddr.port
        except psutil.NoSuchProcess:
            continue


def answers(port, address="127.0.0.1"):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


def of(listening, name):
    """Ports of the processes with a name like this."""
    ports = {port for process, _, port in listening if name in process}
    assert ports, f"no {name} in {listening}"
    return ports


def test_every_process_listens_on_the_loopback_address_alone(listening):
    assert {"gcs_server", "raylet"} <= {name for name, _, _ in listening}
    assert {address for _, address, _ in listening} <= LOOPBACK


def test_no_other_address_of_the_machine_reaches_it(listening):
    mine = {
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET
    }
    ports = {port for _, _, port in listening}
    for address in (mine | {"127.0.0.2"}) - {"127.0.0.1"}:
        assert not [port for port in ports if answers(port, address) and not shared(port)]


def shared(port):
    """Whether another cluster's process listens on a port too, on an address of its own: Ray's
    agents ask for the same port on every cluster of a machine."""
    return (
        len(
            {
                c.pid
                for c in psutil.net_connections()
                if c.laddr and c.laddr.port == port and c.status == psutil.CONN_LISTEN
            }
        )
        > 1
    )


@pytest.mark.parametrize("token", ["", "Bearer " + "0" * 64])
def test_the_job_agent_runs_no_command_without_the_token(listening, tmp_path, token):
    mark = tmp_path / "mark"
    answered = 0
    for port in of(listening, "DashboardAgent"):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/job_agent/jobs/",
            json.dumps({"entrypoint": f"touch {mark}"}).encode(),
            {"Content-Type": "application/json", "Authorization": token},
        )
        try:
            urllib.request.urlopen(request, timeout=30)
        except urllib.error.HTTPError as refused:
            assert refused.code in (401, 403)
            answered += 1
        except (OSError, ValueError, http.client.HTTPException):
            continue  # the agent's other port does not speak HTTP
    assert answered == 1
    assert not mark.exists()


@pytest.mark.parametrize(
    "credentials",
    [{"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}],
    ids=["none", "wrong"],
)
def test_another_driver_is_refused_without_the_token(listening, tmp_path, credentials):
    mark = tmp_path / "mark"
    (port,) = of(listening, "gcs_server")
    # An intruder on this machine: Ray itself would look for the cluster at the outer address.
    inside = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    done = subprocess.run(
        [sys.executable, "-c", INTRUDER, f"127.0.0.1:{port}", str(mark)],
        env=ENVIRONMENT | credentials | inside,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode != 0
    assert "uthenticat" in done.stdout + done.stderr
    assert not mark.exists()


def test_the_token_is_in_no_file_of_the_run_and_not_on_a_command_line(listening, tmp_path):
    (raylet,) = {
        p.pid for p in psutil.process_iter(["name"]) if p.info["name"] == "raylet" and of_us(p)
    }
    token = psutil.Process(raylet).environ()["RAY_AUTH_TOKEN"]
    assert len(token) == 64
    assert "RAY_AUTH_TOKEN" not in ENVIRONMENT or os.environ["RAY_AUTH_TOKEN"] != token
    lines = [" ".join(p.info["cmdline"] or []) for p in psutil.process_iter(["cmdline"])]
    assert not [line for line in lines if token in line]


def test_the_engines_have_the_priority_of_their_job(listening):
    found = [
        p.nice()
        for p in psutil.process_iter(["name"])
        if "EngineActor" in p.info["name"] and of_us(p)
    ]
    assert set(found) == {os.getpriority(os.PRIO_PROCESS, 0)}


def test_no_process_is_started_that_a_single_node_has_no_use_for(listening):
    lines = [p.cmdline() for p in psutil.process_iter() if of_us(p)]
    scripts = {os.path.basename(word) for line in lines for word in line if word.endswith(".py")}
    assert not scripts & {"monitor.py", "log_monitor.py"}


def of_us(process):
    return os.getpid() in {parent.pid for parent in process.parents()}
