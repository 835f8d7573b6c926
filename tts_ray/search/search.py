"""What every search is: a frozen dataclass that is its own configuration, and a call on a tree."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from tts_ray.errors import ConfigError
from tts_ray.search.tree import Tree
from tts_ray.types import Path, Sampling, SearchId, Setting

DEPTH = 40
"""The paper's depth limit of step-wise searches, in expansions."""


LARGEST = 100_000
"""The largest value of a whole-number parameter."""


def plain_value(value: Any) -> Setting:
    """A parameter as a plain value; what has a form of its own (a strategy) by that."""
    if isinstance(value, tuple | list):
        return tuple(map(plain_value, value))
    return value if isinstance(value, str | int | float | None) else str(value)


@dataclass(frozen=True, kw_only=True)
class Search(ABC):
    """A test-time search. `n` is its budget N: candidates per depth, never more."""

    name: ClassVar[str]
    uses_reward: ClassVar[bool] = True
    later: ClassVar[frozenset[str]] = frozenset()
    """Parameters that earlier versions did not have: their searches are those of the defaults."""
    n: int = 1

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            said = f"{self.name}: {field.name}={value!r:.60} must be"
            if field.type in (int, "int") and not (type(value) is int and 1 <= value <= LARGEST):
                raise ConfigError(f"{said} a whole number in 1..{LARGEST:,}")
            if field.type in (float, "float") and not (
                type(value) in (int, float) and math.isfinite(value)
            ):
                raise ConfigError(f"{said} a finite number")
            if field.type in (str, "str") and not isinstance(value, str):
                raise ConfigError(f"{said} a word")
            if field.type in (bool, "bool") and not isinstance(value, bool):
                raise ConfigError(f"{said} true or false")

    @property
    def settings(self) -> dict[str, Any]:
        """All its parameters, but for `later` ones that are the default: with them, a search would
        not be the one that an earlier version stored."""
        return {
            field.name: value
            for field in fields(self)
            if (value := getattr(self, field.name)) != field.default or field.name not in self.later
        }

    @property
    def changed(self) -> dict[str, Setting]:
        """Its parameters but n that are not the default."""
        plain = {field.name: field.default for field in fields(self)}
        return {
            key: plain_value(value)
            for key, value in self.settings.items()
            if key != "n" and value != plain[key]
        }

    @property
    def unit(self) -> int | None:
        """How much of the budget is one unit, if units are independent and alike: unit i is all
        that grows from the i-th `unit` first children of the root, and any k units are a run at
        budget k * unit. None: no part of it is a run."""
        return None

    @property
    def id(self) -> SearchId:
        """What records and resumed runs know it by."""
        settings = tuple((k, plain_value(v)) for k, v in self.settings.items() if k != "n")
        label = " ".join([self.name, *(f"{k}={v}" for k, v in self.changed.items())])
        return SearchId(self.name, self.n, settings, label, self.unit, self.uses_reward)

    def sampling(self, base: Sampling) -> Sampling:
        """How this search wants the policy to sample, given the run's settings."""
        return base

    @abstractmethod
    async def __call__(self, tree: Tree) -> list[Path]:
        """Grow `tree`; return the complete paths it keeps as answers, best evidence included."""
