"""jobs/doctor.py on real clusters: what is well, and what will not do, with its remedy."""

import io
import shutil
import subprocess
import sys

import pytest
import ray
from ray.cluster_utils import Cluster
from rich.console import Console

from tests.patience import PATIENCE_S
from tests.ray.test_job import ENVIRONMENT, ROOT
from tts_ray import pocket
from tts_ray.config import load_config
from tts_ray.runtime import doctor
from tts_ray.runtime.local_ray import NO_RAY_METRICS
from tts_ray.runtime.node_report import lacks

PAIR = ["policy=pocket-xs", "prm=pocket-prm", "dataset=pocket", "wandb.mode=disabled"]


@pytest.fixture(scope="module", autouse=True)
def two_nodes():
    cluster = Cluster()
    cluster.add_node(num_cpus=2, _system_config=NO_RAY_METRICS)
    cluster.add_node(num_cpus=2, num_gpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def failed(*arguments, run):
    """What will not do: what was found and the remedy, by check."""
    config = load_config([*PAIR, f"run={run}", *arguments], ROOT / "configs")
    return {
        check.what: (check.found, check.remedy)
        for check in doctor.examine(config)
        if check.has_failed
    }


def test_all_is_well_where_it_is(tmp_path):
    assert failed(run=tmp_path / "run") == {}
    assert not list((tmp_path / "run").iterdir())


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there are GPUs")
def test_gpus_that_ray_counts_and_the_node_lacks_are_named(tmp_path):
    found = failed("policy.gpus=0.5", "policy.model=scripted", run=tmp_path)
    assert found["GPUs"][0] == "Ray counts 1, nvidia-smi finds none"


def test_a_model_that_is_nowhere_is_named_with_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = failed("policy.model=no-one/no-model", run=tmp_path)
    assert found["model"] == (
        "no-one/no-model is no folder here and not in the hub's cache",
        "fetch it: --fetch",
    )


def test_a_checkpoint_that_lacks_a_file_is_no_checkpoint(tmp_path):
    checkpoint = tmp_path / "model"
    checkpoint.mkdir()
    (checkpoint / "config.json").write_text("{}")
    assert "holds no weights" in failed(f"policy.model={checkpoint}", run=tmp_path)["model"][0]
    (checkpoint / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "model-1.safetensors"}}'
    )
    found, _ = failed(f"policy.model={checkpoint}", run=tmp_path)["model"]
    assert "No such file" in found
    assert "model-1.safetensors" in found


def test_a_checkpoint_whose_index_is_cut_short_is_no_checkpoint(tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"a": "mod')
    assert "not a whole index" in lacks(str(tmp_path), None, fetch=False)


def test_a_checkpoint_that_would_load_to_nothing_good_is_named(tmp_path):
    checkpoint = shutil.copytree(pocket.weights("pocket-xs"), tmp_path / "model")
    assert lacks(str(checkpoint), None, fetch=False) == ""
    (checkpoint / "tokenizer.json").rename(checkpoint / "kept.json")
    assert "vocabulary" in lacks(str(checkpoint), None, fetch=False)
    (checkpoint / "kept.json").rename(checkpoint / "tokenizer.json")
    with open(checkpoint / "model.safetensors", "r+b") as weights:
        weights.truncate(100_000)
    assert "its header says" in lacks(str(checkpoint), None, fetch=False)


def test_too_many_replicas_are_refused_with_how_many_fit(tmp_path):
    found, remedy = failed("policy.replicas=4", run=tmp_path)["placement"]
    assert "need 5 CPU" in found
    assert "room for 3 policy replica(s)" in remedy


def test_room_that_is_taken_is_named(tmp_path):
    group = ray.util.placement_group([{"CPU": 2}, {"CPU": 1}])
    assert group.wait(PATIENCE_S)
    found, remedy = failed(run=tmp_path)["placement"]
    assert "1 of 4 CPU" in found
    assert remedy.startswith("wait, or: Add nodes")
    ray.util.remove_placement_group(group)


def test_a_directory_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    found, remedy = failed(run=tmp_path / "file" / "run")["run directory"]
    assert "Not a directory" in found
    assert remedy == "choose another run="


def test_other_versions_on_a_node_are_named(tmp_path, monkeypatch):
    mine = doctor.versions()
    monkeypatch.setattr(doctor, "versions", lambda: mine | {"torch": "0.1"})
    found, remedy = failed(run=tmp_path)["versions"]
    assert found == f"torch {mine['torch']}, not 0.1"
    assert "constraints.txt" in remedy


def test_a_node_that_cannot_look_around_says_why(tmp_path, monkeypatch):
    def lost(*_, **__):
        raise ModuleNotFoundError("No module named 'tts_ray'")

    monkeypatch.setattr(doctor, "report", lost)
    found, remedy = failed(run=tmp_path)["node"]
    assert found == "ModuleNotFoundError: No module named 'tts_ray'"
    assert ".venv on every node" in remedy


def test_words_in_brackets_are_shown_as_they_are():
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(doctor.checks_table([doctor.Check("x", "y", "search.name=[best_of_n,dvts]")]))
    assert "[best_of_n,dvts]" in console.export_text()


@pytest.mark.parametrize("mode", ["auto", "online"])
def test_a_wandb_that_does_not_answer_is_named(tmp_path, monkeypatch, mode):
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef" * 2 + "fedcba98")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    found, remedy = failed(f"wandb.mode={mode}", run=tmp_path)["W&B"]
    assert found.startswith("online: ")
    assert "wandb.mode=offline" in remedy


def test_the_job_prints_a_table_and_says_by_its_exit_code(two_nodes, tmp_path):
    def ran(*arguments):
        return subprocess.run(
            [sys.executable, "jobs/doctor.py", *PAIR, f"run={tmp_path}", *arguments],
            cwd=ROOT,
            env=ENVIRONMENT | {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    well = ran()
    assert well.returncode == 0, well.stdout + well.stderr
    assert "failed" not in well.stdout
    nobody = ran("cluster.address=127.0.0.1:9")
    assert nobody.returncode == 1, nobody.stdout + nobody.stderr
    assert "cluster/README.md" in nobody.stdout
    wrong = ran("policy.replicas=0")
    assert wrong.returncode == 2
    assert wrong.stderr.count("\n") == 1
