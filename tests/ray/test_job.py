"""The job as a user runs it: a process of its own, killed, resumed, refused. No model."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S
from tests.ray.wandb_file import wandb_history, wandb_records
from tts_ray.results.folder import folder_at
from tts_ray.results.stored_parts import parts, read

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
        timeout=PATIENCE_S,
        check=False,
    )


def rows(run):
    found = read(folder_at(run), ["problem_id", "search", "n", "error"]).to_pylist()
    return [row | {"search": (row["search"], row["n"])} for row in found]


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


def test_the_parts_of_a_finished_run_are_one(finished):
    run, done = finished
    (part,) = parts(folder_at(run))
    assert part.startswith("part-000001-0")
    assert [path.name for path in run.glob("part-*")] == [part]
    assert "merged" not in done.stdout + done.stderr


def test_the_same_command_finds_nothing_left_to_do(finished):
    run, _ = finished
    before = parts(folder_at(run))
    again = job(run)
    assert again.returncode == 0
    assert f"{2 * COUNT} of {2 * COUNT} already done" in again.stdout
    assert parts(folder_at(run)) == before


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


def test_a_run_that_can_lie_nowhere_is_one_line_and_exit_code_two(tmp_path):
    (tmp_path / "run").write_text("a file")
    refused = job(tmp_path / "run")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "cannot be written" in refused.stderr


def test_the_offline_wandb_run_shows_what_parquet_holds(finished):
    run, _ = finished
    (file,) = run.glob("wandb/offline-run-*/*.wandb")
    history = wandb_history(file)
    logged = [row for row in history if "tokens/policy_generated" in row]
    assert logged[-1]["problems_done"] == 2 * COUNT
    usage = read(folder_at(run), ["policy_usage"]).to_pylist()
    generated = sum(row["policy_usage"]["generated_tokens"] for row in usage)
    assert logged[-1]["tokens/policy_generated"] == generated
    assert logged[-1]["flops/paper"] == 2 * generated
    accuracy = last_values(history)
    for key, value in accuracy.items():
        if key.startswith("accuracy/"):
            rest = key.removeprefix("accuracy/")
            assert accuracy[f"accuracy_low/{rest}"] < value + 1e-9
            assert accuracy[f"accuracy_high/{rest}"] > value - 1e-9
    assert {key.split("/")[1] for key in accuracy if "by_level" in key} == {
        "best_of_n n=8",
        "dvts n=8",
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
        *parts(folder_at(run)),
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
        timeout=PATIENCE_S,
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
        timeout=PATIENCE_S,
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
    unfinished = [row for row in rows(run) if row["error"]]
    assert unfinished
    assert f"{len(unfinished)} of 12 searches failed" in failed.stdout
    before = parts(folder_at(run))
    again = job(run, "dataset.limit=6")
    assert again.returncode == 1
    assert parts(folder_at(run)) == before
    assert job(run, "dataset.limit=6", "--retry-failed").returncode == 0
    assert len({(row["problem_id"], row["search"]) for row in rows(run) if not row["error"]}) == 12


def usage_of(run):
    """The summed policy usage of a run, caches aside."""
    totals = Counter()
    for row in read(folder_at(run), ["policy_usage"]).to_pylist():
        totals.update(row["policy_usage"])
    return totals


def environment_of_the_cluster():
    """What a driver needs to join the Ray that this process has started for itself."""
    token = {k: v for k, v in os.environ.items() if k.startswith("RAY_AUTH")}
    return token | {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


def test_twenty_kills_and_a_resume_leave_every_problem_exactly_once_and_the_same_ledger(
    finished, cluster, tmp_path
):
    import ray

    run = tmp_path / "run"
    address = f"cluster.address={ray.get_runtime_context().gcs_address}"
    slow = "policy.extra={seconds: 0.4}"
    dice = random.Random(0)
    for _ in range(20):
        process = subprocess.Popen(
            command(run, slow, address),
            cwd=ROOT,
            env=ENVIRONMENT
            | {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
            | environment_of_the_cluster(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        before = len(parts(folder_at(run)))
        deadline = time.monotonic() + PATIENCE_S
        while len(parts(folder_at(run))) == before and process.poll() is None:
            assert time.monotonic() < deadline, "nothing was written"
            time.sleep(0.02)
        time.sleep(dice.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_S)
    assert job(run).returncode == 0
    keys = Counter((row["problem_id"], row["search"]) for row in rows(run))
    assert len(keys) == 2 * COUNT
    assert set(keys.values()) == {1}
    assert usage_of(run) == usage_of(finished[0])


@contextmanager
def started(run, *overrides, **environment):
    """A job in a process group of its own, as a terminal or a batch system starts it."""
    process = subprocess.Popen(
        command(run, *overrides),
        cwd=ROOT,
        env=ENVIRONMENT | {"HOME": str(run.parent), "PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(PATIENCE_S)
        process.stdout.close()


def wait_for_results(run, process):
    deadline = time.monotonic() + PATIENCE_S
    while not parts(folder_at(run)):
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline, "nothing was written"
        time.sleep(0.05)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_job_that_is_asked_to_stop_finishes_what_is_in_flight_and_can_be_resumed(tmp_path, how):
    run = tmp_path / "run"
    with started(run, "policy.extra={seconds: 0.4}", "policy.max_num_seqs=8") as process:
        wait_for_results(run, process)
        # A terminal sends Ctrl-C to the whole group, a batch system SIGTERM to the job alone.
        (os.killpg if how == signal.SIGINT else os.kill)(process.pid, how)
        said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 4, said
    assert "interrupted; run the same command to go on" in said
    assert all(row["error"] is None for row in rows(run))
    assert job(run).returncode == 0
    keys = Counter((row["problem_id"], row["search"]) for row in rows(run))
    assert set(keys.values()) == {1}
    assert len(keys) == 2 * COUNT


def test_what_does_not_end_in_time_is_abandoned_and_a_second_signal_ends_the_job_at_once(tmp_path):
    # The first call ends, so that there is a result to wait for, and no other does.
    never = (f"policy.extra={{hang: {[*range(2, 50)]}}}", "dataset.limit=2")
    for grace, signals in ((0.5, 1), (600, 2)):
        run = tmp_path / f"run-{signals}"
        with started(run, *never, f"cluster.grace_s={grace}") as process:
            wait_for_results(run, process)
            process.send_signal(signal.SIGTERM)
            for line in process.stdout:
                if f"in flight has {grace:g} s" in line:
                    break
            if signals == 2:
                process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 4
        assert len(rows(run)) == 1


def test_a_wandb_that_cannot_be_reached_costs_the_run_nothing_and_its_key_is_nowhere(tmp_path):
    run = tmp_path / "run"
    key = "0123456789abcdef" * 2 + "fedcba98"
    nobody = {"WANDB_API_KEY": key, "WANDB_BASE_URL": "http://127.0.0.1:9"}
    with started(run, "dataset.limit=6", "wandb.mode=auto", **nobody) as process:
        said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    assert "W&B cannot be reached, so the run is logged offline" in said
    assert len(rows(run)) == 12
    (file,) = run.glob("wandb/offline-run-*/*.wandb")
    assert "curve/accuracy/dvts/last-vote" in last_values(wandb_history(file))
    files = [path for path in run.rglob("*") if path.is_file()]
    assert not [path for path in files if key.encode() in path.read_bytes()]
    assert key not in said


def test_a_disk_that_is_full_at_the_start_is_one_line_and_exit_code_two(tmp_path):
    """A limit of 1 KiB a file stands in for the disk: the lock and the probe still fit."""
    run = tmp_path / "run"
    full = ["bash", "-c", 'ulimit -f 1; exec "$@"', "bash"]
    done = subprocess.run(
        [*full, *command(run)],
        cwd=ROOT,
        env=ENVIRONMENT | {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1
    assert "cannot be written" in done.stderr
    assert not (run / "job.log").exists()


def test_any_name_of_a_run_directory_is_shown_by_wandb_and_on_the_terminal(tmp_path):
    run = tmp_path / "2026-11-25T22:15 #1? [/]é 100%"
    run.parent.mkdir(parents=True, exist_ok=True)
    done = job(run, "dataset.limit=3", "wandb.mode=offline")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"results in {run}" in done.stdout
    assert "W&B failed" not in done.stdout + done.stderr
    (file,) = run.glob("wandb/offline-run-*/*.wandb")
    assert "curve/accuracy/dvts/last-vote" in last_values(wandb_history(file))
    (shown,) = wandb_records(file, "run")
    assert shown.display_name == run.name
    assert [a for a in wandb_records(file, "artifact") if a.type == "results"]


def test_a_directory_that_vanishes_while_the_job_runs_ends_it_with_exit_code_two(tmp_path):
    run = tmp_path / "run"
    with started(run, "policy.extra={seconds: 0.4}", "search.n=128", "search.m=8") as process:
        wait_for_results(run, process)
        run.rename(tmp_path / "moved")
        said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2, said
    assert f"its results are in {tmp_path / 'moved'}" in said
    assert not run.exists() or not parts(folder_at(run))
    before = len(rows(tmp_path / "moved"))
    assert 0 < before < 2 * COUNT
