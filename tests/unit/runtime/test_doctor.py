"""What the run's own command would refuse, jobs/doctor.py names before it; nothing is written."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.unit.engines.conftest import change
from tests.unit.runtime.test_changed_dataset import ROWS, do_all
from tts_ray import pocket
from tts_ray.commands import doctor as command
from tts_ray.config import load_config
from tts_ray.errors import ConfigError, TtsError
from tts_ray.results.folder import folder_at
from tts_ray.runtime.cell import Cell, problems_of
from tts_ray.runtime.doctor import Check, check_run_directory, check_these_models, checks_table
from tts_ray.runtime.run import check_models

CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.fixture
def config(tmp_path):
    """The configuration of a run on these rows, with more settings."""

    def made(*more, rows=ROWS):
        file = tmp_path / "problems.jsonl"
        file.write_text("\n".join(map(json.dumps, rows)))
        dataset = {"dataset": {"name": "d", "path": str(file)}}
        return load_config(
            [
                *("policy=scripted", "prm=scripted", dataset, "search.name=best_of_n"),
                *("search.n=4", f"run={tmp_path / 'run'}", "wandb.mode=disabled", *more),
            ],
            CONFIGS,
        )

    return made


def looked_at(config):
    """What doctor finds of the run directory; all files in it before and after."""
    run = Path(config.run)
    before = contents(run)
    left, check = check_run_directory(config, config.run, problems_of(config.dataset).problems)
    if left:
        folder_at(config.run).delete(left)
    assert contents(run) == before
    assert bool(left) != check.has_failed
    return check


def contents(run):
    return {file.name: file.read_bytes() for file in run.iterdir()} if run.is_dir() else {}


def refused(config):
    """What doctor finds, where the run's own command is refused."""
    check = looked_at(config)
    with pytest.raises(TtsError) as error, Cell(config):
        pass
    assert check.has_failed
    assert check.found in str(error.value)
    assert check.remedy in str(error.value) or check.remedy == "choose another run="
    return check


def test_a_run_directory_that_is_not_there_yet_can_be_written(config, tmp_path):
    assert looked_at(config()) == Check(
        "run directory", "driver", f"{tmp_path / 'run'} can be written"
    )


def test_a_run_that_goes_on_is_told_what_is_done(config):
    do_all(Cell(config(rows=ROWS[:5])))
    assert looked_at(config()).found.endswith("can be written; 5 searches are done")


def test_other_files_are_named(config, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("")
    assert "no run's (thesis.tex)" in refused(config()).found


def test_another_configuration_is_named_with_every_difference(config):
    do_all(Cell(config()))
    check = refused(config("seed=1", "sampling.temperature=0.5"))
    assert check.found.endswith("temperature: 0.7 -> 0.5, seed: 0 -> 1")
    assert "choose another run=" in check.remedy


def test_another_job_at_work_is_named_and_goes_on(config):
    with Cell(config()) as cell:
        check = refused(config())
        assert "another job is writing to" in check.found
        assert check.remedy == "wait for it or stop it"
        cell.directory.confirm()
    assert not looked_at(config()).has_failed


def test_problems_that_the_dataset_no_longer_has_are_named(config):
    do_all(Cell(config()))
    check = refused(config(rows=ROWS[:8]))
    assert "4 were taken away" in check.found
    assert check.remedy.startswith("dataset.changed=drop")
    assert not looked_at(config("dataset.changed=drop", rows=ROWS[:8])).has_failed


def test_a_damaged_part_is_named_but_is_no_failure(config):
    do_all(Cell(config()))
    run = Path(config().run)
    part = min(run.glob("part-*.parquet"))
    part.write_bytes(part.read_bytes()[:-10])
    check = looked_at(config())
    assert "11 searches are done; damaged, to be set aside and done again: " in check.found
    assert part.name in check.found
    assert not check.has_failed


@pytest.mark.parametrize("file", ["run.yaml", "problems.json"])
def test_a_damaged_file_of_the_run_is_named(config, file):
    do_all(Cell(config()))
    (Path(config().run) / file).write_text("[")
    assert f"{file} is damaged" in refused(config()).found


def test_results_without_a_description_are_named(config):
    do_all(Cell(config()))
    os.unlink(Path(config().run) / "run.yaml")
    assert "has results but no run.yaml" in refused(config()).found


def damaged(folder, what):
    if what == "no template":
        (folder / "chat_template.jinja").unlink()
    elif what == "no system turn":
        (folder / "chat_template.jinja").write_text("{{ messages[-1].content }}")
    elif what == "not of the format":
        change(folder / "config.json", architectures=["LlamaForCausalLM"])


@pytest.mark.parametrize(
    ("role", "model", "what", "line"),
    [
        ("policy", "pocket-xs", "no template", "has no chat template"),
        ("policy", "pocket-xs", "no system turn", "leaves the system turn out"),
        ("prm", "pocket-prm", "no template", "has no chat template"),
        ("prm", "pocket-prm", "no system turn", "leaves the system turn out"),
        ("prm", "pocket-prm", "not of the format", "needs a checkpoint of"),
    ],
)
def test_a_model_that_a_run_would_refuse_is_named(config, tmp_path, role, model, what, line):
    folder = shutil.copytree(pocket.weights(model), tmp_path / "model")
    damaged(folder, what)
    chosen = config(f"{role}={model}", f"{role}.model={folder}")
    problems = problems_of(chosen.dataset).problems
    (check,) = check_these_models(chosen, problems)
    assert check.has_failed
    assert line in check.found
    with pytest.raises(ConfigError, match=line):
        check_models(chosen.models(), problems)


def test_a_prm_that_cannot_read_long_responses_is_a_note_and_no_failure(config):
    chosen = config("prm=pocket-prm", "prm.max_model_len=200", "sampling.max_tokens=500")
    *_, check = check_these_models(chosen, problems_of(chosen.dataset).problems)
    assert "responses may have up to 500 tokens" in check.found
    assert check.remedy.startswith("lower sampling.max_tokens")
    assert not check.has_failed
    assert next(iter(checks_table([check]).columns[0].cells)).plain == "note"


def test_a_strategy_file_that_will_not_do_is_refused_as_by_the_run(tmp_path):
    arguments = ["policy=scripted", "prm=scripted", "dataset=pocket", "search.name=adaptive"]
    with pytest.raises(ConfigError, match="strategy"):
        command.main([*arguments, f"search.strategy={tmp_path / 'none.yaml'}"])
