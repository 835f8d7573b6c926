"""Making the pocket process reward model from a policy.

The policy first learns to read its own solutions in the chat of Qwen2.5-Math-PRM, with a tag after
each step, as a language model of correct solutions. Then `comparator` widens it and sets two layers
on top that compare each token with what the policy expected there. The comparison is set, not
learnt: gradients on its sharp gates destroy it before they improve it.
"""

import random
import time
from collections.abc import Callable, Iterator
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerBase

from tts_ray.pocket.comparator import comparator
from tts_ray.pocket.model import PolicyModel, RewardModel
from tts_ray.pocket.optimise import Optimiser
from tts_ray.pocket.recipe import RewardRecipe
from tts_ray.pocket.task import separate, train
from tts_ray.pocket.tokens import STEP_TAG, prompt_ids, token_id

ROWS = 16
IGNORE = -100
STREAM = 1000
REPORT_EVERY = 50


def tagged_solutions(
    tokenizer: PreTrainedTokenizerBase, stream: int
) -> Iterator[tuple[list[int], list[int]]]:
    """Correct solutions as the reward model reads them, without end: ids, and targets of the
    solution's own tokens."""
    tag = token_id(tokenizer, STEP_TAG)
    for problem in train(stream):
        prompt = prompt_ids(tokenizer, problem)
        steps = [[*tokenizer(s)["input_ids"], tag] for s in separate(problem.solution)]
        solution = [token for step in steps for token in step]
        yield prompt + solution, [IGNORE] * len(prompt) + solution


def adapt(
    policy: PolicyModel,
    recipe: RewardRecipe,
    tokenizer: PreTrainedTokenizerBase,
    scale: float,
    report: Callable[[str], None],
) -> None:
    """Train the policy, in place, on correct solutions in the reward model's format."""
    end = tokenizer("$.\n\n")["input_ids"][0]
    with torch.no_grad():
        embedding = policy.model.embed_tokens.weight
        embedding[token_id(tokenizer, STEP_TAG)] = embedding[end]
    optimiser = Optimiser(policy, recipe.matrix_rate, recipe.other_rate)
    stream = tagged_solutions(tokenizer, STREAM + recipe.seed)
    steps = max(1, round(recipe.steps * scale))
    device, began = policy.model.cos.device, time.process_time()
    for step in range(steps):
        rows = list(islice(stream, ROWS))
        ids = pad_sequence([torch.tensor(row) for row, _ in rows], batch_first=True).to(device)
        wanted = pad_sequence(
            [torch.tensor(targets) for _, targets in rows], batch_first=True, padding_value=IGNORE
        ).to(device)
        loss = language_loss(policy, ids, wanted)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step(step / steps)
        if (step + 1) % REPORT_EVERY == 0:
            spent = time.process_time() - began
            report(f"step {step + 1}/{steps}, {spent:.0f} s, loss {loss.item():.4f}")


def language_loss(policy: PolicyModel, ids: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy of the targets [B, T], each predicted from the tokens before it."""
    wanted = targets[:, 1:]
    asked = wanted != IGNORE
    logits = policy.logits(policy.model(ids[:, :-1])[asked])
    return F.cross_entropy(logits, wanted[asked])


def train_reward(
    recipe: RewardRecipe,
    policy: PolicyModel,
    tokenizer: PreTrainedTokenizerBase,
    *,
    scale: float = 1.0,
    report: Callable[[str], None] = print,
) -> RewardModel:
    """The reward model of a policy, which is changed; `scale` multiplies the number of steps."""
    torch.manual_seed(recipe.seed)
    random.seed(recipe.seed)
    adapt(policy.train(), recipe, tokenizer, scale, report)
    return comparator(policy.eval(), tokenizer).eval()
