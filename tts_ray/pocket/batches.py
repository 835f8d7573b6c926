"""Training examples as token batches.

Invariant: rows are padded on the right and read causally, so a row never sees another one.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from tts_ray.pocket.task import SEPARATOR, Operation, Problem, train
from tts_ray.pocket.tokens import END, prompt_ids

BUFFER = 512
DRILLS_A_ROW = 24
IGNORE = -100


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids, and for each the target there, IGNORE where nothing is learnt."""

    ids: list[int]
    targets: list[int]


def next_token_example(parts: Sequence[tuple[list[int], bool]]) -> Example:
    """An example from consecutive parts, each of ids and whether they are to be predicted."""
    ids = [token for part, _ in parts for token in part]
    wanted = [learnt for part, learnt in parts for _ in part]
    targets = [
        token if learnt else IGNORE for token, learnt in zip(ids[1:], wanted[1:], strict=True)
    ]
    return Example(ids[:-1], targets)


def solution_example(tokenizer: PreTrainedTokenizerBase, problem: Problem) -> Example:
    """Learn the solution and its end, given the prompt."""
    completion = tokenizer(problem.solution + END)["input_ids"]
    return next_token_example([(prompt_ids(tokenizer, problem), False), (completion, True)])


def drill_example(tokenizer: PreTrainedTokenizerBase, operations: Sequence[Operation]) -> Example:
    """Learn the results of isolated equations."""
    parts: list[tuple[list[int], bool]] = []
    for operation in operations:
        asked = f"${operation.left}{operation.symbol}{operation.right}="
        parts.append((tokenizer(asked)["input_ids"], False))
        parts.append((tokenizer(f"{operation.value}$.{SEPARATOR}")["input_ids"], True))
    return next_token_example(parts)


def policy_examples(tokenizer: PreTrainedTokenizerBase, stream: int) -> Iterator[Example]:
    """Solutions of training problems, without end."""
    for problem in train(stream):
        yield solution_example(tokenizer, problem)


def drill_examples(tokenizer: PreTrainedTokenizerBase, stream: int) -> Iterator[Example]:
    """Rows of equations, without end."""
    operations = shuffled_operations(stream)
    while True:
        yield drill_example(tokenizer, list(islice(operations, DRILLS_A_ROW)))


def shuffled_operations(stream: int) -> Iterator[Operation]:
    """Operations as they occur in training problems, in random order, without end."""
    problems = train(stream)
    rng = random.Random(stream)
    while True:
        pool = [op for problem in islice(problems, BUFFER) for op in problem.operations]
        rng.shuffle(pool)
        # whole rows, so that a row has operations of one shuffle
        yield from pool[: (len(pool) - 1) // DRILLS_A_ROW * DRILLS_A_ROW]


def batches(
    examples: Iterator[Example], tokens: int, rng: random.Random
) -> Iterator[tuple[Tensor, Tensor]]:
    """Ids and targets [B, T], B*T <= tokens, of examples of like length, in random order."""
    while pool := sorted(islice(examples, BUFFER), key=lambda example: len(example.ids)):
        groups: list[list[Example]] = [[]]
        for example in pool:
            if (len(groups[-1]) + 1) * len(example.ids) > tokens:
                groups.append([])
            groups[-1].append(example)
        rng.shuffle(groups)
        yield from map(pad, groups)


def pad(examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """Ids and targets [B, T], padded on the right."""
    longest = max(len(example.ids) for example in examples)
    ids = torch.zeros(len(examples), longest, dtype=torch.long)
    targets = torch.full((len(examples), longest), IGNORE)
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = torch.tensor(example.ids)
        targets[row, : len(example.ids)] = torch.tensor(example.targets)
    return ids, targets
