"""Training of a pocket process reward model, from a policy's weights, on steps judged by program.

It reads the chat of Qwen2.5-Math-PRM, with a tag after each step, and learns at each tag whether
everything up to there is correct.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

import torch
import torch.nn.functional as F
from transformers import PreTrainedTokenizerBase

from tts_ray.pocket.batches import IGNORE, Example, batches
from tts_ray.pocket.corrupt import corrupt
from tts_ray.pocket.measure import Solution, check, solve
from tts_ray.pocket.model import PolicyModel, RewardModel
from tts_ray.pocket.optimise import Optimiser
from tts_ray.pocket.recipe import BATCH_TOKENS, RewardRecipe
from tts_ray.pocket.task import Verdict, train
from tts_ray.pocket.tokens import STEP_TAG, judged_ids, token_id

WRONG, CORRECT, AFTER = 0, 1, 2
AFTER_WEIGHT = 0.25
REPORT_EVERY = 250
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
    """Targets at the step tags: CORRECT, WRONG, or AFTER for wrong ones behind the first."""
    ids = judged_ids(tokenizer, solution.problem, solution.steps)
    tag = token_id(tokenizer, STEP_TAG)
    targets = [IGNORE] * len(ids)
    tagged = [position for position, token in enumerate(ids) if token == tag]
    for position, verdict in zip(tagged, solution.verdicts, strict=True):
        match verdict:
            case Verdict.CORRECT:
                targets[position] = CORRECT
            case Verdict.AFTER:
                targets[position] = AFTER
            case _:
                targets[position] = WRONG
    return Example(ids, targets)


def epochs(examples: Sequence[Example], rng: random.Random) -> Iterator[Example]:
    """All examples in random order, again and again."""
    order = list(examples)
    while True:
        rng.shuffle(order)
        yield from order


def train_reward(
    recipe: RewardRecipe,
    initial: PolicyModel,
    solutions: Sequence[Solution],
    tokenizer: PreTrainedTokenizerBase,
    *,
    scale: float = 1.0,
    report: Callable[[str], None] = print,
) -> RewardModel:
    """Train a reward model on judged solutions; `scale` multiplies the number of steps."""
    torch.manual_seed(recipe.seed)
    rng = random.Random(recipe.seed)
    device = initial.model.cos.device
    model = RewardModel(initial.shape)
    model.model.load_state_dict(initial.model.state_dict())
    model.to(device)
    optimiser = Optimiser(model, recipe.matrix_rate, recipe.other_rate)
    examples = [reward_example(tokenizer, solution) for solution in solutions]
    stream = batches(epochs(examples, rng), BATCH_TOKENS, rng)
    steps = max(1, round(recipe.steps * scale))
    loss_sum, began = 0.0, time.process_time()
    for step in range(steps):
        ids, targets = (part.to(device) for part in next(stream))
        tagged = targets != IGNORE
        labels = targets[tagged]
        losses = F.cross_entropy(
            model.logits(model.model(ids)[tagged]), (labels == CORRECT).long(), reduction="none"
        )
        weights = torch.where(labels == AFTER, AFTER_WEIGHT, 1.0)
        loss = (losses * weights).sum() / weights.sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step(step / steps)
        loss_sum += loss.item()
        if (step + 1) % REPORT_EVERY == 0:
            spent = time.process_time() - began
            report(f"step {step + 1}/{steps} {spent:.0f}s loss {loss_sum / REPORT_EVERY:.4f}")
            loss_sum = 0.0
    return model.eval()
