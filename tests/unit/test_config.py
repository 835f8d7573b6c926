from pathlib import Path

import pytest

from tts_ray.config import GROUPS, load_config, searches
from tts_ray.errors import ConfigError

ROOT = Path(__file__).parent.parent.parent
CONFIGS = ROOT / "configs"
POCKET = str(CONFIGS / "pocket.yaml")


def config_of(*overrides):
    return load_config([POCKET, *overrides], CONFIGS)


def keys(*overrides):
    return [str(search.id) for search in searches(config_of(*overrides))]


def test_a_group_is_chosen_by_name_and_its_values_can_be_overridden():
    config = config_of("policy=pocket-m", "policy.replicas=2", "dataset.limit=5")
    assert (config.policy.name, config.policy.replicas) == ("pocket-m", 2)
    assert config.dataset.limit == 5


def test_a_later_choice_of_a_group_leaves_nothing_of_the_earlier_one():
    config = config_of("policy.replicas=7", "policy=pocket-m")
    assert config.policy.replicas == 1


def test_a_list_of_values_is_one_search_for_each():
    assert keys("search.name=beam_search", "search.n=[4,8]", "search.rank=[last,min]") == [
        *(f"beam_search n={n}{rank}" for n in (4, 8) for rank in ("", " rank=min")),
    ]
    assert keys("search.name=[dvts,beam_search]", "search.n=8", "search.distinct=[false,true]") == [
        *("dvts n=8", "beam_search n=8", "beam_search n=8 distinct=True"),
    ]


@pytest.mark.parametrize(
    ("name", "more", "found"),
    [
        ("best_of_n", (), ["best_of_n n=64"]),
        ("majority", (), ["majority n=64"]),
        ("dvts", (), ["dvts n=64"]),
        ("dvts", ("search.m=[2,4]",), ["dvts n=64 m=2", "dvts n=64"]),
        ("beam_search", (), [f"beam_search n={n}" for n in (4, 64, 16)]),
    ],
)
def test_of_a_search_with_a_unit_only_the_largest_budget_runs(name, more, found):
    assert keys(f"search.name={name}", "search.n=[4,64,16]", *more) == found


def test_a_parameter_goes_to_the_searches_that_have_it():
    assert keys("search.name=[greedy,majority]", "search.n=4") == ["greedy n=1", "majority n=4"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["polcy=pocket-m"], "polcy is no setting; did you mean 'policy'?"),
        (["policy=pocket-mm"], "did you mean 'pocket-m'"),
        (["policy.replica=2"], "policy.replica is no setting; did you mean 'replicas'?"),
        (["policy.replicas=two"], "policy.replicas=two must be a whole number"),
        (["policy.replicas=0"], "policy.replicas=0 must be at least 1"),
        (["cluster.searchers=-1"], "cluster.searchers=-1 must be at least 0"),
        (["cluster.searchers=few"], "cluster.searchers=few must be a whole number"),
        (["cluster.searchers=2", "policy.replicas=4"], "in 0..1, the replicas of the prm"),
        (
            ["cluster.searchers=2", "policy.replicas=4", "policy.min_replicas=1"],
            "in 0..1, the replicas of the policy that a job begins with",
        ),
        (["search.m=5"], "n=4 is not a multiple of m=5"),
        (["search.name=dvts", "search.n=[6,64]"], "n=6 is not a multiple of m=4"),
        (["search.name=best_of_n", "search.n=[0,64]"], "n=0 must be a whole number"),
        (["search.k=5"], "search.k is no parameter"),
        (["search.name=bem_search"], "did you mean 'beam_search'"),
        (["prm=null"], "needs a reward model"),
        (["sampling.temperature=-1"], "sampling.temperature=-1"),
        (["sampling.top_p=0"], "sampling.top_p=0"),
        (["sampling.max_tokens=0"], "sampling.max_tokens=0"),
        (["wandb.mode=of"], "'online'"),
        (["nonsense"], "neither a .yaml file nor key=value"),
        (["missing.yaml"], "no config file"),
    ],
)
def test_bad_input_is_refused_in_one_line_that_names_it(overrides, message):
    with pytest.raises(ConfigError) as refused:
        config_of(*overrides)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_digest_depends_on_what_is_computed_not_on_where():
    digest = config_of().digest
    assert config_of("policy.replicas=4", "run=elsewhere", "wandb.mode=disabled").digest == digest
    pods = ("policy.replicas=2", "prm.replicas=2", "cluster.searchers=2")
    assert config_of(*pods).digest == digest
    assert config_of("seed=1").digest != digest
    assert config_of("search.n=4").digest != digest
    assert config_of("policy=pocket-m").digest != digest


def test_a_run_without_a_reward_model_can_vote():
    config = config_of("prm=null", "search.name=majority")
    assert config.prm is None


FRAGMENTS = [file for group in GROUPS for file in sorted((CONFIGS / group).glob("*.yaml"))]


@pytest.mark.parametrize("file", FRAGMENTS, ids=lambda file: file.stem)
def test_every_shipped_fragment_loads_and_bears_its_own_name(file):
    group = file.parent.name
    config = config_of(f"{group}={file.stem}")
    if group != "search":
        assert getattr(config, group).name == file.stem


def test_an_engine_argument_is_part_of_what_the_results_depend_on():
    plain = load_config(["policy=pocket-s", "dataset=pocket"], CONFIGS)
    quantised = load_config(
        ["policy=pocket-s", "dataset=pocket", "policy.extra.quantization=fp8"], CONFIGS
    )
    assert "extra" not in plain.identity()["policy"]
    assert quantised.identity()["policy"]["extra"] == {"quantization": "fp8"}
    assert plain.digest != quantised.digest


def test_confidence_is_part_of_what_the_results_depend_on_only_where_it_is_asked_for():
    plain = config_of()
    asked = config_of("policy.confidence=20")
    assert "confidence" not in plain.identity()["policy"]
    assert config_of("policy.confidence=0").digest == plain.digest
    assert asked.identity()["policy"]["confidence"] == 20
    assert asked.digest != plain.digest


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("{logprobs_mode: processed_logprobs}", "policy.extra.logprobs_mode is processed_logprobs"),
        ("{max_logprobs: 5}", "must be at most policy.extra.max_logprobs=5"),
    ],
)
def test_engine_arguments_that_stand_against_confidence_are_refused(extra, message):
    with pytest.raises(ConfigError, match=message):
        config_of("policy.confidence=20", f"policy.extra={extra}")
    config_of(f"policy.extra={extra}")
    config_of("policy.confidence=20", "policy.extra={max_logprobs: -1}")


@pytest.mark.parametrize(
    "where", ["search.name=majorty", "policy.search={name: [greedy, majorty]}"]
)
def test_a_misspelt_search_is_one_line_with_or_without_parameters(where):
    with pytest.raises(ConfigError, match=r"unknown search 'majorty'; did you mean 'majority'"):
        searches(load_config(["policy=pocket-s", "dataset=pocket", where], CONFIGS))
