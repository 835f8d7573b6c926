"""What a configuration says of an engine reaches what its replicas load."""

from pathlib import Path

import pytest

from tts_ray.config import load_config
from tts_ray.runtime.fleets import fleets
from tts_ray.runtime.plan import Cards, plan

CONFIGS = Path(__file__).parents[3] / "configs"
PARTS = ("policy=pocket-s", "prm=pocket-prm", "dataset=pocket")


def specs(*more):
    config = load_config([*PARTS, *more], CONFIGS)
    made = fleets(config, plan(config, Cards(total=8, node=8, gib=80)))
    return {role: fleet.spec for role, fleet in made.items()}


@pytest.mark.parametrize("role", ["policy", "prm"])
@pytest.mark.parametrize(
    ("said", "value"), [("true", True), ("false", False), ("null", None), (None, None)]
)
def test_whether_the_core_has_a_process_of_its_own_is_chosen_for_each_model(role, said, value):
    found = specs(*([f"{role}.core_process={said}"] if said else []))
    (other,) = found.keys() - {role}
    assert found[role].core_process is value
    assert found[other].core_process is None


@pytest.mark.parametrize("gpus", [0, 1])
@pytest.mark.parametrize("said", ["true", "false", "null"])
def test_left_open_the_core_has_a_process_of_its_own_on_a_gpu_alone(gpus, said):
    spec = specs(f"policy.gpus={gpus}", f"policy.core_process={said}")["policy"]
    assert spec.has_core_process is {"true": True, "false": False, "null": gpus == 1}[said]


@pytest.mark.parametrize("role", ["policy", "prm"])
@pytest.mark.parametrize("said", ["true", "false"])
def test_where_the_core_runs_is_no_part_of_what_the_results_depend_on(role, said):
    plain = load_config(PARTS, CONFIGS)
    chosen = load_config([*PARTS, f"{role}.core_process={said}"], CONFIGS)
    assert chosen.identity() == plain.identity()
    assert "core_process" not in plain.identity()[role]
