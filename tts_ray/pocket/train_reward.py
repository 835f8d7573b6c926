"""Training of a pocket process reward model, from a policy's weights, on steps judged by program.

It reads the chat of Qwen2.5-Math-PRM, with a tag after each step, and learns at each tag whether
everything up to there is correct.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from tts_ray.pocket.batches import IGNORE, Example, batches
from tts_ray.pocket.grow import grow
from tts_ray.pocket.measure import Solution
from tts_ray.pocket.model import PolicyModel, RewardModel
from tts_ray.pocket.optimise import Optimiser
from tts_ray.pocket.recipe import BATCH_TOKENS, RewardRecipe
from tts_ray.pocket.reward_data import CORRECT, INNER, equation_examples, reward_example
from tts_ray.pocket.train_policy import drill_share

# of the targets WRONG, CORRECT, AFTER and INNER
TARGET_WEIGHTS = (1.0, 1.0, 0.25, 0.1)
REPORT_EVERY = 100


def reward_loss(model: RewardModel, ids: Tensor, targets: Tensor) -> Tensor:
    """The weighted cross-entropy of the judgements at the targets [B, T] of ids [B, T]."""
    judged = targets != IGNORE
    labels = targets[judged]
    correct = (labels == CORRECT) | (labels == INNER)
    logits = model.logits(model.model(ids)[judged])
    losses = F.cross_entropy(logits, correct.long(), reduction="none")
    weights = torch.tensor(TARGET_WEIGHTS, device=labels.device)[labels]
    return (losses * weights).sum() / weights.sum()


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
    model = grow(initial, recipe.extra_layers, tokenizer)
    device = model.model.cos.device
    optimiser = Optimiser(model, recipe.matrix_rate, recipe.other_rate)
    examples = [reward_example(tokenizer, solution) for solution in solutions]
    stream = batches(epochs(examples, rng), BATCH_TOKENS, rng)
    equations = equation_examples(tokenizer, 100 + recipe.seed, random.Random(recipe.seed))
    drills = batches(equations, BATCH_TOKENS, rng)
    steps = max(1, round(recipe.steps * scale))
    losses: dict[bool, list[float]] = {False: [], True: []}
    began = time.process_time()
    for step in range(steps):
        drilled = rng.random() < drill_share(recipe.drill, step / steps)
        ids, targets = (part.to(device) for part in next(drills if drilled else stream))
        loss = reward_loss(model, ids, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step(step / steps)
        losses[drilled].append(loss.item())
        if (step + 1) % REPORT_EVERY == 0:
            means = [sum(found) / max(1, len(found)) for found in losses.values()]
            spent = time.process_time() - began
            report(f"step {step + 1}/{steps}, {spent:.0f} s, loss {means[0]:.4f} {means[1]:.4f}")
            losses = {False: [], True: []}
    return model.eval()
