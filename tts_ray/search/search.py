"""What every search is: a frozen dataclass that is its own configuration, and a call on a tree."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar

from tts_ray.errors import ConfigError
from tts_ray.search.tree import Tree
from tts_ray.types import Path, Sampling

DEPTH = 40
"""The paper's depth limit of step-wise searches, in expansions."""


LARGEST = 100_000
"""The largest value of a whole-number parameter."""


@dataclass(frozen=True, kw_only=True)
class Search(ABC):
    """A test-time search. `n` is its budget N: candidates per depth, never more."""

    name: ClassVar[str]
    uses_reward: ClassVar[bool] = True
    pools: ClassVar[bool] = False
    """Whether its candidates are i.i.d., so that any k of them are a run at budget k."""

    n: int = 1

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type in (int, "int") and not (type(value) is int and 1 <= value <= LARGEST):
                raise ConfigError(
                    f"{self.name}: {field.name}={value!r:.60} must be a whole number "
                    f"in 1..{LARGEST:,}"
                )
            if field.type in (str, "str") and not isinstance(value, str):
                raise ConfigError(f"{self.name}: {field.name}={value!r:.60} must be a word")

    @property
    def settings(self) -> dict[str, int | str]:
        """All its parameters."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def key(self) -> str:
        """Its name with all its parameters: what records and resumed runs know it by."""
        settings = ",".join(f"{key}={value}" for key, value in self.settings.items())
        return f"{self.name}({settings})"

    def sampling(self, base: Sampling) -> Sampling:
        """How this search wants the policy to sample, given the run's settings."""
        return base

    @abstractmethod
    async def __call__(self, tree: Tree) -> list[Path]:
        """Grow `tree`; return the complete paths it keeps as answers, best evidence included."""
