"""Where something comes in from outside it becomes a checked value or one line."""

from pathlib import Path

import pytest

from tts_ray.config import load_config, searches
from tts_ray.errors import ConfigError
from tts_ray.sweep import load_sweep
from tts_ray.yaml_text import dump_yaml, parse_yaml

CONFIGS = Path(__file__).parents[2] / "configs"
PARTS = ("policy=scripted", "prm=scripted", "dataset=pocket", "search.name=dvts", "search.n=8")


def load(*arguments):
    return load_config([*PARTS, *arguments], CONFIGS)


def refused(*arguments):
    with pytest.raises(ConfigError) as error:
        load(*arguments)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600
    return str(error.value)


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("policy=[]", "policy is a list; give a name of configs/policy, or settings"),
        ("search=5", "no search '5'"),
        ("search=true", "no search 'true'"),
        ("search.n[0]=4", "a list is set as a whole"),
        ("search.n=[]", "search.n=[] has no value"),
        ("search.m=[]", "search.m=[] has no value"),
        ("search.n=1000000000", "n=1000000000 must be a whole number in 1..100,000"),
        ("search.rank={a: 1}", "rank={'a': 1} must be a word"),
        ("policy.extra=[1]", "policy.extra=[1] must be keys with values"),
        ("policy.name=Qwen/Qwen2.5-1.5B", "without '/' or spaces"),
        ("dataset.name=a/b", "without '/' or spaces"),
        ("policy.separator=''", "policy.separator= must not be empty"),
        ("policy.confidence=21", "policy.confidence=21 must be at most 20"),
        ("policy.confidence=-1", "policy.confidence=-1 must be at least 0"),
        ("policy.confidence=2.5", "policy.confidence=2.5 must be a whole number"),
        ("policy.confidence=5", "policy.confidence=5: a scripted policy has no probabilities"),
        ("policy.gpus=.nan", "policy.gpus=nan must be a finite number"),
        ("policy.gpus=1.5", "neither a share of one GPU nor whole GPUs"),
        ("policy.parameters=.inf", "policy.parameters=inf must be a finite number"),
        ("policy.parameters=0", "policy.parameters=0 must be above 0"),
        ("policy.max_model_len=0", "policy.max_model_len=0 must be at least 8"),
        ("policy.max_num_seqs=0", "policy.max_num_seqs=0 must be at least 1"),
        ("policy.gpu_memory_utilization=2", "gpu_memory_utilization=2 must be at most 1"),
        ("policy.replicas=1000000", "policy.replicas=1000000 must be at most 10000"),
        ("seed=9223372036854775808", "seed is a number of more than 64 bits"),
        ("sampling.temperature=2.2", "sampling.temperature=2.2 must be in [0, 2]"),
        ("sampling.temperature=.nan", "sampling.temperature=nan"),
        ("sampling.top_k=-5", "sampling.top_k=-5"),
        ("grading.seconds=1e-9", "grading.seconds=1e-09 must be at least 0.01"),
        ("grading.seconds=.inf", "grading.seconds=inf must be a finite number"),
        ("grading.workers=100000000", "grading.workers=100000000 must be at most 256"),
        ("cluster.placement_s=.nan", "cluster.placement_s=nan must be a finite number"),
        ("cluster.attempts=-3", "cluster.attempts=-3 must be at least 1"),
        ("dataset.limit=0", "dataset.limit=0 must be at least 1"),
        ("dataset.levels=[2147483648]", "dataset.levels[0]=2147483648"),
        ("run=a\x1bb", "run holds the control character"),
        ("seed=[", "seed is not YAML"),
        ("seed=" + "[" * 3000, "seed is nested deeper than 30 levels"),
    ],
)
def test_a_value_that_does_not_fit_is_one_line_that_names_it(argument, said):
    assert said in refused(argument)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xfea", "is not UTF-8 text"),
        ("seed: 1\n".encode("utf-16"), "is not UTF-8 text"),
        (b"5", "holds a number, not keys with values"),
        (b"- 1", "holds a list, not keys with values"),
        (b"a: " * 1500, "is not YAML"),
        (b"[" * 2000, "is nested deeper than 30 levels"),
        (b"seed: 1\nseed: 2", "the key 'seed' stands twice"),
        (b"seed: !!python/object/apply:os.system [id]", "is not YAML"),
        (b'run: "\\ud800"', "half of a surrogate pair"),
    ],
)
def test_a_file_that_is_no_configuration_is_one_line_that_names_it(tmp_path, content, said):
    file = tmp_path / "run.yaml"
    file.write_bytes(content)
    assert said in refused(str(file))
    assert "run.yaml" in refused(str(file))


