"""What is trained, how large, and for how long: the numbers behind the committed weights."""

from dataclasses import dataclass

from tts_ray.pocket import POLICIES
from tts_ray.pocket.model import Shape
from tts_ray.pocket.tokens import VOCABULARY

BATCH_TOKENS = 2048


@dataclass(frozen=True, slots=True)
class PolicyRecipe:
    """One policy: its size, its optimiser steps of at most BATCH_TOKENS tokens, and its drills.

    `drill` is the share of batches made of isolated equations; it falls to none towards the end.
    """

    shape: Shape
    steps: int
    drill: float
    seed: int
    matrix_rate: float = 0.01
    other_rate: float = 5e-3


@dataclass(frozen=True, slots=True)
class RewardRecipe:
    """The reward model: which policy it starts from and what it reads.

    Each of `policies` solves `problems` fresh problems once, at temperature 1; `corruptions`
    reference solutions get one broken step. `drill` is
    the share of batches made of isolated equations, as for policies.
    """

    initial: str
    policies: tuple[str, ...]
    problems: int
    corruptions: int
    steps: int
    seed: int
    extra_layers: int = 2
    drill: float = 0.4
    matrix_rate: float = 0.005
    other_rate: float = 2e-3


POLICY_RECIPES = {
    "pocket-xs": PolicyRecipe(Shape(VOCABULARY, 64, 3, 192), steps=1600, drill=0.2, seed=1),
    "pocket-s": PolicyRecipe(Shape(VOCABULARY, 96, 3, 288), steps=1500, drill=0.3, seed=2),
    "pocket-m": PolicyRecipe(Shape(VOCABULARY, 128, 3, 384), steps=2000, drill=0.3, seed=3),
    "pocket-l": PolicyRecipe(Shape(VOCABULARY, 128, 4, 384), steps=3200, drill=0.3, seed=4),
}
REWARD_RECIPES = {
    "pocket-prm": RewardRecipe(
        "pocket-l", POLICIES, problems=3500, corruptions=4000, steps=2000, seed=5
    ),
    # not committed: what a reward model is worth on policies it was not trained on
    "pocket-prm-narrow": RewardRecipe(
        "pocket-l", ("pocket-l",), problems=5000, corruptions=0, steps=800, seed=6
    ),
}
