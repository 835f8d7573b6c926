"""Muon for the matrices of a model and AdamW for the rest, in float32, under one schedule.

Muon (K. Jordan, 2024) replaces the momentum of a matrix by the nearest semi-orthogonal matrix, by
Newton-Schulz iteration. torch's own runs that in bfloat16, which a CPU without such units emulates.
"""

from collections import defaultdict

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
MOMENTUM = 0.95
DECAY = 0.01
CLIP = 1.0


def use_threads(count: int) -> None:
    """Train with so many CPU threads."""
    torch.set_num_threads(count)


def orthogonalise(matrices: Tensor, iterations: int = 5) -> Tensor:
    """The semi-orthogonal matrices nearest, roughly, to a stack [K, M, N]."""
    a, b, c = NEWTON_SCHULZ
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(iterations):
        gram = x @ x.mT
        x = a * x + torch.baddbmm(b * gram, gram, gram, alpha=c) @ x
    nearest: Tensor = x.mT if tall else x
    return nearest


class Optimiser:
    """Steps a model's parameters. `step(done)` takes the share of training done, 0 to 1.

    The learning rate warms up over `warm_up` steps, is flat for 30 % of training, and then falls
    linearly to 2 %.
    """

    def __init__(
        self, model: nn.Module, matrix_rate: float, other_rate: float, warm_up: int = 50
    ) -> None:
        self.rates = (matrix_rate, other_rate)
        self.warm_up = warm_up
        self.taken = 0
        self.parameters = list(model.parameters())
        stacks: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
        others: list[nn.Parameter] = []
        for name, parameter in model.named_parameters():
            inner = parameter.dim() == 2 and "embed" not in name and not name.startswith("score")
            (stacks[parameter.shape] if inner else others).append(parameter)
        self.stacks = [
            (stack, torch.zeros_like(torch.stack([*stack]))) for stack in stacks.values()
        ]
        self.adam = torch.optim.AdamW(
            others, lr=other_rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True
        )

    def step(self, done: float) -> None:
        """Update from the gradients, clipped to norm CLIP, and clear them."""
        nn.utils.clip_grad_norm_(self.parameters, CLIP)
        self.taken += 1
        scale = min(1.0, self.taken / self.warm_up) * min(1.0, max(0.02, (1 - done) / 0.7))
        matrix_rate, other_rate = (rate * scale for rate in self.rates)
        for stack, momentum in self.stacks:
            self.step_stack(stack, momentum, matrix_rate)
        for group in self.adam.param_groups:
            group["lr"] = other_rate
        self.adam.step()
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step_stack(self, stack: list[nn.Parameter], momentum: Tensor, rate: float) -> None:
        """One Muon update, with Nesterov momentum, of matrices of one shape."""
        gradient = torch.stack([matrix.grad for matrix in stack if matrix.grad is not None])
        momentum.lerp_(gradient, 1 - MOMENTUM)
        update = orthogonalise(gradient.lerp(momentum, MOMENTUM))
        rows, columns = update.shape[1:]
        update *= max(1.0, rows / columns) ** 0.5
        for matrix, change in zip(stack, update, strict=True):
            matrix.mul_(1 - rate * DECAY).sub_(change, alpha=rate)
