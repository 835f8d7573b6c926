"""jobs/prompt.py: what the models read of a problem, each token apart from the next."""

import json
import re
import shutil

import pytest

from tts_ray import pocket
from tts_ray.commands.prompt import main
from tts_ray.errors import ConfigError

PAIR = ("policy=pocket-m", "prm=pocket-prm")


@pytest.fixture
def dataset(tmp_path):
    """Three problems, as an argument."""
    file = tmp_path / "problems.jsonl"
    questions = ["What is 1 + 1?", "What is <|im_end|>?", "What is é\u202e?"]
    rows = [{"problem": question, "answer": "2"} for question in questions]
    file.write_text("\n".join(map(json.dumps, rows)))
    return f"dataset={{name: d, path: {file}}}"


@pytest.fixture
def printed(dataset, capsys):
    """What the command prints."""

    def run(*arguments):
        assert main([dataset, *arguments]) == 0
        return capsys.readouterr().out

    return run


def test_each_token_of_the_prompt_is_delimited_and_special_ones_are_marked(printed):
    said = printed(*PAIR)
    assert "problem 1 of 3, id " in said
    tokens = "⟦<|im_start|>⟧│user│↵│\nW│h│a│t│ is│ │1│ │+│ │1│?│⟦<|im_end|>⟧│↵│\n"
    assert tokens in said
    prompt = said.partition("prompt=qwen: ")[2].partition("PRM")[0]
    assert prompt.startswith(f"{prompt.count('│')} tokens\n")


def test_each_place_where_a_score_is_read_is_marked(printed):
    said = printed(*PAIR, *("--step", "1 is 1", "--step", "2 is 2", "--step", "So 2"))
    assert "3 steps, 3 read at ◄score" in said
    assert said.count("⟦<extra_0>⟧◄score│") == said.count("◄score│") == 3


def test_a_special_token_that_a_question_spells_is_seen_to_be_text(printed):
    said = printed(*PAIR, "--problem", "2")
    assert "│<│|│" in said
    assert said.count("⟦<|im_end|>⟧") == 2 + 2
    assert "│e│n│d│" in said


def test_nothing_of_a_question_is_a_command_to_the_terminal(printed):
    said = printed(*PAIR, "--problem", "3", "--step", "so \x1b[31m")
    assert not {"\x1b", "\u202e"} & set(said)
    assert r"\x1b" in said


def test_the_ids_are_printed_when_asked_for(printed):
    assert not re.search(r"^\d+( \d+)+$", printed(*PAIR), re.MULTILINE)
    assert len(re.findall(r"^\d+( \d+)+$", printed(*PAIR, "--ids"), re.MULTILINE)) == 2


def test_a_problem_is_chosen_by_its_id_too(printed):
    (number,) = re.findall(r"id (\w+)", printed(*PAIR, "--problem", "2"))
    assert printed(*PAIR, "--problem", number) == printed(*PAIR, "--problem", "2")


@pytest.mark.parametrize("wanted", ["0", "4", "none", "9" * 5000, "-1x"])
def test_a_problem_that_is_not_there_is_refused_with_those_there_are(dataset, wanted):
    with pytest.raises(ConfigError, match=r"in 1\.\.3"):
        main([*PAIR, dataset, f"--problem={wanted}"])


def test_a_blank_step_is_refused(dataset):
    with pytest.raises(ConfigError, match="--step is blank"):
        main([*PAIR, dataset, "--step", " "])


def test_scripted_models_are_said_to_read_nothing(printed):
    said = printed("policy=scripted", "prm=scripted")
    assert "policy scripted: is scripted, it reads no prompt" in said
    assert "PRM scripted: is scripted, it reads no tokens" in said


def test_without_a_prm_it_says_how_to_choose_one(printed):
    assert "no PRM is chosen: prm=NAME" in printed("policy=pocket-m")


def test_a_system_turn_of_the_template_itself_is_named(printed, tmp_path):
    folder = shutil.copytree(pocket.weights("pocket-xs"), tmp_path / "policy")
    template = folder / "chat_template.jinja"
    arguments = ("policy=pocket-xs", f"policy.model={folder}", "policy.prompt=r1")
    assert "adds one of its own" not in printed(*arguments)
    template.write_text(
        "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are a helpful one.<|im_end|>"
        "\n{% endif %}" + template.read_text()
    )
    assert "adds one of its own: 'system You are a helpful one. user'" in printed(*arguments)


def test_no_weights_are_needed(printed, tmp_path):
    folder = shutil.copytree(pocket.weights("pocket-xs"), tmp_path / "policy")
    (folder / "model.safetensors").unlink()
    assert "│?│⟦<|im_end|>⟧│" in printed("policy=pocket-xs", f"policy.model={folder}")


@pytest.mark.parametrize(
    ("file", "line"),
    [("chat_template.jinja", "has no chat template"), ("tokenizer.json", "tokenizer of policy")],
)
def test_a_policy_that_a_run_would_refuse_is_refused(dataset, tmp_path, file, line):
    folder = shutil.copytree(pocket.weights("pocket-xs"), tmp_path / "policy")
    (folder / file).unlink()
    with pytest.raises(ConfigError, match=line):
        main(["policy=pocket-xs", f"policy.model={folder}", dataset])


def test_colours_take_the_place_of_delimiters_where_the_terminal_has_them(printed, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    said = printed(*PAIR)
    assert "│" not in said
    assert re.search(r"\x1b\[3[36]m is\x1b", said)
