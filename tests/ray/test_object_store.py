"""A job whose run directory lies in an object store: the same job, the same files."""

import os
import subprocess
import sys

import pytest

from tests.patience import PATIENCE_S
from tests.ray.test_job import ENVIRONMENT, ROOT, command
from tts_ray.results.folder import folder_at
from tts_ray.results.stored_parts import read


@pytest.fixture(scope="module")
def outside(bucket):
    """The environment of a process that may use the bucket."""
    found = {key: value for key, value in os.environ.items() if key.startswith("AWS_")}
    return ENVIRONMENT | found | {"PYTHONPATH": str(ROOT)}


def ran(words, folder, environment):
    return subprocess.run(
        words,
        cwd=folder,
        env=environment | {"HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_a_job_its_resume_its_report_and_its_sync(bucket, outside, tmp_path):
    run = f"{bucket}/jobs/run"
    python, job, config, *rest = command(run, "dataset.limit=6")
    words = [python, str(ROOT / job), str(ROOT / config), *rest]
    done = ran(words, tmp_path, outside)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = folder_at(run)
    assert len(read(folder, ["error"])) == 12
    assert "lock" not in folder.files()
    assert list((tmp_path / "runs" / "runs" / "jobs" / "run").glob("wandb/offline-run-*/*.wandb"))
    again = ran(words, tmp_path, outside)
    assert again.returncode == 0
    assert "12 of 12 already done" in again.stdout
    for name in ("report", "sync"):
        shown = ran([sys.executable, str(ROOT / f"jobs/{name}.py"), run], tmp_path, outside)
        assert shown.returncode == 0, shown.stdout + shown.stderr
    assert folder.read("accuracy.png").startswith(b"\x89PNG")


def test_a_store_that_is_not_there_is_refused_in_one_line(bucket, outside, tmp_path):
    python, job, config, *rest = command("s3://nobody/run")
    refused = ran([python, str(ROOT / job), str(ROOT / config), *rest], tmp_path, outside)
    assert refused.returncode == 2
    assert "cannot be written" in refused.stderr
    assert refused.stderr.count("\n") == 1
