"""From usage to floating-point operations, by named conventions. A multiply and an add are two.

    paper        2 * N * generated tokens of the policy, pruned branches included, N the nominal
                 size; prompts and PRM not counted (arXiv 2502.06703, Table 4)
    algorithmic  every token of the tree once through the policy and, if steps are scored, once
                 through the PRM, attention included: what the method costs, however it is run
    executed     what was run: prompts without their cached part, tokens computed again, and the
                 output of every token where the engine makes one

The last two follow from the models' dimensions. All are sums over problems, so they add up over
records, and over the jobs of a resumed run.
"""

from dataclasses import dataclass
from typing import Literal

from tts_ray.dimensions import Dimensions
from tts_ray.types import NO_USAGE, Usage, pairs_up_to

Convention = Literal["paper", "algorithmic", "executed"]
CONVENTIONS: tuple[Convention, ...] = ("paper", "algorithmic", "executed")


@dataclass(frozen=True, slots=True)
class ModelSize:
    """The nominal parameter count of a model, and its dimensions where they are known."""

    nominal: float
    dimensions: Dimensions | None = None


@dataclass(frozen=True, slots=True)
class Sizes:
    """The models of a run."""

    policy: ModelSize
    prm: ModelSize | None = None

    @property
    def convention(self) -> Convention:
        """What methods are compared by: "algorithmic", or "paper" where that is all there is."""
        known = [size.dimensions is not None for size in (self.policy, self.prm) if size]
        return "algorithmic" if all(known) else "paper"


@dataclass(frozen=True, slots=True)
class Work:
    """What one or more searches did. `question_pairs` are the attention pairs of each question
    alone, which do not follow from the sum of the lengths."""

    policy: Usage = NO_USAGE
    reward: Usage = NO_USAGE
    question_tokens: int = 0
    question_pairs: int = 0

    @classmethod
    def of(cls, policy: Usage, reward: Usage, question_tokens: int) -> "Work":
        """The work of one search on one problem."""
        return cls(policy, reward, question_tokens, pairs_up_to(question_tokens))

    def __add__(self, other: "Work") -> "Work":
        return Work(
            self.policy + other.policy,
            self.reward + other.reward,
            self.question_tokens + other.question_tokens,
            self.question_pairs + other.question_pairs,
        )


NO_WORK = Work()


def training_flops(parameters: float, tokens: float) -> float:
    """6 * N * D (arXiv 2502.06703, Table 4)."""
    return 6.0 * parameters * tokens


def dense_flops(parameters: float, tokens: float) -> float:
    """2 * N * tokens (arXiv 2502.06703, Table 4)."""
    return 2.0 * parameters * tokens


def forward_flops(size: Dimensions, *, tokens: float, pairs: float, outputs: float) -> float:
    """One or more forward passes, counted as torch's flop counter does.

    Args:
        tokens: that pass the layers.
        pairs: of a token and one it attends to: two products of head_size each, in every head.
        outputs: tokens whose output (logits or scores) is computed.
    """
    matrices = 2 * tokens * size.layers * (size.attention + size.active_mlp)
    attention = 4 * pairs * size.layers * size.heads * size.head_size
    return float(matrices + attention + 2 * outputs * size.head)


def flops(work: Work, sizes: Sizes) -> dict[Convention, float]:
    """FLOPs of `work` by every convention that can be counted: all but "paper" need the dimensions
    of each model that did something."""
    policy, prm = sizes.policy, sizes.prm
    found: dict[Convention, float] = {
        "paper": dense_flops(policy.nominal, work.policy.generated_tokens)
    }
    judged = work.reward.computed_tokens > 0
    if policy.dimensions is None or (judged and (prm is None or prm.dimensions is None)):
        return found
    tokens = work.question_tokens + work.policy.generated_tokens
    pairs = work.question_pairs + work.policy.generated_pairs
    generated = work.policy.generated_tokens
    found["algorithmic"] = forward_flops(
        policy.dimensions, tokens=tokens, pairs=pairs, outputs=generated
    )
    found["executed"] = forward_flops(
        policy.dimensions,
        tokens=work.policy.computed_tokens,
        pairs=work.policy.computed_pairs,
        outputs=generated,
    )
    if judged and prm is not None and prm.dimensions is not None:
        found["algorithmic"] += forward_flops(prm.dimensions, tokens=tokens, pairs=pairs, outputs=0)
        found["executed"] += forward_flops(
            prm.dimensions,
            tokens=work.reward.computed_tokens,
            pairs=work.reward.computed_pairs,
            outputs=work.reward.computed_tokens,
        )
    return found
