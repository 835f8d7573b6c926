"""The policy on real vLLM."""

import pytest

from tts_ray.data.problems import load_problems
from tts_ray.types import Finish, Path, Sampling, Step

SAMPLING = Sampling(max_step_tokens=64, max_tokens=256)


@pytest.fixture(scope="module")
def problem():
    return load_problems("pocket", split="dev", level="level", levels=[1]).problems[0]


def test_a_whole_solution_falls_into_steps_that_hold_all_its_tokens(policy, problem):
    proposals, usage = policy.run(
        "propose", problem, [Path()] * 8, list(range(8)), SAMPLING, whole=True
    )
    tokens = [[token for step in steps for token in step.token_ids] for steps in proposals]
    assert usage.generated_tokens == sum(map(len, tokens))
    assert usage.calls == 1
    decode = policy.engine.tokenizer.decode
    for steps, ids in zip(proposals, tokens, strict=True):
        assert "".join(step.text for step in steps) == decode(ids, skip_special_tokens=True)
        assert all(step.finish is Finish.STEP for step in steps[:-1])
        assert all(step.text.endswith("\n\n") for step in steps[:-1])
        assert all(step.logprob <= 0 for step in steps)
    assert any(steps[-1].finish is Finish.EOS for steps in proposals)


def test_a_step_stops_at_the_separator_and_is_continued_from_its_ids(policy, problem):
    (first,), _ = policy.run("propose", problem, [Path()], [7], SAMPLING)
    assert len(first) == 1
    assert first[0].finish is Finish.STEP
    assert first[0].text.count("\n\n") == 1
    assert first[0].text.endswith("\n\n")
    path = Path().extend(first, 0)
    (second,), usage = policy.run("propose", problem, [path], [8], SAMPLING)
    assert second[0].text.strip()
    prompt = policy.engine.prompt(problem.question)
    assert usage.prompt_tokens == len(prompt) + len(path.token_ids)


def test_steps_one_by_one_are_the_whole_solution_when_greedy(policy, problem):
    greedy = Sampling(temperature=0.0, max_step_tokens=64, max_tokens=256)
    (whole,), _ = policy.run("propose", problem, [Path()], [0], greedy, whole=True)
    path = Path()
    while path.is_open:
        (steps,), _ = policy.run("propose", problem, [path], [0], greedy)
        path = path.extend(steps, 0)
    assert [(s.text, s.token_ids, s.finish) for s in path.steps] == [
        (s.text, s.token_ids, s.finish) for s in whole
    ]


def test_a_seed_gives_the_same_tokens_alone_and_in_company(policy, problem):
    alone, _ = policy.run("propose", problem, [Path()], [5], SAMPLING, whole=True)
    crowd, _ = policy.run("propose", problem, [Path()] * 16, list(range(16)), SAMPLING, whole=True)
    assert alone[0] == crowd[5]
    assert len({steps[0].text for steps in crowd} | {steps[-1].text for steps in crowd}) > 1


def test_siblings_share_their_prefix_in_the_cache(policy, problem):
    path = Path()
    for seed in range(2):
        (steps,), _ = policy.run("propose", problem, [path], [seed], SAMPLING)
        path = path.extend(steps, 0)
    _, usage = policy.run("propose", problem, [path] * 4, list(range(4)), SAMPLING)
    assert usage.cached_tokens >= usage.prompt_tokens // 2


def test_a_step_cut_by_its_limit_says_so(policy, problem):
    cut = Sampling(max_step_tokens=3, max_tokens=256)
    (steps,), usage = policy.run("propose", problem, [Path()], [0], cut)
    assert steps[0].finish is Finish.LENGTH
    assert usage.generated_tokens == 3


def test_a_response_cut_by_its_limit_says_so(policy, problem):
    cut = Sampling(max_tokens=5)
    (steps,), usage = policy.run("propose", problem, [Path()], [0], cut, whole=True)
    assert steps[-1].finish is Finish.LENGTH
    assert usage.generated_tokens == 5


@pytest.mark.parametrize("whole", [True, False])
def test_a_path_without_room_is_closed_without_asking_the_engine(policy, problem, whole):
    long = Step("1" * 600, (20,) * 600, Finish.STEP, -1.0)
    proposals, usage = policy.run("propose", problem, [Path((long,))], [0], SAMPLING, whole=whole)
    assert proposals == [(Step("", (), Finish.LENGTH, 0.0),)]
    assert (usage.prompt_tokens, usage.generated_tokens) == (0, 0)


def test_many_calls_at_once_keep_their_answers_apart(policy, problem):
    others = load_problems("pocket", split="dev", level="level", limit=12).problems
    calls = [(other, [Path()], [1], SAMPLING) for other in others]
    together = policy.run_all("propose", calls)
    apart = [policy.run("propose", *call) for call in calls]
    assert [proposals for proposals, _ in together] == [proposals for proposals, _ in apart]
