"""The generator, the splits, and labels by program."""

import random
from itertools import islice

import pytest

from tts_ray.pocket.task import (
    LEVELS,
    PER_LEVEL,
    SEPARATOR,
    Problem,
    Verdict,
    boxed,
    generate,
    judge,
    separate,
    split,
    train,
)


def solved(question_level: int, seed: int = 0) -> Problem:
    return generate(random.Random(seed), question_level)


@pytest.mark.parametrize("name", PER_LEVEL)
def test_every_step_of_a_reference_solution_is_correct(name: str) -> None:
    for problem in split(name):
        verdicts = judge(problem, separate(problem.solution))
        assert verdicts == [Verdict.CORRECT] * (len(problem.operations) + 1)
        assert boxed(problem.solution) == problem.answer


def test_splits_are_balanced_over_levels_and_disjoint() -> None:
    texts = [{problem.question for problem in split(name)} for name in PER_LEVEL]
    assert [len(found) for found in texts] == [5 * count for count in PER_LEVEL.values()]
    assert len(set.union(*texts)) == sum(map(len, texts))
    for name, count in PER_LEVEL.items():
        levels = [problem.level for problem in split(name)]
        assert all(levels.count(level) == count for level in LEVELS)


def test_training_problems_are_never_held_out() -> None:
    held_out = {problem.question for name in PER_LEVEL for problem in split(name)}
    seen = {problem.question for problem in islice(train(3, levels=(1, 2)), 5000)}
    assert not seen & held_out


def test_training_streams_are_reproducible_and_differ() -> None:
    assert list(islice(train(1), 20)) == list(islice(train(1), 20))
    assert list(islice(train(1), 20)) != list(islice(train(2), 20))


def test_an_unknown_split_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"'validation'.*test_large"):
        split("validation")


def test_swapped_operands_of_a_sum_are_correct_and_of_a_difference_are_not() -> None:
    rng = random.Random(0)
    plus = next(p for p in (generate(rng, 1) for _ in range(99)) if p.operations[0].symbol == "+")
    minus = next(p for p in (generate(rng, 1) for _ in range(99)) if p.operations[0].symbol == "-")
    for problem, wanted in ((plus, Verdict.CORRECT), (minus, Verdict.OPERAND)):
        first = problem.operations[0]
        written = f"{first.left}{first.symbol}{first.right}="
        swapped = f"{first.right}{first.symbol}{first.left}="
        step = separate(problem.solution)[0].replace(written, swapped)
        assert judge(problem, [step]) == [wanted]


def test_each_fault_has_its_verdict() -> None:
    problem = solved(2)
    steps = separate(problem.solution)
    last = problem.operations[0]
    slip = steps[0].replace(f"={last.value}$.", f"={last.value + 1}$.")
    assert judge(problem, [slip, *steps[1:]]) == [Verdict.ARITHMETIC] + [Verdict.AFTER] * 3
    assert judge(problem, [steps[1]]) == [Verdict.OPERAND]
    assert judge(problem, ["Hence."]) == [Verdict.FORMAT]
    assert judge(problem, [*steps[:3], r"The answer is $\boxed{0}$."])[-1] is Verdict.ANSWER
    assert judge(problem, [*steps, steps[-1]])[-1] is Verdict.FORMAT
    assert judge(problem, [*steps[:2], steps[-1]])[-1] is Verdict.FORMAT


def test_steps_are_separated_by_blank_lines_and_stripped() -> None:
    assert separate(f"one.{SEPARATOR}{SEPARATOR} two. \n{SEPARATOR}") == ["one.", "two."]
