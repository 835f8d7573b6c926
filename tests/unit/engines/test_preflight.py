"""No run begins on models that cannot give it an answer."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.patience import PATIENCE_S
from tests.unit.engines.conftest import NO_JSON, change, halve, refusal
from tts_ray.config import ModelConfig, PolicyConfig, PrmConfig
from tts_ray.engines.contexts import Room
from tts_ray.engines.preflight import refuse_unusable

QUESTIONS = ["What is 1 + 1?", "What is 12 + 34?"]
LONG = "1 + " * 2000 + "1?"


def policy(model, **settings):
    settings = {"prompt": "qwen", "max_model_len": 1024} | settings
    return {"policy": PolicyConfig(name="p", model=str(model), parameters=1, **settings)}


def reward(model, **settings):
    settings = {"format": "qwen2.5-math-prm", "max_model_len": 1024} | settings
    return {"prm": PrmConfig(name="r", model=str(model), parameters=1, **settings)}


def checked(models, questions=QUESTIONS, *, fetch_small=False):
    return refuse_unusable(models, questions, fetch_small=fetch_small)


def refused(models, questions=QUESTIONS, *, fetch_small=False):
    return refusal(refuse_unusable, models, questions, fetch_small=fetch_small)


def cached(folder, cache, monkeypatch, without=()):
    """Put a checkpoint into a hub cache, as owner/name."""
    repository = cache / "models--owner--name"
    snapshot = repository / "snapshots" / ("0" * 40)
    shutil.copytree(folder, snapshot, ignore=shutil.ignore_patterns(*without))
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    return snapshot


def test_whole_models_are_taken_with_the_room_in_their_contexts(folder, prm):
    found = checked(policy(folder) | reward(prm, max_model_len=None), fetch_small=True)
    assert found.unchecked == []
    assert found.rooms["policy"].limit == found.rooms["prm"].limit == 1024
    assert 20 < found.rooms["policy"].longest < 100
    assert 20 < found.rooms["prm"].longest < 100


def test_the_pocket_models_are_found_by_their_names():
    assert checked(policy("pocket:pocket-l") | reward("pocket:pocket-prm")).unchecked == []
    assert "unknown pocket model" in refused(policy("pocket:pocket-xxl"))


def test_a_scripted_model_is_passed_over():
    models = {"policy": ModelConfig(name="p", model="scripted", parameters=1)}
    assert checked(models).rooms == {}


def test_truncated_weights_are_refused_for_either_role(folder, prm):
    halve(folder / "model.safetensors")
    halve(prm / "model.safetensors")
    for models in (policy(folder), reward(prm)):
        assert "but its header says" in refused(models)


def test_weights_that_the_run_loads_in_a_way_of_its_own_are_left_to_it(folder):
    (folder / "model.safetensors").unlink()
    checked(policy(folder, extra={"load_format": "dummy"}))


@pytest.mark.parametrize("file", ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"])
def test_a_missing_file_of_the_tokenizer_is_refused_with_its_name(folder, prm, file):
    (folder / file).unlink()
    (prm / file).unlink()
    for models in (policy(folder), reward(prm)):
        assert file in refused(models)


@pytest.mark.parametrize("file", ["config.json", "generation_config.json", "tokenizer_config.json"])
@pytest.mark.parametrize("content", NO_JSON.values(), ids=NO_JSON)
def test_a_broken_file_is_one_line_and_no_more(folder, capfd, file, content):
    (folder / file).write_bytes(content)
    refused(policy(folder))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "values",
    [
        *({"architectures": 5}, {"architectures": []}, {"architectures": None}),
        *({"architectures": [5]}, {"architectures": "Qwen2ForCausalLM"}),
        *({"max_position_embeddings": "abc"}, {"max_position_embeddings": 0}),
        *({"vocab_size": "512"}, {"vocab_size": 1e3}, {"vocab_size": 3}, {"hidden_size": "abc"}),
    ],
)
def test_a_value_of_the_config_that_cannot_be_is_one_line(folder, capfd, values):
    change(folder / "config.json", **values)
    refused(policy(folder, max_model_len=None))
    assert capfd.readouterr() == ("", "")


def test_unknown_prompts_and_formats_are_refused_before_anything_is_looked_at():
    line = refused(policy("owner/name", prompt="abc"))
    assert line == "unknown prompt family 'abc'; choose from llama3, qwen, r1"
    assert "unknown PRM format 'abc'" in refused(reward("owner/name", format="abc"))


def test_a_reward_model_is_no_policy_and_a_policy_none_of_another_family(folder, prm):
    assert "Qwen2ForProcessRewardModel writes no text" in refused(policy(prm))
    assert "but" in refused(reward(folder))
    assert "needs a checkpoint of" in refused(reward(prm, format="math-shepherd"))


def test_a_reward_model_whose_tokenizer_lacks_the_formats_token_is_refused(prm):
    file = prm / "tokenizer.json"
    file.write_text(file.read_text().replace("<extra_0>", "<extra_1>"))
    change(prm / "tokenizer_config.json", extra_special_tokens=[])
    assert "no token '<extra_0>'" in refused(reward(prm))


@pytest.mark.parametrize("template", ["", "{{ messages[1].content }}" * 2, "{{ 1 / 0 }}"])
def test_a_reward_models_template_that_will_not_do_is_one_line(prm, template):
    change(prm / "config.json", architectures=["LlamaForSequenceClassification"])
    (prm / "chat_template.jinja").write_text(template)
    assert "chat template" in refused(reward(prm, format="outcome"))


@pytest.mark.parametrize(
    ("template", "line"),
    [
        ("{{ messages[-1].content }}", "leaves the system turn out"),
        ("{{ messages[0].content }}", "leaves the question out"),
        ("{{ messages[0].content }}{{ messages[1].content * 2 }}", "writes the question twice"),
        ("{{ raise_exception('no system turn') }}", "fails on turns of system, user"),
    ],
)
def test_a_template_that_does_not_fit_is_refused_for_policy_and_prm(folder, prm, template, line):
    for models, checkpoint in ((policy(folder), folder), (reward(prm), prm)):
        (checkpoint / "chat_template.jinja").write_text(template)
        assert line in refused(models)


def test_a_family_without_a_system_turn_takes_a_template_that_has_none(folder):
    (folder / "chat_template.jinja").write_text("{{ messages[-1].content }}")
    checked(policy(folder, prompt="r1"))


def test_questions_that_fill_the_policys_context_are_counted_and_refused(folder):
    line = refused(policy(folder), [*QUESTIONS, LONG, LONG])
    assert line.startswith("2 of 4 questions leave no room in the policy's context for one token")
    assert "the limit is 1024 (policy.max_model_len); raise policy.max_model_len" in line


def test_a_question_that_leaves_room_for_one_token_is_taken(folder):
    longest = checked(policy(folder)).rooms["policy"].longest
    exact = checked(policy(folder, max_model_len=longest))
    assert exact.rooms["policy"] == Room(longest, longest)
    assert "1 of 2 questions" in refused(policy(folder, max_model_len=longest - 1))


def test_a_question_that_fills_the_prms_context_is_refused(prm):
    longest = checked(reward(prm)).rooms["prm"].longest
    checked(reward(prm, max_model_len=longest))
    line = refused(reward(prm, max_model_len=longest - 1))
    assert "1 of 2 questions leave no room in the prm's context for one step" in line


def test_without_a_limit_of_the_run_the_checkpoints_own_counts(folder):
    line = refused(policy(folder, max_model_len=None), [LONG])
    assert "the limit is 1024 (its config.json)" in line


def test_the_limit_that_the_engine_gets_in_the_end_counts(folder):
    assert "limit is 16" in refused(policy(folder, extra={"max_model_len": 16}))


@pytest.mark.parametrize("length", [0, -1, "16", True, 1.5])
def test_a_context_that_cannot_be_is_refused(folder, length):
    assert "policy.max_model_len" in refused(policy(folder, extra={"max_model_len": length}))


def test_a_question_of_a_million_characters_is_one_line(folder, capfd):
    assert "1 of 1 questions" in refused(policy(folder), ["1 + " * 250_000])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("model", ["/no/such", "./such", "~/such", "tts_ray/search/such"])
def test_a_folder_that_is_not_there_is_refused_with_and_without_a_network(model):
    for fetch_small in (True, False):
        assert "is no folder" in refused(policy(model), fetch_small=fetch_small)


def test_what_is_neither_a_folder_nor_a_hub_id_is_refused():
    assert "no hub id" in refused(policy("a b"))
    assert "no hub id" in refused(policy("a/b/c"), fetch_small=True)


def test_a_hub_id_in_the_cache_is_taken_beside_a_folder_of_the_owners_name(
    folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner").mkdir()
    assert checked(policy("owner/name")).unchecked == ["policy.model=owner/name"]
    cached(folder, tmp_path / "hub", monkeypatch)
    assert checked(policy("owner/name")).unchecked == []


def test_what_is_not_in_the_cache_is_named_when_nothing_may_be_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    found = checked(policy("owner/name"))
    assert found.unchecked == ["policy.model=owner/name"]
    assert found.rooms == {}


def test_a_hub_id_that_is_whole_in_the_cache_is_looked_at_whole(folder, tmp_path, monkeypatch):
    snapshot = cached(folder, tmp_path / "hub", monkeypatch)
    assert checked(policy("owner/name")).rooms["policy"].limit == 1024
    assert "1 of 1 questions" in refused(policy("owner/name"), [LONG])
    halve(snapshot / "model.safetensors")
    assert "but its header says" in refused(policy("owner/name"))


@pytest.mark.parametrize("without", ["*.safetensors", "tokenizer.json", "config.json"])
def test_a_hub_id_that_is_here_in_part_is_not_called_broken(folder, tmp_path, monkeypatch, without):
    cached(folder, tmp_path / "hub", monkeypatch, [without])
    assert checked(policy("owner/name")).unchecked == ["policy.model=owner/name"]


def test_a_run_checks_the_small_files_of_a_hub_id_and_leaves_its_weights(
    folder, tmp_path, monkeypatch
):
    cached(folder, tmp_path / "hub", monkeypatch, ["*.safetensors"])
    script = (
        "import sys; from tts_ray.config import PolicyConfig;"
        "from tts_ray.engines.preflight import refuse_unusable;"
        "p = PolicyConfig(name='p', model='owner/name', parameters=1.0, max_model_len=1024, "
        "prompt='qwen');"
        "found = refuse_unusable({'policy': p}, ['1 + 1?'], fetch_small=True);"
        "print(found.unchecked, found.rooms['policy'].limit)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.stdout == "['the weights of policy.model=owner/name'] 1024\n", done.stderr


def test_code_in_a_checkpoint_is_never_run(folder, capfd):
    change(folder / "config.json", auto_map={"AutoConfig": "evil.Config"}, model_type="evil")
    change(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Tokens", None]})
    (folder / "evil.py").write_text("raise SystemExit('this code ran')")
    checked(policy(folder))
    assert capfd.readouterr() == ("", "")
