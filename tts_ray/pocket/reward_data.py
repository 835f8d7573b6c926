"""What a reward model reads and learns: judged solutions and judged equations, as examples.

Invariant: labels come from the program that judges steps, never from a model.
"""

import random
from collections.abc import Iterator, Mapping
from itertools import islice

from transformers import PreTrainedTokenizerBase

from tts_ray.pocket.batches import DRILLS_A_ROW, IGNORE, Example, shuffled_operations
from tts_ray.pocket.corrupt import corrupt, slip
from tts_ray.pocket.measure import Solution, check, solve
from tts_ray.pocket.model import PolicyModel
from tts_ray.pocket.recipe import RewardRecipe
from tts_ray.pocket.task import Verdict, separate, train
from tts_ray.pocket.tokens import STEP_TAG, prompt_ids, token_id

WRONG, CORRECT, AFTER, INNER = range(4)
TAG_TARGETS = {Verdict.CORRECT: CORRECT, Verdict.AFTER: AFTER}
STREAM = 1000


def reward_solutions(
    recipe: RewardRecipe,
    policies: Mapping[str, PolicyModel],
    tokenizer: PreTrainedTokenizerBase,
    *,
    scale: float = 1.0,
) -> list[Solution]:
    """Judged solutions: one of each problem from each policy, and corrupted references.

    `policies` are in the order of the recipe. `scale` multiplies the number of problems.
    """
    solutions: list[Solution] = []
    for index, policy in enumerate(policies.values()):
        solutions += sampled_solutions(recipe, index, policy, tokenizer, scale=scale)
    return solutions + corrupted_solutions(recipe, scale=scale)


def sampled_solutions(
    recipe: RewardRecipe,
    index: int,
    policy: PolicyModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    scale: float = 1.0,
) -> list[Solution]:
    """What the recipe's policy `index` says at temperature 1 on its own stream of problems."""
    count = max(1, round(recipe.problems * scale))
    problems = list(islice(train(STREAM + recipe.seed * 10 + index), count))
    found = solve(policy, tokenizer, problems, temperature=1.0, seed=recipe.seed + index)
    return [solution for solution in found if solution.steps]


def corrupted_solutions(recipe: RewardRecipe, *, scale: float = 1.0) -> list[Solution]:
    """Reference solutions with one broken step, on a stream of their own."""
    rng = random.Random(recipe.seed)
    problems = islice(train(STREAM + recipe.seed * 10 + 9), round(recipe.corruptions * scale))
    return [check(problem, corrupt(problem, rng)) for problem in problems]


def reward_example(tokenizer: PreTrainedTokenizerBase, solution: Solution) -> Example:
    """Targets at the step tags, and inside the steps up to the first token that is wrong."""
    ids = prompt_ids(tokenizer, solution.problem)
    targets = [IGNORE] * len(ids)
    tag = token_id(tokenizer, STEP_TAG)
    reference = separate(solution.problem.solution)
    for index, (step, verdict) in enumerate(zip(solution.steps, solution.verdicts, strict=True)):
        tokens = tokenizer(step)["input_ids"]
        wanted = tokenizer(reference[index])["input_ids"] if index < len(reference) else []
        ids += [*tokens, tag]
        targets += [*inner_targets(tokens, wanted, verdict), TAG_TARGETS.get(verdict, WRONG)]
    return Example(ids, targets)


def inner_targets(tokens: list[int], wanted: list[int], verdict: Verdict) -> list[int]:
    """Targets of a step's own tokens: the text is deterministic, so the first deviation is wrong.

    Learnt beside the tags, they say where to look: a tag alone is a faint signal for a step.
    """
    if verdict is Verdict.CORRECT:
        return [INNER] * len(tokens)
    if verdict is Verdict.AFTER:
        return [IGNORE] * len(tokens)
    agreed = 0
    while agreed < min(len(tokens), len(wanted)) and tokens[agreed] == wanted[agreed]:
        agreed += 1
    deviation = [WRONG] if agreed < len(tokens) else []
    return ([INNER] * agreed + deviation + [IGNORE] * len(tokens))[: len(tokens)]


def equation_examples(
    tokenizer: PreTrainedTokenizerBase, stream: int, rng: random.Random
) -> Iterator[Example]:
    """Rows of isolated equations, half of them with a slip, each judged by itself; without end."""
    tag = token_id(tokenizer, STEP_TAG)
    pool = shuffled_operations(stream)
    while True:
        ids: list[int] = []
        targets: list[int] = []
        for operation in islice(pool, DRILLS_A_ROW):
            slipped = rng.random() < 0.5
            value = slip(operation.value, rng) if slipped else operation.value
            asked = f"${operation.left}{operation.symbol}{operation.right}="
            tokens = tokenizer(f"{asked}{value}$.")["input_ids"]
            wanted = tokenizer(f"{asked}{operation.value}$.")["input_ids"]
            verdict = Verdict.ARITHMETIC if slipped else Verdict.CORRECT
            ids += [*tokens, tag]
            targets += [*inner_targets(tokens, wanted, verdict), WRONG if slipped else CORRECT]
        yield Example(ids, targets)
