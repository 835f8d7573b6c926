"""The files of cluster/, by what can check them without a cluster."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from tts_ray.config import load_config
from tts_ray.runtime.submission import CREDENTIALS

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


def pods(file):
    """The templates of a KubeRay document's pods."""
    _, cluster = kuberay(file)
    return [group["template"] for group in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]]


@pytest.mark.parametrize("file", ["raycluster.yaml", "rayjob.yaml"])
def test_every_container_runs_without_privileges_and_writes_to_its_mounts_only(file):
    for pod in pods(file):
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
            for path in ("/tmp", *written_by_the_image()):
                assert "emptyDir" in volumes[mounts[path]]
            assert set(mounts.values()) <= set(volumes)


def written_by_the_image():
    """The folders of the image's user: its home, and the project's runs."""
    text = (CLUSTER / "Dockerfile").read_text()
    (home,) = re.findall(r"ENV HOME=(\S+)", text)
    (project,) = re.findall(r"WORKDIR (\S+)", text)
    return home, f"{project}/runs"


@pytest.mark.parametrize("file", ["raycluster.yaml", "rayjob.yaml"])
def test_only_the_clusters_own_pods_and_the_operator_reach_its_pods(file):
    policy = yaml.safe_load((CLUSTER / "kuberay" / "networkpolicy.yaml").read_text())["spec"]
    chosen = policy["podSelector"]["matchLabels"]
    assert all(chosen.items() <= pod["metadata"]["labels"].items() for pod in pods(file))
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    own, operator = policy["ingress"]
    assert own == {"from": [{"podSelector": {"matchLabels": chosen}}]}
    (who,) = operator["from"]
    assert who["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "kuberay-operator"}
    assert operator["ports"] == [{"protocol": "TCP", "port": 8265}]
    assert {port["port"] for rule in policy["egress"] for port in rule.get("ports", [])} == {
        53,
        443,
    }
    assert all("ports" in rule or rule["to"] == own["from"] for rule in policy["egress"])


def test_the_image_belongs_to_root_and_runs_as_somebody_else():
    text = (CLUSTER / "Dockerfile").read_text()
    assert text.strip().endswith("USER 1000")
    assert "COPY . ." in text
    assert all("--no-cache-dir" in line for line in text.splitlines() if "pip install" in line)


def test_no_file_that_holds_keys_is_copied_into_an_image():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert set(CREDENTIALS) <= set(lines)
    assert "**/.env*" in lines
    assert not any(line.startswith("!") for line in lines)


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
