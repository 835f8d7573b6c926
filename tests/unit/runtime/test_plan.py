"""Which cards a run takes, decided before anything is reserved."""

from dataclasses import replace
from pathlib import Path

import pytest

from tts_ray.config import load_config
from tts_ray.errors import ConfigError
from tts_ray.runtime.fleets import fleets
from tts_ray.runtime.plan import Cards, Split, plan

CONFIGS = Path(__file__).parents[3] / "configs"
NODES_OF_8 = Cards(total=64, node=8, gib=80)


def config(policy, prm="qwen2.5-math-prm-7b", *more):
    return load_config([f"policy={policy}", f"prm={prm}", "dataset=math500", *more], CONFIGS)


def test_a_model_takes_as_few_cards_as_hold_it():
    splits = plan(config("qwen2.5-72b-instruct"), NODES_OF_8).splits
    assert splits == {"policy": Split(1.0, 4), "prm": Split(1.0)}
    on_h200 = Cards(total=64, node=8, gib=141)
    assert plan(config("qwen2.5-72b-instruct"), on_h200).splits["policy"] == Split(1.0, 2)


def test_what_a_node_cannot_hold_lies_on_several():
    splits = plan(config("qwen2.5-72b-instruct"), Cards(total=8, node=2, gib=80)).splits
    assert splits["policy"] == Split(1.0, tensor=2, pipeline=2)


def test_policy_and_prm_share_a_card_only_where_there_are_too_few():
    pair = config("llama-3.2-1b-instruct")
    assert plan(pair, NODES_OF_8).splits == {"policy": Split(1.0), "prm": Split(1.0)}
    shared = plan(pair, Cards(total=1, node=1, gib=80))
    assert shared.splits == {"policy": Split(0.7), "prm": Split(0.3)}
    assert shared.gpus(pair) == 1


def test_each_engine_on_a_shared_card_gets_its_share_of_the_memory():
    pair = config("llama-3.2-1b-instruct")
    made = fleets(pair, plan(pair, Cards(total=1, node=1, gib=80)))
    shares = {role: fleet.spec.gpu_memory_utilization for role, fleet in made.items()}
    assert shares == pytest.approx({"policy": 0.63, "prm": 0.27})
    assert all(fleet.place.shares_a_card for fleet in made.values())


def test_gpus_that_the_config_names_are_taken_as_they_are():
    made = plan(config("llama-3.2-1b-instruct", "skywork-prm-7b", "policy.gpus=2"), NODES_OF_8)
    assert made.splits["policy"] == Split(1.0, 2)
    spread = plan(config("qwen2.5-72b-instruct", "skywork-prm-7b", "policy.gpus=16"), NODES_OF_8)
    assert spread.splits["policy"] == Split(1.0, tensor=8, pipeline=2)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("policy.gpus=1", r"needs 142\.\d GiB on each GPU.*has 72\.0 GiB"),
        ("policy.gpus=3", "64 attention heads.*over 3 GPUs"),
        ("policy.gpus=9", "does not divide evenly over 2 nodes"),
        ("policy.gpus=1.5", "neither a share of one GPU nor whole GPUs"),
        ("policy.gpu_memory_utilization=0.02", "no number of 80 GiB cards"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_numbers(change, named):
    with pytest.raises(ConfigError, match=named):
        plan(config("qwen2.5-72b-instruct", "qwen2.5-math-prm-7b", change), NODES_OF_8)


def test_a_local_checkpoints_own_config_goes_over_the_one_in_the_fragment():
    run = config("qwen2.5-72b-instruct", "skywork-prm-7b", "policy.model=pocket:pocket-s")
    assert plan(run, NODES_OF_8).splits["policy"] == Split(1.0)


def test_a_model_of_unknown_size_takes_a_card():
    run = config("qwen2.5-7b-instruct", "skywork-prm-7b")
    unknown = replace(run, policy=replace(run.policy, architecture={}))
    made = plan(unknown, NODES_OF_8)
    assert made.splits["policy"] == Split(1.0)
    assert "policy" not in made.needs


def test_a_path_that_is_no_checkpoint_is_refused():
    with pytest.raises(ConfigError, match="no folder with a config"):
        plan(config("qwen2.5-7b-instruct", "skywork-prm-7b", "policy.model=/no/such"), NODES_OF_8)
