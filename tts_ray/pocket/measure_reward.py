"""Quality of a process reward model against exact step labels.

Steps behind the first error are not counted, for what they are is a matter of definition. The F1
is ProcessBench's: the harmonic mean of the share of wrong solutions whose first error is located
exactly, and of the share of correct solutions in which none is found.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerBase

from tts_ray.pocket.measure import Solution
from tts_ray.pocket.model import RewardModel
from tts_ray.pocket.task import Verdict
from tts_ray.pocket.tokens import STEP_TAG, judged_ids, token_id

THRESHOLD = 0.5
ROWS = 64


@dataclass(frozen=True, slots=True)
class RewardQuality:
    """All shares in 0 to 1; `steps` and `solutions` are the counts they are of."""

    steps: int
    solutions: int
    step_accuracy: float
    auc: float
    located: float
    recognised: float

    @property
    def f1(self) -> float:
        total = self.located + self.recognised
        return 2 * self.located * self.recognised / total if total else 0.0


@torch.inference_mode()
def score(
    model: RewardModel, tokenizer: PreTrainedTokenizerBase, solutions: Sequence[Solution]
) -> list[list[float]]:
    """The probability, for each step of each solution, that all up to it is correct."""
    device = model.model.cos.device
    tag = token_id(tokenizer, STEP_TAG)
    sequences = [
        torch.tensor(judged_ids(tokenizer, solution.problem, solution.steps))
        for solution in solutions
    ]
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index]))
    scores: list[list[float]] = [[] for _ in sequences]
    for first in range(0, len(order), ROWS):
        chosen = order[first : first + ROWS]
        ids = pad_sequence([sequences[index] for index in chosen], batch_first=True)
        judged = model.logits(model.model(ids.to(device))).softmax(-1)[..., 1].cpu()
        for row, index in enumerate(chosen):
            scores[index] = judged[row][ids[row] == tag].tolist()
    return scores


def first_below(values: Sequence[float]) -> int | None:
    """The index of the first score below the threshold."""
    return next((index for index, value in enumerate(values) if value < THRESHOLD), None)


def first_wrong(solution: Solution) -> int | None:
    """The index of the first wrong step."""
    verdicts = enumerate(solution.verdicts)
    return next((index for index, verdict in verdicts if verdict is not Verdict.CORRECT), None)


def area_under_curve(positive: Sequence[float], negative: Sequence[float]) -> float:
    """The probability that a positive scores above a negative, ties counted half."""
    if not positive or not negative:
        return float("nan")
    low = torch.tensor(sorted(negative), dtype=torch.float64)
    high = torch.tensor(positive, dtype=torch.float64)
    below = torch.searchsorted(low, high, right=False)
    up_to = torch.searchsorted(low, high, right=True)
    return float((below + up_to).double().mean() / 2 / len(negative))


def measure_reward(
    solutions: Sequence[Solution], scores: Sequence[Sequence[float]]
) -> RewardQuality:
    """Compare scores with the verdicts."""
    positive: list[float] = []
    negative: list[float] = []
    located: list[bool] = []
    recognised: list[bool] = []
    for solution, values in zip(solutions, scores, strict=True):
        wrong = first_wrong(solution)
        positive += values[:wrong]
        if wrong is None:
            recognised.append(first_below(values) is None)
        else:
            negative.append(values[wrong])
            located.append(first_below(values) == wrong)
    hits = sum(value >= THRESHOLD for value in positive)
    hits += sum(value < THRESHOLD for value in negative)
    return RewardQuality(
        steps=len(positive) + len(negative),
        solutions=len(solutions),
        step_accuracy=hits / max(1, len(positive) + len(negative)),
        auc=area_under_curve(positive, negative),
        located=sum(located) / max(1, len(located)),
        recognised=sum(recognised) / max(1, len(recognised)),
    )
