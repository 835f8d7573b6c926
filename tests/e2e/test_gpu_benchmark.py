"""The measurement of one GPU, whole and in miniature on a CPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
EVERYTHING = ("checkpoints", "searches", "scores", "memory", "losses")
SEARCHES = ("greedy", "best_of_n", "beam_search", "dvts")


def measured(out, *arguments):
    """The rows of one run, and how it ended."""
    done = subprocess.run(
        [sys.executable, "benchmarks/gpu.py", "--tiny", f"--out={out}", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_S,
        check=False,
    )
    return json.loads((out / "gpu.json").read_text()), done


def values(rows, part, figure):
    """Figures of one kind, by what they are of."""
    return {
        row["of"]: row["value"] for row in rows if (row["part"], row["figure"]) == (part, figure)
    }


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    out = tmp_path_factory.mktemp("gpu")
    rows, done = measured(out, "--minutes=60")
    assert done.returncode == 0, done.stdout + done.stderr
    return rows


def test_every_part_gives_its_rows(everything):
    parts = dict.fromkeys(row["part"] for row in everything)
    assert tuple(parts) == EVERYTHING
    assert not [row for row in everything if row["figure"] == "failed"]


def test_checkpoints_have_the_parameters_that_are_counted(everything):
    rows = [row for row in everything if row["figure"] == "parameters"]
    assert len(rows) == 3
    assert all(row["beside"] == f"counted {row['value']:,}" for row in rows)


def test_searches_have_steps_and_answers_and_a_rate_beside_the_plain_one(everything):
    rates = values(everything, "searches", "of plain")
    for name in SEARCHES:
        assert [rate for of, rate in rates.items() if of.startswith(name) and rate > 0]
    found = values(everything, "searches", "tokens a step, candidates that ended")
    for of, text in found.items():
        steps, ended = text.split(", ")
        assert 6 < float(steps) < 24 or of.startswith("greedy"), of
        assert int(ended) > 0, of


def test_scores_come_out_the_same_in_every_way(everything):
    rows = [row for row in everything if "largest difference" in row["figure"]]
    assert len(rows) == 15
    assert max(row["value"] for row in rows) < 1e-4
    (spread,) = values(everything, "scores", "spread of the scores").values()
    assert spread > 1e-2


def test_what_was_killed_gives_its_memory_back_and_serves_again(everything):
    back = values(everything, "losses", "memory back after, s")
    served = values(everything, "losses", "serves again after, s")
    assert len(back) == 2
    assert all(back[of] < served[of] for of in back)


def test_without_ray_engines_serve_in_the_parts_own_process(tmp_path):
    rows, done = measured(tmp_path, "--minutes=60", "--no-ray", "--parts=checkpoints,losses")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(values(rows, "losses", "serves again after, s")) == 1


def test_parts_can_be_imported_where_ray_is_not():
    modules = [f"benchmarks.one_card.{part}" for part in EVERYTHING]
    code = f"import sys; sys.modules['ray'] = None; import {', '.join(modules)}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_part_that_fails_costs_only_its_rows(tmp_path):
    rows, done = measured(tmp_path, "--minutes=60", "--parts=losses,checkpoints")
    assert done.returncode == 1
    assert "the part itself" in values(rows, "losses", "failed")
    assert len(values(rows, "checkpoints", "parameters")) == 3


def test_what_time_does_not_suffice_for_is_said(tmp_path):
    rows, done = measured(tmp_path, "--minutes=0", "--parts=memory")
    assert done.returncode == 1
    assert values(rows, "memory", "failed") == {"the part itself": "not begun: the time was up"}


def test_a_part_that_does_not_exist_is_refused(tmp_path):
    done = subprocess.run(
        [sys.executable, "benchmarks/gpu.py", "--parts=serches", f"--out={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "'serches' is none of checkpoints, searches" in done.stderr
