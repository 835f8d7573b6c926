"""Training of a pocket policy: next-token prediction of solutions, with arithmetic drills.

Arithmetic comes in a sudden transition and not gradually; isolated equations bring it forward.
Their share falls to none, so that training ends on what is measured.
"""

import random
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from tts_ray.pocket.batches import IGNORE, batches, drill_examples, policy_examples
from tts_ray.pocket.model import PolicyModel
from tts_ray.pocket.optimise import Optimiser
from tts_ray.pocket.recipe import BATCH_TOKENS, PolicyRecipe

REPORT_EVERY = 250


def train_policy(
    recipe: PolicyRecipe,
    tokenizer: PreTrainedTokenizerBase,
    *,
    device: str = "cpu",
    scale: float = 1.0,
    report: Callable[[str], None] = print,
) -> PolicyModel:
    """Train a policy from its seed; `scale` multiplies the number of steps."""
    torch.manual_seed(recipe.seed)
    rng = random.Random(recipe.seed)
    model = PolicyModel(recipe.shape).to(device)
    optimiser = Optimiser(model, recipe.matrix_rate, recipe.other_rate)
    solutions = batches(policy_examples(tokenizer, recipe.seed), BATCH_TOKENS, rng)
    drills = batches(drill_examples(tokenizer, 100 + recipe.seed), BATCH_TOKENS, rng)
    steps = max(1, round(recipe.steps * scale))
    tokens, losses, began = 0, [], time.process_time()
    for step in range(steps):
        done = step / steps
        drilled = rng.random() < drill_share(recipe.drill, done)
        ids, targets = (part.to(device) for part in next(drills if drilled else solutions))
        loss = language_loss(model, ids, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step(done)
        tokens += ids.numel()
        if not drilled:
            losses.append(loss.item())
        if (step + 1) % REPORT_EVERY == 0:
            spent = time.process_time() - began
            loss_mean = sum(losses) / max(1, len(losses))
            progress = f"step {step + 1}/{steps}, {tokens / 1e6:.1f}M tokens, {spent:.0f} s"
            report(f"{progress}, loss {loss_mean:.4f}")
            losses.clear()
    return model.eval()


def language_loss(model: PolicyModel, ids: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of the targets [B, T] that are to be learnt."""
    learnt = targets != IGNORE
    return F.cross_entropy(model.logits(model.model(ids)[learnt]), targets[learnt])


def drill_share(share: float, done: float) -> float:
    """The share of drill batches: flat for half of training, none from 80 % on."""
    return share * min(1.0, max(0.0, (0.8 - done) / 0.3))
