"""The job as a user runs it: a process of its own, killed, resumed, refused. No model."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.ray.wandb_file import wandb_history, wandb_records
from tts_ray.results.run_directory import parts, read

ROOT = Path(__file__).parent.parent.parent
POCKET = "configs/pocket.yaml"
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB", "RAY"))}
COUNT = 40


def command(run, *overrides):
    return [
        sys.executable,
        "jobs/evaluate.py",
        POCKET,
        "policy=scripted",
        "prm=scripted",
        f"dataset.limit={COUNT}",
        "search.name=[best_of_n,dvts]",
        "search.n=8",
        "policy.cpus=0.25",
        "prm.cpus=0.25",
        f"run={run}",
        *overrides,
    ]


def job(run, *overrides):
    return subprocess.run(
        command(run, *overrides),
        cwd=ROOT,
        env=ENVIRONMENT | {"HOME": str(run.parent), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def rows(run):
    return read(run, ["problem_id", "search", "error"]).to_pylist()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = tmp_path_factory.mktemp("job") / "run"
    done = job(run)
    assert done.returncode == 0, done.stdout + done.stderr
    return run, done


def test_a_finished_run_has_every_problem_and_search_once(finished):
    run, done = finished
    keys = Counter((row["problem_id"], row["search"]) for row in rows(run))
    assert len(keys) == 2 * COUNT
    assert set(keys.values()) == {1}
    assert f"{2 * COUNT}/{2 * COUNT}" in done.stdout


def test_the_same_command_finds_nothing_left_to_do(finished):
    run, _ = finished
    before = parts(run)
    again = job(run)
    assert again.returncode == 0
    assert f"{2 * COUNT} of {2 * COUNT} already done" in again.stdout
    assert parts(run) == before


def test_another_configuration_is_refused_with_the_difference(finished):
    run, _ = finished
    refused = job(run, "seed=5")
    assert refused.returncode == 2
    assert "seed: 0 -> 5" in refused.stderr


def test_more_replicas_are_the_same_run(finished):
    run, _ = finished
    assert job(run, "policy.replicas=2").returncode == 0


def test_bad_input_is_one_line_and_exit_code_two(finished):
    run, _ = finished
    refused = job(run, "search.n=7")
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert refused.stderr.count("\n") == 1
    assert "n=7 is not a multiple of m=4" in refused.stderr


def test_the_offline_wandb_run_shows_what_parquet_holds(finished):
    run, _ = finished
    (file,) = run.glob("wandb/offline-run-*/*.wandb")
    history = wandb_history(file)
    logged = [row for row in history if "tokens/policy_generated" in row]
    assert logged[-1]["problems_done"] == 2 * COUNT
    usage = read(run, ["policy_usage"]).to_pylist()
    generated = sum(row["policy_usage"]["generated_tokens"] for row in usage)
    assert logged[-1]["tokens/policy_generated"] == generated
    assert logged[-1]["flops/paper"] == 2 * generated
    accuracy = last_values(history)
    for key, value in accuracy.items():
        if key.startswith("accuracy/"):
            rest = key.removeprefix("accuracy/")
            assert accuracy[f"accuracy_low/{rest}"] < value + 1e-9
            assert accuracy[f"accuracy_high/{rest}"] > value - 1e-9
    assert {key.split("/")[1].split("(")[0] for key in accuracy if "by_level" in key} == {
        "best_of_n",
        "dvts",
    }
    assert 0 <= logged[-1]["idle_share/policy"] <= 1
    assert logged[-1]["tokens_per_s/policy"] > 0


def last_values(history):
    """What a dashboard shows of each metric."""
    return {key: value for row in history for key, value in row.items()}


def test_the_offline_wandb_run_ends_with_tables_a_curve_and_the_files(finished):
    run, _ = finished
    (file,) = run.glob("wandb/offline-run-*/*.wandb")
    last = last_values(wandb_history(file))
    tables = {name: last.get(f"{name}/nrows") for name in ("searches", "problems")}
    assert tables == {"searches": 2 * 9, "problems": 2 * COUNT}
    assert "curve/accuracy/dvts/last-vote" in last
    (artifact,) = [a for a in wandb_records(file, "artifact") if a.type == "results"]
    assert {entry.path for entry in artifact.manifest.contents} == {
        "run.yaml",
        *(part.name for part in parts(run)),
    }
    steps = {
        metric.glob_name or metric.name: metric.step_metric
        for metric in wandb_records(file, "metric")
    }
    assert steps["accuracy/*"] == "flops/paper"
    assert steps["curve/*"] == "curve/flops_paper"


def test_sync_shows_the_same_from_the_files_alone(finished, tmp_path):
    run, _ = finished
    copy = tmp_path / run.name
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("wandb"))
    subprocess.run(
        [sys.executable, "jobs/sync.py", str(copy), "--mode", "offline"],
        cwd=ROOT,
        env=ENVIRONMENT | {"PYTHONPATH": str(ROOT)},
        timeout=120,
        check=True,
    )
    (first,) = run.glob("wandb/offline-run-*/*.wandb")
    (again,) = copy.glob("wandb/offline-run-*/*.wandb")
    assert first.name == again.name

    def shown(file):
        of_the_moment = ("tokens_per_s", "idle_share", "_")
        return {
            key: value
            for key, value in last_values(wandb_history(file)).items()
            if not key.startswith(of_the_moment) and "/" in key and "path" not in key
        }

    assert shown(again) == shown(first)


def test_the_report_prints_a_table_and_writes_plots(finished):
    run, _ = finished
    done = subprocess.run(
        [sys.executable, "jobs/report.py", str(run)],
        cwd=ROOT,
        env=ENVIRONMENT | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "best_of_n" in done.stdout
    assert "dvts" in done.stdout
    for name in ("accuracy.png", "by_difficulty.png", "by_level.png"):
        assert (run / name).read_bytes().startswith(b"\x89PNG")


def test_a_poisoned_problem_is_owed_and_the_exit_code_says_so(tmp_path):
    run = tmp_path / "run"
    poison = ("policy.extra={poison: 'Find'}", "dataset.limit=6")
    failed = job(run, *poison)
    assert failed.returncode == 1, failed.stdout + failed.stderr
    owed = [row for row in rows(run) if row["error"]]
    assert owed
    assert f"{len(owed)} of 12 searches failed" in failed.stdout
    assert job(run, "dataset.limit=6").returncode == 0


def usage_of(run):
    """The summed policy usage of a run, caches aside."""
    totals = Counter()
    for row in read(run, ["policy_usage"]).to_pylist():
        totals.update(row["policy_usage"])
    return totals


def test_ten_kills_and_a_resume_leave_every_problem_exactly_once_and_the_same_ledger(
    finished, tmp_path
):
    run = tmp_path / "run"
    slow = "policy.extra={seconds: 0.4}"
    few = "policy.max_num_seqs=8"
    dice = random.Random(0)
    for _ in range(10):
        process = subprocess.Popen(
            command(run, slow, few),
            cwd=ROOT,
            env=ENVIRONMENT | {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        before = len(parts(run))
        deadline = time.monotonic() + 60
        while len(parts(run)) == before and process.poll() is None:
            assert time.monotonic() < deadline, "nothing was written"
            time.sleep(0.05)
        time.sleep(dice.random())
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    assert job(run).returncode == 0
    keys = Counter((row["problem_id"], row["search"]) for row in rows(run))
    assert len(keys) == 2 * COUNT
    assert set(keys.values()) == {1}
    assert usage_of(run) == usage_of(finished[0])
