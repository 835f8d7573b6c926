"""Making the pocket process reward model from a policy of its own, the reader.

The reader is trained as policies are, only longer. Then it learns to read solutions in the chat of
Qwen2.5-Math-PRM, with a tag after each step, as a language model of correct solutions. Last,
`comparator` widens it and sets two layers on top that compare each token with its rivals. The
comparison is set, not learnt: gradients on its sharp gates destroy it before they improve it.
"""

import time
from collections.abc import Callable, Iterator
from itertools import islice

import torch
from transformers import PreTrainedTokenizerBase

from tts_ray.pocket.batches import Example, next_token_example, pad
from tts_ray.pocket.comparator import comparator
from tts_ray.pocket.model import PolicyModel, RewardModel
from tts_ray.pocket.optimise import Optimiser
from tts_ray.pocket.recipe import RewardRecipe
from tts_ray.pocket.task import separate, train
from tts_ray.pocket.tokens import STEP_TAG, judged_ids, prompt_ids, token_id
from tts_ray.pocket.train_policy import language_loss, train_policy

ROWS = 16
STREAM = 1000
REPORT_EVERY = 50


def tagged_solutions(tokenizer: PreTrainedTokenizerBase, stream: int) -> Iterator[Example]:
    """Correct solutions as the reward model reads them, without end; the prompt is not learnt."""
    for problem in train(stream):
        prompt = prompt_ids(tokenizer, problem)
        ids = judged_ids(tokenizer, problem, separate(problem.solution))
        yield next_token_example([(prompt, False), (ids[len(prompt) :], True)])


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
        ids, targets = (part.to(device) for part in pad(list(islice(stream, ROWS))))
        loss = language_loss(policy, ids, targets)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step(step / steps)
        if (step + 1) % REPORT_EVERY == 0:
            spent = time.process_time() - began
            report(f"step {step + 1}/{steps}, {spent:.0f} s, loss {loss.item():.4f}")


def train_reward(
    recipe: RewardRecipe,
    tokenizer: PreTrainedTokenizerBase,
    *,
    device: str = "cpu",
    scale: float = 1.0,
    report: Callable[[str], None] = print,
) -> RewardModel:
    """The reward model of a recipe; `scale` multiplies the numbers of steps."""
    reader = train_policy(recipe.reader, tokenizer, device=device, scale=scale, report=report)
    torch.manual_seed(recipe.seed)
    adapt(reader.train(), recipe, tokenizer, scale, report)
    return comparator(reader.eval(), tokenizer).eval()
