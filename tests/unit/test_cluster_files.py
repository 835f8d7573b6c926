"""The files of cluster/, by what can check them without a cluster."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from tts_ray.config import load_config

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "cluster"
SCRIPTS = sorted([*CLUSTER.rglob("*.sh"), *CLUSTER.rglob("*.sbatch")])
FILES = sorted(path for path in CLUSTER.rglob("*") if path.is_file())


def name(path):
    return path.name


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_a_script_is_bash(script):
    subprocess.run(["bash", "-n", str(script)], check=True)


def assert_passes(linter, *arguments):
    """The linters are packages of this environment."""
    command = [Path(sys.executable).with_name(linter), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("script", SCRIPTS, ids=name)
def test_a_script_passes_shellcheck(script):
    assert_passes("shellcheck", "--shell=bash", script)


def test_the_image_passes_hadolint():
    assert_passes("hadolint", CLUSTER / "Dockerfile")


def test_ray_up_accepts_its_file():
    validate_config(prepare_config(yaml.safe_load((CLUSTER / "ray-up.yaml").read_text())))


def kuberay(file):
    """A KubeRay document, and the cluster in it."""
    document = yaml.safe_load((CLUSTER / "kuberay" / file).read_text())
    return document, document["spec"].get("rayClusterSpec", document["spec"])


@pytest.mark.parametrize("file", ["raycluster.yaml", "rayjob.yaml"])
def test_a_kuberay_cluster_asks_for_a_token_and_its_head_takes_no_work(file):
    _, cluster = kuberay(file)
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert cluster["headGroupSpec"]["serviceType"] == "ClusterIP"
    for group in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]:
        for container in group["template"]["spec"]["containers"]:
            assert container["resources"]["limits"] == container["resources"]["requests"]
            assert all("value" not in variable for variable in container["env"])


def test_the_ray_job_runs_a_job_of_ours_with_a_config_that_is_one():
    document, cluster = kuberay("rayjob.yaml")
    assert document["spec"]["submissionMode"] == "SidecarMode"
    assert document["spec"]["backoffLimit"] > 0
    python, job, *arguments = document["spec"]["entrypoint"].split()
    assert python == "python"
    assert (ROOT / job).is_file()
    config = load_config(
        [str(ROOT / a) if a.endswith(".yaml") else a for a in arguments], ROOT / "configs"
    )
    assert config.run.startswith("/shared/")
    assert cluster["headGroupSpec"]["template"]["spec"]["restartPolicy"] == "Never"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_no_file_holds_a_secret_or_opens_a_port_to_everybody(path):
    text = path.read_text()
    assert not re.search(r"[0-9a-f]{32}|(KEY|TOKEN|SECRET)=[\"']?\w{12}", text)
    if path.suffix not in (".md", ".yaml"):
        assert "0.0.0.0" not in text
