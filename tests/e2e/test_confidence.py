"""Confidence on real vLLM, against plain transformers."""

from dataclasses import replace
from itertools import chain
from statistics import fmean

import pytest

from tests.e2e.references import confidence as reference
from tts_ray.data.problems import load_problems
from tts_ray.engines.vllm_client import Answer
from tts_ray.types import Confidence, Path, Sampling

SAMPLING = Sampling(max_step_tokens=64, max_tokens=256)
TOP = 5


@pytest.fixture(scope="module")
def problem():
    return load_problems("pocket", split="dev", level="level", levels=[1]).problems[0]


def expected(policy, problem, path):
    """Confidence and entropy of each token of a path, by step."""
    prompt = policy.engine.prompt(problem.question)
    numbers = zip(*reference(policy.folder, prompt, path.token_ids, TOP), strict=True)
    return [[next(numbers) for _ in step.token_ids] for step in path.steps]


def means(tokens):
    return [pytest.approx(fmean(part), abs=1e-4) for part in zip(*tokens, strict=True)]


def test_confidence_of_whole_solutions_is_that_of_their_log_probabilities(confident, problem):
    proposals, _ = confident.run(
        "propose", problem, [Path()] * 4, list(range(4)), SAMPLING, whole=True
    )
    for steps in proposals:
        tokens = expected(confident, problem, Path(steps))
        for step, of_step in zip(steps, tokens, strict=True):
            assert [step.confidence.mean, step.confidence.entropy] == means(of_step)
        assert [step.confidence.lowest_group for step in steps[:-1]] == [None] * (len(steps) - 1)
        assert steps[-1].confidence.lowest_group == means(chain(*tokens))[0]
    assert any(len(steps) > 1 for steps in proposals)


def test_confidence_of_single_steps_is_that_of_their_log_probabilities(confident, problem):
    path = Path()
    while path.is_open:
        (steps,), _ = confident.run("propose", problem, [path], [3], SAMPLING)
        path = path.extend(steps, 0)
    for step, tokens in zip(path.steps, expected(confident, problem, path), strict=True):
        assert [step.confidence.mean, step.confidence.entropy] == means(tokens)
        assert step.confidence.lowest_group == pytest.approx(step.confidence.mean)


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_sampled_does_not_depend_on_it(policy, confident, problem, whole):
    asked = (problem, [Path()] * 16, list(range(16)), SAMPLING)
    plain, usage = policy.run("propose", *asked, whole=whole)
    measured, other = confident.run("propose", *asked, whole=whole)
    assert all(step.confidence is None for steps in plain for step in steps)
    assert [tuple(replace(step, confidence=None) for step in steps) for steps in measured] == plain
    assert usage.generated_tokens == other.generated_tokens


def test_an_engine_keeps_a_few_numbers_of_a_token_and_none_unless_asked(policy, confident, problem):
    plain, measured = (
        each.loop.run_until_complete(
            each.engine.vllm.generate(
                [*each.engine.prompt(problem.question)], SAMPLING, 0, 9, frozenset()
            )
        )
        for each in (policy, confident)
    )
    assert (plain.confidence, plain.entropy) == ([], [])
    assert len(measured.confidence) == len(measured.entropy) == len(measured.token_ids) == 9
    assert measured.logprobs == pytest.approx(plain.logprobs)


def test_a_blank_beginning_counts_in_the_step_that_it_opens(confident, problem, monkeypatch):
    (separator,) = confident.engine.stops & set(confident.engine.tokenizer.encode("\n\n"))
    (word,) = confident.engine.tokenizer.encode("1")
    blank = Answer([separator], [-1.0], [4.0], [0.4], "stop", separator)
    # What follows the first step of a response is discarded.
    rest = Answer(
        [word, separator, word], [-1.0] * 3, [1.0, 1.0, 9.0], [0.1, 0.1, 0.9], "stop", None
    )
    answers = iter([blank, rest])

    async def generate(*_):
        return next(answers)

    monkeypatch.setattr(confident.engine.vllm, "generate", generate)
    ((step,),), _ = confident.run("propose", problem, [Path()], [0], SAMPLING)
    assert step.token_ids == (separator, word, separator)
    assert step.confidence == Confidence(2.0, 2.0, pytest.approx(0.2))
