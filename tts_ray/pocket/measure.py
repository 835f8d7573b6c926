"""Quality of a policy: how often its solutions are right, by level, with intervals."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerBase

from tts_ray.pocket.model import PolicyModel
from tts_ray.pocket.sample import sample
from tts_ray.pocket.task import LEVELS, Problem, Verdict, boxed, judge, separate
from tts_ray.pocket.tokens import END, prompt_ids, token_id

LIMIT = 256


@dataclass(frozen=True, slots=True)
class Solution:
    """A sampled solution, and what the program says of it."""

    problem: Problem
    steps: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    right: bool


def solve(
    model: PolicyModel,
    tokenizer: PreTrainedTokenizerBase,
    problems: Sequence[Problem],
    *,
    temperature: float,
    seed: int,
    repeats: int = 1,
) -> list[Solution]:
    """`repeats` solutions of each problem, those of one problem next to each other."""
    asked = [problem for problem in problems for _ in range(repeats)]
    device = model.model.cos.device
    completions = sample(
        model,
        [prompt_ids(tokenizer, problem) for problem in asked],
        end=token_id(tokenizer, END),
        temperature=temperature,
        limit=LIMIT,
        generator=torch.Generator(device).manual_seed(seed),
    )
    texts = tokenizer.batch_decode(completions, skip_special_tokens=True)
    return [check(problem, text) for problem, text in zip(asked, texts, strict=True)]


def check(problem: Problem, text: str) -> Solution:
    """Judge one solution."""
    steps = separate(text)
    verdicts = judge(problem, steps)
    return Solution(problem, tuple(steps), tuple(verdicts), boxed(text) == problem.answer)


def accuracy_by_level(solutions: Sequence[Solution]) -> dict[int, float]:
    """The share of right answers at each level; level 0 stands for all."""
    groups: dict[int, list[bool]] = {0: [], **{level: [] for level in LEVELS}}
    for solution in solutions:
        groups[0].append(solution.right)
        groups[solution.problem.level].append(solution.right)
    return {level: sum(found) / max(1, len(found)) for level, found in groups.items()}


def first_faults(solutions: Sequence[Solution]) -> Counter[Verdict]:
    """How often each fault is the first in a solution."""
    faults = (
        next((verdict for verdict in solution.verdicts if verdict is not Verdict.CORRECT), None)
        for solution in solutions
    )
    return Counter(fault for fault in faults if fault is not None)


def bootstrap(values: Sequence[float], *, draws: int = 2000, seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of a mean over problems, by resampling them."""
    rng = random.Random(seed)
    means = sorted(sum(rng.choices(values, k=len(values))) / len(values) for _ in range(draws))
    return means[int(0.025 * draws)], means[int(0.975 * draws)]
