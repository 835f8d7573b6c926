"""A job whose own Ray loses its only node ends soon: no other node can come."""

import psutil

from tests.patience import PATIENCE_S
from tests.ray.test_job import job, rows, started, wait_for_results


def test_a_local_run_that_loses_its_raylet_ends_resumable_long_before_its_patience(tmp_path):
    run = tmp_path / "run"
    # The first call ends, so that there is a result to wait for, and no other does.
    never = (f"policy.extra={{hang: {[*range(2, 50)]}}}", "cluster.revival_s=100000")
    with started(run, *never, "dataset.limit=2") as process:
        wait_for_results(run, process)
        children = psutil.Process(process.pid).children(recursive=True)
        (raylet,) = [child for child in children if child.name() == "raylet"]
        raylet.kill()
        said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2, said
    assert "Ray's only node on this machine is gone" in said
    assert "run the same command to resume" in said
    assert job(run, "dataset.limit=2").returncode == 0
    assert len({(row["problem_id"], row["search"]) for row in rows(run)}) == 4
