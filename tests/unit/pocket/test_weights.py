"""The committed checkpoints: complete, loadable, small, and what they are said to be."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, Qwen2Model

from tts_ray.pocket import POLICIES, PRMS, WEIGHTS, weights
from tts_ray.pocket.checkpoint import load_policy, load_reward, load_shape, load_tokenizer
from tts_ray.pocket.measure import check, solve
from tts_ray.pocket.measure_reward import score
from tts_ray.pocket.recipe import POLICY_RECIPES
from tts_ray.pocket.task import Problem, compute, separate, split
from tts_ray.pocket.tokens import judged_ids, learn_tokenizer

FILES = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


def test_importing_the_package_loads_no_heavy_library() -> None:
    code = "import sys, tts_ray.pocket, tts_ray.pocket.task; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "numpy", "tokenizers"} & set(found.stdout.split())


def test_an_unknown_model_is_refused_with_the_known_names() -> None:
    with pytest.raises(ValueError, match=r"'pocket-xl'.*pocket-xs.*pocket-prm"):
        weights("pocket-xl")


@pytest.mark.parametrize("name", POLICIES + PRMS)
def test_a_checkpoint_is_complete(name: str) -> None:
    files = {path.name for path in weights(name).iterdir()}
    assert files >= FILES | {"chat_template.jinja"}
    config = json.loads((weights(name) / "config.json").read_text())
    wanted = "Qwen2ForCausalLM" if name in POLICIES else "Qwen2ForProcessRewardModel"
    assert config["architectures"] == [wanted]
    assert config["max_position_embeddings"] == 1024
    assert config["num_hidden_layers"] >= 3


def test_all_checkpoints_are_a_few_megabytes() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.rglob("*") if path.is_file()) < 16e6


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_has_the_shape_of_its_recipe(name: str) -> None:
    assert load_shape(weights(name)) == POLICY_RECIPES[name].shape


def test_all_models_share_the_tokenizer_which_the_recipe_learns() -> None:
    vocabulary = learn_tokenizer().get_vocab()
    for name in POLICIES + PRMS:
        assert AutoTokenizer.from_pretrained(weights(name)).get_vocab() == vocabulary


def test_the_smallest_policy_writes_steps_and_an_answer() -> None:
    problems = split("dev")[:20]
    folder = weights("pocket-xs")
    solutions = solve(load_policy(folder), load_tokenizer(folder), problems, temperature=0, seed=0)
    wanted = [len(problem.operations) + 1 for problem in problems]
    assert sum(map(len, (solution.steps for solution in solutions))) == sum(wanted)


def slipped(problem: Problem, index: int) -> list[str]:
    """The reference solution with the result of step `index` off by ten."""
    steps = separate(problem.solution)
    value = problem.operations[index].value
    steps[index] = steps[index].replace(f"={value}$.", f"={value + 10}$.")
    return steps


def test_the_reward_model_tells_a_wrong_step_from_a_right_one() -> None:
    folder = weights("pocket-prm")
    problems = [problem for problem in split("dev") if problem.level >= 3]
    right = [check(problem, problem.solution) for problem in problems]
    wrong = [check(problem, "\n\n".join(slipped(problem, 1))) for problem in problems]
    tokenizer, model = load_tokenizer(folder), load_reward(folder)
    good = [scores[1] for scores in score(model, tokenizer, right)]
    bad = [scores[1] for scores in score(model, tokenizer, wrong)]
    assert sum(a > b for a, b in zip(good, bad, strict=True)) > 0.7 * len(problems)
    assert sum(good) / len(good) > 0.8 > 0.5 > sum(bad) / len(bad)


def test_the_reward_model_scores_the_same_on_the_body_of_transformers() -> None:
    folder = weights("pocket-prm")
    problem = split("dev")[150]
    tokenizer, model = load_tokenizer(folder), load_reward(folder)
    steps = slipped(problem, 1)
    ids = torch.tensor([judged_ids(tokenizer, problem, steps)])
    body = Qwen2Model.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        judged = model.logits(body(ids).last_hidden_state).softmax(-1)[0, ids[0] == 3, 1]
    assert judged.tolist() == pytest.approx(
        score(model, tokenizer, [check(problem, "\n\n".join(steps))])[0], abs=1e-4
    )
    assert judged[0] > 0.5 > judged[1]


def test_operations_are_computed_by_their_symbols() -> None:
    assert [compute(7, symbol, 3) for symbol in ("+", "-", r"\times")] == [10, 4, 21]
    with pytest.raises(ValueError, match="unknown symbol"):
        compute(1, "/", 1)


def test_the_weights_folder_lies_in_the_package() -> None:
    assert Path(__file__).parents[3] / "tts_ray" / "pocket" / "weights" == WEIGHTS
