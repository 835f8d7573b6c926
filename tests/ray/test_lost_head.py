"""A job whose cluster loses its head: it ends, and the same command completes it on another."""

from collections import Counter
from contextlib import contextmanager

from ray.cluster_utils import Cluster

from tests.patience import PATIENCE_S
from tests.ray.test_job import COUNT, job, rows, started, wait_for_results
from tts_ray.runtime.local_ray import NO_RAY_METRICS

SOON = {"RAY_gcs_rpc_server_reconnect_timeout_s": "5"}
"""How long Ray's processes wait for a lost head; a minute is its default."""


@contextmanager
def cluster():
    found = Cluster()
    found.add_node(num_cpus=2, _system_config=NO_RAY_METRICS)
    try:
        yield found
    finally:
        found.shutdown()


def test_a_lost_head_ends_the_job_and_another_cluster_completes_it(tmp_path, monkeypatch):
    run = tmp_path / "run"
    for name, value in SOON.items():
        monkeypatch.setenv(name, value)
    with cluster() as first:
        slow = "policy.extra={seconds: 2}"
        with started(run, slow, f"cluster.address={first.address}", **SOON) as process:
            wait_for_results(run, process)
            first.remove_node(first.head_node, allow_graceful=False)
            process.communicate(timeout=PATIENCE_S)
        assert process.returncode != 0  # by Ray, which ends a driver without a head
    before = len(rows(run))
    assert before > 0
    with cluster() as second:
        done = job(run, f"cluster.address={second.address}")
    assert done.returncode == 0, done.stdout + done.stderr
    keys = Counter((row["problem_id"], row["search"]) for row in rows(run))
    assert set(keys.values()) == {1}
    assert len(keys) == 2 * COUNT
