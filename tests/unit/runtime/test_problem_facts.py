"""What a run says of its problems: in run.yaml, on the console, in its report and beside its
identity in W&B."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path as File

import pytest
import yaml

from tests.unit import builders
from tests.unit.runtime.test_changed_dataset import ROWS, do_all
from tts_ray.config import DatasetConfig, load_config
from tts_ray.door import enter
from tts_ray.errors import ConfigError, StoreError
from tts_ray.grading.equivalence import Grader
from tts_ray.results.description import describe
from tts_ray.results.folder import folder_at
from tts_ray.results.tracking import run_id, tracker_of
from tts_ray.runtime.cell import grade, warn_of_rows
from tts_ray.runtime.doctor import check_dataset
from tts_ray.search.best_of_n import Majority
from tts_ray.types import Problem

CONFIGS = File(__file__).parents[3] / "configs"
BAD = {"problem": "What is nothing?", "answer": None}
SKIP = "dataset.skip_bad=true"


def facts(opened):
    return describe(folder_at(opened.config.run)).problems


def test_run_yaml_says_the_digest_and_what_was_left_out(cell):
    opened = cell([*ROWS, BAD], SKIP)
    do_all(opened)
    found = facts(opened)
    assert found == opened.facts
    assert (found.count, found.rows, found.left_out) == (12, 13, 1)
    assert len(found.digest) == 64


def test_a_job_on_a_dataset_that_grew_says_the_new_digest_and_keeps_the_rest(cell):
    first = cell(ROWS[:8])
    do_all(first)
    file = folder_at(first.config.run).path / "run.yaml"
    before = yaml.safe_load(file.read_text())
    second = cell(ROWS)
    do_all(second)
    after = yaml.safe_load(file.read_text())
    assert after.pop("problems") != before.pop("problems")
    assert after == before
    assert facts(second).count == 12


def test_a_job_that_is_refused_for_its_dataset_leaves_the_digest_as_it_was(cell):
    first = cell(ROWS)
    do_all(first)
    before = facts(first)
    with pytest.raises(ConfigError, match=r"dataset\.changed"):
        do_all(cell(ROWS[:8]))
    assert facts(first) == before


def test_another_order_is_the_same_digest_and_writes_nothing(cell):
    first = cell(ROWS)
    do_all(first)
    file = folder_at(first.config.run).path / "run.yaml"
    before = file.stat().st_mtime_ns
    do_all(cell(ROWS[::-1]))
    assert file.stat().st_mtime_ns == before


def test_a_run_of_before_there_was_a_digest_goes_on_and_gets_one(cell):
    first = cell(ROWS[:8], "search.n=1")
    do_all(first)
    file = folder_at(first.config.run).path / "run.yaml"
    said = yaml.safe_load(file.read_text())
    del said["problems"]
    assert not {"revision", "skip_bad", "changed"} & set(said["identity"]["dataset"])
    file.write_text(yaml.safe_dump(said))
    assert facts(first) is None
    assert enter("report", [first.config.run]) == 0
    assert do_all(cell(ROWS, "search.n=1")) == 4
    assert facts(first).count == 12


@pytest.mark.parametrize("setting", [SKIP, "dataset.skip_bad=false"])
def test_leaving_rows_out_is_part_of_the_configuration_and_not_doing_so_is_none(
    cell,
    setting,
):
    do_all(cell(ROWS))
    if setting == SKIP:
        with pytest.raises(StoreError, match=r"dataset\.skip_bad: None -> True"):
            do_all(cell(ROWS, setting))
    else:
        assert do_all(cell(ROWS, setting)) == 0


def test_a_revision_is_part_of_the_configuration():
    parts = ["policy=scripted", "prm=scripted", "dataset=math500"]
    plain = load_config(parts, CONFIGS)
    pinned = load_config([*parts, "dataset.revision=abc"], CONFIGS)
    assert pinned.digest != plain.digest
    assert pinned.identity()["dataset"]["revision"] == "abc"
    assert "revision" not in plain.identity()["dataset"]


def test_a_grown_dataset_is_the_same_run_in_wandb_and_shows_its_problems(cell):
    opened = cell(ROWS)
    folder, identity = folder_at(opened.config.run), opened.config.identity()
    shown = tracker_of(identity, opened.config.wandb, folder, {"count": 12, "digest": "d"})
    assert shown.id == run_id(folder.name, identity)
    assert shown.config["problems"] == {"count": 12, "digest": "d"}


def test_the_report_and_the_log_say_what_was_left_out(cell, capsys, caplog):
    opened = cell([*ROWS, BAD], SKIP, "search.n=1")
    do_all(opened)
    assert enter("report", [opened.config.run]) == 0
    said = "1 of 13 rows was left out (dataset.skip_bad), the first: "
    assert said in capsys.readouterr().out
    warn_of_rows([opened, opened])
    assert caplog.text.count(said) == 1


def test_the_doctor_and_the_plan_say_what_was_left_out(tmp_path, capsys):
    file = tmp_path / "x.jsonl"
    file.write_text("\n".join(map(json.dumps, [*ROWS, BAD])))
    dataset = DatasetConfig(name="d", path=str(file), skip_bad=True)
    problems, check = check_dataset(dataset)
    assert len(problems) == 12
    assert check.found.startswith("d: 12 problems; 1 of 13 rows was left out")
    assert not check.remedy
    plan = ["policy=scripted", "prm=scripted", f"dataset.path={file}", "dataset.name=d"]
    assert enter("plan", [*plan, SKIP]) == 0
    assert "d: 1 of 13 rows was left out" in capsys.readouterr().out
    assert enter("plan", plan) == 2
    assert "dataset.skip_bad=true leaves such rows out" in capsys.readouterr().err


def test_any_accepted_answer_is_right():
    problem = Problem.of("What is one half?", "0.5", also=("1/2", "half"))
    solutions = [builders.solution(f"So \\boxed{{{x}}}.") for x in ("half", "1/2", "2")]
    record = builders.record(problem, *solutions, search=Majority(n=3).id)

    async def graded(record):
        async with Grader(1, 5.0) as grader:
            return await grade(record, grader)

    found = asyncio.run(graded(record))
    assert [c.grade.correct for c in found.candidates] == [True, True, False]
    alone = asyncio.run(graded(replace(record, problem=Problem.of("q", "0.5"))))
    assert [c.grade.correct for c in alone.candidates] == [False, True, False]
