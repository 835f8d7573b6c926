"""What an answer can be: a quantity, a tuple, a list, a set, an interval, an equation, a time, a
text."""

from dataclasses import dataclass

from tts_ray.grading.expression import Node
from tts_ray.grading.regions import Region


@dataclass(frozen=True)
class Text:
    """Words, or what is not read as mathematics, in one spelling."""

    text: str


@dataclass(frozen=True)
class Quantity:
    """An expression, in a unit or without one ("")."""

    value: Node
    unit: str = ""


@dataclass(frozen=True)
class Based:
    """Digits in a base other than what the answer's reader expects: 204_5."""

    digits: str
    base: int


@dataclass(frozen=True)
class Choice:
    """A choice by its letter, and what it says: (C) 12."""

    letter: str
    says: "Reading"


@dataclass(frozen=True)
class Clock:
    """A time of day. `half` is "am", "pm" or ""."""

    hour: int
    minute: int
    half: str


@dataclass(frozen=True)
class Ratio:
    """a:b or a:b:c. `text` is what stands there, which may be a time of day."""

    parts: tuple["Reading", ...]
    text: str


@dataclass(frozen=True)
class Series:
    """Several things. `brackets` are those around them: "()", "[)", "⟨⟩", "{}" for a set, "" for a
    list, "∪" for a union, "+" for 2 h 30 min; `text` is how it is written."""

    brackets: str
    items: tuple["Reading", ...]
    text: str = ""

    @property
    def is_ordered(self) -> bool:
        return self.brackets not in ("", "{}", "∪")


@dataclass(frozen=True)
class Relation:
    """Sides and the relation signs between them. `names` says that the first side only gives a name
    to what follows: x, f(x), AB, (x, y)."""

    sides: tuple["Reading", ...]
    signs: tuple[str, ...]
    names: bool = False


@dataclass(frozen=True)
class Dots:
    """The dots of a list that goes on."""


Reading = Text | Quantity | Based | Choice | Clock | Ratio | Series | Relation | Region | Dots
