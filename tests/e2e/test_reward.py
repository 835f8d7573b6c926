"""The process reward model on real vLLM, against a plain transformers forward pass."""

import math

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, Qwen2Config, Qwen2Model

from tts_ray.data.problems import load_problems
from tts_ray.pocket import task
from tts_ray.types import Finish, Path, Step

SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."
TOLERANCE = 1e-4
"""In float32."""


class Reference:
    """Qwen2.5-Math-PRM as its authors document it: chat, <extra_0> after each step, softmax."""

    def __init__(self, folder):
        weights = load_file(folder / "model.safetensors")
        self.model = Qwen2Model(Qwen2Config.from_pretrained(folder)).eval()
        body = {
            k.removeprefix("model."): v.float() for k, v in weights.items() if k[:6] == "model."
        }
        self.model.load_state_dict(body)
        self.head = [
            weights[f"score.{i}.{part}"].float() for i in (0, 2) for part in ("weight", "bias")
        ]
        self.tokenizer = AutoTokenizer.from_pretrained(folder)

    @torch.no_grad()
    def scores(self, question, steps):
        messages = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": question},
            {"role": "assistant", "content": "".join(f"{step}<extra_0>" for step in steps)},
        ]
        text = self.tokenizer.apply_chat_template(messages, tokenize=False)
        ids = torch.tensor([self.tokenizer(text, add_special_tokens=False)["input_ids"]])
        hidden = self.model(ids).last_hidden_state[0]
        first, bias1, second, bias2 = self.head
        logits = torch.relu(hidden @ first.T + bias1) @ second.T + bias2
        tag = self.tokenizer.convert_tokens_to_ids("<extra_0>")
        return logits.softmax(-1)[ids[0] == tag, 1].tolist()


@pytest.fixture(scope="module")
def reference(reward):
    return Reference(reward.folder)


def solutions(count):
    """Problems with their reference solutions, every second one with a wrong step."""
    problems = load_problems("pocket", split="dev", level="level").problems
    pairs = zip(problems, task.split("dev"), strict=True)
    for number, (problem, item) in enumerate(pairs):
        if number == count:
            return
        steps = item.solution.split("\n\n")
        if number % 2:
            steps[0] = steps[0].replace("=", "=9", 1)
        yield problem, steps


def path_of(steps, scores=()):
    made = tuple(Step(f"{step}\n\n", (1,), Finish.STEP, 0.0) for step in steps)
    return Path(made, tuple(scores))


def close(ours, theirs):
    return len(ours) == len(theirs) and all(
        math.isclose(a, b, abs_tol=TOLERANCE) for a, b in zip(ours, theirs, strict=True)
    )


def test_whole_solutions_score_as_the_reference_does(reward, reference):
    for problem, steps in solutions(6):
        (ours,), _ = reward.run("score", problem, [path_of(steps)])
        assert close(ours, reference.scores(problem.question, steps))


def test_scores_are_the_same_with_a_warm_cache(reward):
    problem, steps = next(iter(solutions(1)))
    (cold,), _ = reward.run("score", problem, [path_of(steps)])
    (warm,), usage = reward.run("score", problem, [path_of(steps)])
    assert close(warm, cold)
    assert usage.cached_tokens > 0


def test_step_by_step_scores_equal_whole_scores_and_do_not_recompute_the_prefix(reward, reference):
    for problem, steps in list(solutions(24))[20:]:
        scores = ()
        computed = 0
        for k in range(1, len(steps) + 1):
            (new,), usage = reward.run("score", problem, [path_of(steps[:k], scores)])
            assert len(new) == 1
            scores += new
            computed += usage.computed_tokens
            size = usage.prompt_tokens
        assert close(scores, reference.scores(problem.question, steps))
        block = 32
        assert computed <= size + block * len(steps)


def test_sixty_four_concurrent_requests_score_as_one_alone(reward, reference):
    pairs = list(solutions(64))
    found = reward.run_all("score", [(problem, [path_of(steps)]) for problem, steps in pairs])
    for (problem, steps), ((ours,), _) in zip(pairs, found, strict=True):
        assert close(ours, reference.scores(problem.question, steps))


def test_identical_paths_are_computed_once(reward):
    problem, steps = list(solutions(30))[29]
    scores, usage = reward.run("score", problem, [path_of(steps)] * 8)
    assert len(set(scores)) == 1
    assert usage.prompt_tokens < 512


def test_calls_that_ask_for_the_same_prompt_at_once_share_one_request(reward):
    problem, steps = list(solutions(32))[31]
    found = reward.run_all("score", [(problem, [path_of(steps)])] * 8)
    assert len({scores for (scores,), _ in found}) == 1
    alone = max(usage.prompt_tokens for _, usage in found)
    assert sum(usage.prompt_tokens for _, usage in found) == alone > 0


def test_a_blank_step_scores_as_the_step_before_it(reward):
    problem, steps = next(iter(solutions(1)))
    (plain,), _ = reward.run("score", problem, [path_of(steps[:1])])
    (with_blank,), _ = reward.run("score", problem, [path_of([steps[0], "", " "])])
    assert with_blank == plain * 3


def test_a_path_with_nothing_to_read_is_unscored(reward):
    problem, _ = next(iter(solutions(1)))
    (scores,), usage = reward.run("score", problem, [path_of([""])])
    assert math.isnan(scores[0])
    assert usage.prompt_tokens == 0


def test_steps_beyond_the_context_are_unscored_and_earlier_ones_keep_scores(reward, reference):
    problem, steps = next(iter(solutions(1)))
    long = [*steps[:2], "7" * 600, steps[-1]]
    (scores,), _ = reward.run("score", problem, [path_of(long)])
    assert close(scores[:2], reference.scores(problem.question, steps[:2]))
    assert all(math.isnan(score) for score in scores[2:])


@pytest.mark.parametrize("text", ["two\nlines", "unicode: naïve ∑ 数学", "a <extra_0> inside"])
def test_odd_steps_have_one_score_each(reward, text):
    problem, steps = next(iter(solutions(1)))
    (scores,), _ = reward.run("score", problem, [path_of([steps[0], text, steps[1]])])
    assert len(scores) == 3
    assert all(0 <= score <= 1 for score in scores)


def test_newlines_and_unicode_score_as_the_reference_does(reward, reference):
    problem, steps = next(iter(solutions(1)))
    odd = [steps[0], "two\nlines", "naïve ∑"]
    (scores,), _ = reward.run("score", problem, [path_of(odd)])
    assert close(scores, reference.scores(problem.question, odd))
