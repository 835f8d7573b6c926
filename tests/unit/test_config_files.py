"""The shipped configurations: every part loads, alone and in every pair of the paper."""

from pathlib import Path

import pytest

from tts_ray.config import load_config, searches
from tts_ray.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "configs"
POLICIES = sorted(path.stem for path in (CONFIGS / "policy").glob("*.yaml"))
PRMS = sorted(path.stem for path in (CONFIGS / "prm").glob("*.yaml"))
DATASETS = sorted(path.stem for path in (CONFIGS / "dataset").glob("*.yaml"))


def load(*arguments):
    return load_config(arguments, CONFIGS)


@pytest.mark.parametrize("prm", PRMS)
@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_a_prm_and_a_dataset_are_a_whole_run(policy, prm):
    config = load(f"policy={policy}", f"prm={prm}", "dataset=math500")
    assert config.run == f"runs/{policy}-{prm}-math500"
    assert config.policy.name == policy
    assert config.prm.name == prm
    assert searches(config)


@pytest.mark.parametrize("dataset", DATASETS)
def test_a_dataset_is_named_like_its_file(dataset):
    assert load("policy=pocket-s", "prm=pocket-prm", f"dataset={dataset}").dataset.name == dataset


def test_a_run_that_names_no_search_runs_them_all():
    config = load("policy=pocket-s", "prm=pocket-prm", "dataset=pocket")
    names = {search.name for search in searches(config)}
    assert names == {"greedy", "majority", "best_of_n", "beam_search", "dvts"}


def test_without_a_prm_only_searches_without_scores_run():
    config = load("policy=pocket-s", "dataset=pocket")
    assert [str(search.id) for search in searches(config)] == ["greedy n=1", "majority n=64"]
    assert config.run == "runs/pocket-s-pocket"


def test_a_reasoning_policy_brings_its_sampling_and_searches():
    config = load("policy=deepseek-r1-distill-qwen-7b", "prm=skywork-prm-7b", "dataset=aime24")
    assert (config.sampling.temperature, config.sampling.top_p) == (0.6, 0.95)
    assert config.sampling.max_tokens == 32768
    assert [str(search.id) for search in searches(config)][1:] == [
        "majority n=64",
        "best_of_n n=64",
    ]


def test_what_the_run_sets_goes_over_what_the_policy_brings():
    config = load(
        "policy=deepseek-r1-distill-qwen-7b",
        "prm=skywork-prm-7b",
        "dataset=aime24",
        "sampling.temperature=0.9",
        "search.name=beam_search",
        "search.n=4",
        "run=mine",
    )
    assert (config.sampling.temperature, config.sampling.top_p) == (0.9, 0.95)
    assert [search.name for search in searches(config)] == ["beam_search"]
    assert config.run == "mine"


def test_a_typo_in_a_policys_sampling_is_refused(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("policy: {name: x, model: x, parameters: 1, prompt: qwen, sampling: {topp: 1}}")
    with pytest.raises(ConfigError, match="topp"):
        load(str(file), "dataset=pocket")
