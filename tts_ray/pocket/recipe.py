"""What is trained, how large, and for how long: the numbers behind the committed weights."""

from dataclasses import dataclass

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
    """The reward model: the policy made for it, and its steps on tagged solutions."""

    reader: PolicyRecipe
    steps: int
    seed: int
    matrix_rate: float = 0.003
    other_rate: float = 1e-3


POLICY_RECIPES = {
    "pocket-xs": PolicyRecipe(Shape(VOCABULARY, 64, 3, 192), steps=1600, drill=0.2, seed=1),
    "pocket-s": PolicyRecipe(Shape(VOCABULARY, 96, 3, 288), steps=1500, drill=0.3, seed=2),
    "pocket-m": PolicyRecipe(Shape(VOCABULARY, 128, 3, 384), steps=2000, drill=0.3, seed=3),
    "pocket-l": PolicyRecipe(Shape(VOCABULARY, 128, 4, 384), steps=3200, drill=0.3, seed=4),
}
READER = PolicyRecipe(Shape(VOCABULARY, 96, 3, 288), steps=6000, drill=0.3, seed=6)
REWARD_RECIPES = {"pocket-prm": RewardRecipe(READER, steps=300, seed=7)}