def test_a_byte_order_mark_is_no_matter(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_bytes(b"\xef\xbb\xbfseed: 7")
    assert load(str(file)).seed == 7


def test_a_name_that_is_too_long_for_a_file_is_one_line():
    assert "no config file" in refused("x" * 5000 + ".yaml") or "cannot be read" in refused(
        "x" * 5000 + ".yaml"
    )


def test_ids_stay_the_text_they_are():
    ids = load("dataset.ids=[91634497876199e1, 8321e05062133190, '7']").dataset.ids
    assert ids == ["91634497876199e1", "8321e05062133190", "7"]


def test_text_on_the_command_line_is_as_it_is_written():
    assert load("run=runs/2026-01-01T10:30 #1 [x]").run == "runs/2026-01-01T10:30 #1 [x]"
    assert load("dataset.split=007").dataset.split == "007"
    assert load('policy.separator="\\n"').policy.separator == "\n"
    assert load("wandb.entity=null").wandb.entity is None


def test_text_that_looks_like_a_number_survives_run_yaml():
    values = {"ids": ["8321e05062133190", "1e5", "null", "2024-01-01", "yes"], "x": [1e-05, 1e20]}
    assert parse_yaml(dump_yaml(values).decode(), "run.yaml") == values


def test_a_number_for_text_in_a_file_asks_for_quotes(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("dataset: {ids: [8321e05062133190]}")
    assert "dataset.ids[0]=inf must be text; put it in quotes" in refused(str(file))


@pytest.mark.parametrize(
    "argument",
    [
        "policy.extra={hf_token: '${oc.env:HF_TOKEN}'}",
        "policy.extra={hf_token: '${ oc.env : HF_TOKEN , none }'}",
        "run=/tmp/${oc.env:HF_TOKEN}",
        "wandb.project=hf_0123456789abcdef",
        "policy.extra={a: [{b: 'Bearer hf_0123456789abcdef'}]}",
    ],
)
def test_a_secret_of_the_environment_is_no_setting_and_is_not_repeated(argument, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_0123456789abcdef")
    said = refused(argument)
    assert "HF_TOKEN" in said
    assert "is read from the environment" in said
    assert "hf_0123456789abcdef" not in said


def test_a_variable_that_is_no_secret_is_resolved(monkeypatch):
    monkeypatch.setenv("SCRATCH", "/scratch/me")
    assert load("run=${oc.env:SCRATCH}/x").run == "/scratch/me/x"


def test_a_policys_search_without_a_prm_may_name_one_search(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("policy: {search: {name: majority, n: 4}}")
    config = load_config(["policy=scripted", "dataset=pocket", str(file)], CONFIGS)
    assert [str(search.id) for search in searches(config)] == ["majority n=4"]
    file.write_text("policy: {search: {name: majorty, n: 4}}")
    config = ["policy=scripted", "dataset=pocket", str(file)]
    with pytest.raises(ConfigError, match="unknown search 'majorty'; did you mean 'majority'"):
        load_config(config, CONFIGS)


SWEEP = """
run: {run}
grids: [{{policies: [scripted], prms: [scripted], datasets: [pocket], search: {search}}}]
{more}
"""


def sweep(tmp_path, search="{name: dvts, n: 8}", more=""):
    file = tmp_path / "sweep.yaml"
    file.write_text(SWEEP.format(run=tmp_path / "s", search=search, more=more))
    return load_sweep([str(file)], CONFIGS)[1]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("base: {run: elsewhere}", "base.run would be ignored"),
        ("base: {search: {n: 4}}", "base.search would be ignored"),
        ("limits: {gpu_hours: .nan}", "limits.gpu_hours=nan must be a finite number"),
        ("limits: {flops: 0}", "limits.flops=0 must be above 0"),
        ("limit: {}", "limit is no setting; did you mean 'limits'?"),
        ("base: []", "base=[] must be keys with values"),
    ],
)
def test_a_sweep_that_does_not_fit_is_one_line(tmp_path, more, said):
    with pytest.raises(ConfigError) as error:
        sweep(tmp_path, more=more)
    assert said in str(error.value)


def test_an_adaptive_search_needs_no_strategy_in_a_sweep(tmp_path):
    assert len(sweep(tmp_path, search="{name: adaptive, n: 8}")) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("budgets: 5", "not budgets=5"),
        ("budgets: {a: []}", "the budget 'a' must be a whole number"),
        ("budgets: {4: 7}", "must be a list of routes, not 7"),
        ("budgets: {4: [{search: dvts, below: abc}]}", "below='abc' must be a number"),
        ("budgets: {4: [{search: dvts, below: .nan}]}", "below=nan must be a number"),
        ("budgets: {4: [{search: dvts, m: 2.5}]}", "m=2.5 must be a whole number"),
        ("budgets: {4: [{search: dvts, m: 0}]}", "m=0 must be a whole number"),
        ("budgets: {4: [{search: dvts}]}\nbudgets: {4: []}", "stands twice"),
        ("rules: 4", "rules is a number, not a list"),
        ("rules: [{parameters_below: abc}]", "rules[0].parameters_below must not be abc"),
        ("rules: [{budget: {}}]", "did you mean 'budgets'?"),
        ("routes: null", "not routes"),
        ("budgets: !x {}", "is not YAML"),
        ("[1", "is not YAML"),
    ],
)
def test_a_strategy_that_does_not_fit_is_one_line(tmp_path, text, said):
    file = tmp_path / "strategy.yaml"
    file.write_text(text)
    assert said in refused("search.name=adaptive", f"search.strategy={file}")
