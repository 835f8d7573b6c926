"""The sweep as a user runs it, on scripted engines: resumed, extended, limited, failing in part."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.patience import PATIENCE_S
from tests.ray.wandb_file import wandb_history, wandb_records
from tts_ray.results.folder import folder_at
from tts_ray.results.stored_parts import parts, read, records

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("WANDB", "RAY"))}
SEARCH = {"name": ["greedy", "best_of_n", "beam_search", "dvts"], "n": [4, 8]}
BASE = {
    "dataset": {"limit": 10},
    "wandb": {"mode": "disabled"},
    "policy": {"cpus": 0.25},
    "prm": {"cpus": 0.25},
}
GRID = {"policies": ["scripted"], "prms": ["scripted"], "datasets": ["pocket"], "search": SEARCH}


def sweep(folder, *arguments, grids=(GRID,), base=BASE):
    file = folder / "sweep.yaml"
    run = folder / "sweep"
    file.write_text(yaml.safe_dump({"run": str(run), "grids": list(grids), "base": base}))
    return run, command("jobs/sweep.py", file, *arguments)


def command(*words):
    return subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=ROOT,
        env=ENVIRONMENT | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def done_of(run):
    """Problems done in each cell."""
    return {
        path.name: sum(row["error"] is None for row in read(folder_at(path), ["error"]).to_pylist())
        for path in sorted(run.iterdir())
        if path.is_dir()
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    run, done = sweep(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, run


def test_every_cell_holds_every_problem_once(finished):
    _, run = finished
    assert len(done_of(run)) == 5
    assert set(done_of(run).values()) == {10}


def test_a_new_cell_is_all_that_runs(finished):
    folder, run = finished
    before = {path: parts(folder_at(path)) for path in run.iterdir() if path.is_dir()}
    more = GRID | {"search": SEARCH | {"n": [4, 8, 16]}}
    _, again = sweep(folder, grids=[more])
    assert again.returncode == 0, again.stdout + again.stderr
    new = set(done_of(run)) - {path.name for path in before}
    assert {name.split("--")[3] for name in new} == {
        "best_of_n-n16",
        "beam_search-n16",
        "dvts-n16",
    }
    assert all(parts(folder_at(path)) == there for path, there in before.items())


def test_the_report_comes_from_the_files_alone(finished):
    _, run = finished
    done = command("jobs/sweep_report.py", run)
    assert done.returncode == 0, done.stderr
    assert "cross-validated" in done.stdout
    assert (run / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    (file,) = run.glob("strategy-*.yaml")
    assert yaml.safe_load(file.read_text())["pilot"] == 4


def test_the_plan_runs_a_pilot_of_the_smallest_budgets_only(tmp_path):
    run, done = sweep(tmp_path, "--plan", "--pilot", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    held = {name.split("--", 2)[2].rsplit("--", 1)[0]: n for name, n in done_of(run).items()}
    small = {name: n for name, n in held.items() if n}
    assert set(small.values()) == {2}
    assert {name.split("--")[-1] for name in small} == {
        *("greedy-n1", "best_of_n-n8", "beam_search-n4", "dvts-n8")
    }
    assert "finished by" in done.stdout


def test_a_plan_whose_pilot_is_done_is_made_again(tmp_path):
    _, first = sweep(tmp_path, "--plan", "--pilot", "1")
    assert first.returncode == 0, first.stdout + first.stderr
    _, again = sweep(tmp_path, "--plan", "--pilot", "1")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "what is left of the sweep" in again.stdout
    assert "pilot failed" not in again.stdout
    assert "the pilot ran in an earlier job" in again.stdout


def test_a_pilot_of_no_problem_is_refused(tmp_path):
    _, refused = sweep(tmp_path, "--plan", "--pilot", "0")
    assert refused.returncode == 2
    assert "must be a whole number of at least 1, not '0'" in refused.stderr


def test_a_limit_stops_the_sweep_which_goes_on_when_it_is_raised(tmp_path):
    # more sequences than the engines take at once, so that some problems wait for others
    wide = GRID | {"search": {"name": "best_of_n", "n": 64}}
    base = BASE | {"dataset": {"limit": 100}}
    run, stopped = sweep(tmp_path, "limits.flops=1000", grids=[wide], base=base)
    assert stopped.returncode == 3, stopped.stdout + stopped.stderr
    assert "stopped at limits.flops=1000" in stopped.stdout
    (done,) = done_of(run).values()
    assert 0 < done < 100
    _, again = sweep(tmp_path, grids=[wide], base=base)
    assert again.returncode == 0, again.stdout + again.stderr
    assert set(done_of(run).values()) == {100}


def test_models_that_find_no_place_leave_only_their_cells_undone(tmp_path):
    small = {"policies": ["pocket-xs"], "prms": ["scripted"], "datasets": ["pocket"]}
    greedy = {"search": {"name": "greedy"}}
    base = json.loads(json.dumps(BASE)) | {"cluster": {"placement_s": 5}}
    too_large = {"policies": ["qwen2.5-72b-instruct"]} | greedy
    grids = [small | greedy | too_large, GRID]
    run, done = sweep(tmp_path, grids=grids, base=base)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "need 4 GPU" in " ".join(done.stdout.split())
    held = done_of(run)
    assert {n for name, n in held.items() if name.startswith("scripted")} == {10}
    assert {n for name, n in held.items() if name.startswith("qwen")} == {0}


@pytest.mark.parametrize("name", ["best_of_n", "majority"])
def test_a_pool_scored_again_is_what_the_search_would_have_left(finished, name):
    folder, run = finished
    pool = next(run.glob("*best_of_n-n8--*"))
    source = pool
    if name == "majority":
        grid = {"policies": ["scripted"], "datasets": ["pocket"], "search": {"name": name, "n": 8}}
        (folder / "votes").mkdir()
        other, done = sweep(folder / "votes", grids=[grid])
        assert done.returncode == 0, done.stdout + done.stderr
        (source,) = other.glob("*majority*")
    again = folder / f"again-{name}"
    done = command("jobs/rescore.py", source, "prm=scripted", "prm.cpus=0.25", f"run={again}")
    assert done.returncode == 0, done.stdout + done.stderr

    def facts(path):
        return {
            r.problem.id: (r.search, r.nodes, r.candidates, r.policy_usage)
            for r in records(folder_at(path))
        }

    assert facts(again) == facts(pool)


def test_scoring_again_stops_when_asked_and_goes_on(finished, tmp_path):
    _, run = finished
    source = next(run.glob("*best_of_n-n8--*"))
    again = tmp_path / "again"
    words = ("jobs/rescore.py", source, "prm=scripted", "prm.cpus=0.25", f"run={again}")
    # All trees are admitted at once: the first call ends, and no other does.
    slow = (*words, f"prm.extra={{hang: {[*range(2, 50)]}}}", "cluster.grace_s=0")
    with subprocess.Popen(
        [sys.executable, *map(str, slow)],
        cwd=ROOT,
        env=ENVIRONMENT | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as job:
        # The engines are up and searches in flight once a first one is stored.
        ends = time.monotonic() + PATIENCE_S
        while not (again.is_dir() and parts(folder_at(again))) and time.monotonic() < ends:
            assert job.poll() is None, job.stdout.read()
            time.sleep(0.05)
        job.send_signal(signal.SIGTERM)
        said, _ = job.communicate(timeout=PATIENCE_S)
    assert job.returncode == 4, said
    stored = [record.problem.id for record in records(folder_at(again))]
    assert 0 < len(stored) == len(set(stored)) <= 10
    done = command(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    stored = [record.problem.id for record in records(folder_at(again))]
    assert len(stored) == len(set(stored)) == 10


def test_a_guided_search_cannot_be_scored_again(finished):
    _, run = finished
    beam = next(run.glob("*beam_search-n8--*"))
    refused = command("jobs/rescore.py", beam, "prm=scripted")
    assert refused.returncode == 2
    assert "guided by the scores" in refused.stderr


def test_a_stored_run_is_logged_again_from_parquet_alone(finished):
    _, run = finished
    pool = next(run.glob("*best_of_n-n8--*"))
    done = command("jobs/sync.py", pool, "--mode", "offline")
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = pool.glob("wandb/offline-run-*/*.wandb")
    history = [row for row in wandb_history(file) if "tokens/policy_generated" in row]
    assert [row["problems_done"] for row in history] == list(range(1, 11))
    generated = sum(r.policy_usage.generated_tokens for r in records(folder_at(pool)))
    assert history[-1]["tokens/policy_generated"] == generated
    assert history[-1]["flops/paper"] == 2 * generated
    assert any(key.startswith("accuracy/best_of_n n=8/") for key in history[-1])


def test_a_sweep_shown_again_has_a_run_of_its_own_with_every_cell_and_its_strategies(finished):
    _, run = finished
    assert command("jobs/sweep_report.py", run).returncode == 0
    done = command("jobs/sync.py", run, "--mode", "offline")
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = run.glob("wandb/offline-run-*/*.wandb")
    (row,) = wandb_history(file)
    cells = len([path for path in run.iterdir() if (path / "run.yaml").is_file()])
    assert row["cells/nrows"] >= cells
    (kept,) = [a for a in wandb_records(file, "artifact") if a.name.endswith("-strategies")]
    assert [entry.path for entry in kept.manifest.contents] == [
        path.name for path in sorted(run.glob("strategy-*.yaml"))
    ]
