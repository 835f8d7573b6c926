"""How candidates ended: with an answer, without one, or cut off."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endings:
    """Counts of candidates that ended, kept or not. `no_answer` of them are complete, but nothing
    in them is an answer; `cut` of them met a limit before they were complete."""

    candidates: int = 0
    no_answer: int = 0
    cut: int = 0

    @classmethod
    def of(cls, candidates: Iterable[tuple[bool, bool]]) -> "Endings":
        """From whether each candidate was cut, and whether it has an answer."""
        each = list(candidates)
        cut = sum(was_cut for was_cut, _ in each)
        silent = sum(not was_cut and not has_answer for was_cut, has_answer in each)
        return cls(len(each), silent, cut)

    def __add__(self, other: "Endings") -> "Endings":
        return Endings(
            self.candidates + other.candidates,
            self.no_answer + other.no_answer,
            self.cut + other.cut,
        )

    @property
    def no_answer_share(self) -> float:
        """The share of candidates without an answer; 0 where there are none."""
        return self.no_answer / self.candidates if self.candidates else 0.0

    @property
    def cut_share(self) -> float:
        """The share of candidates that were cut; 0 where there are none."""
        return self.cut / self.candidates if self.candidates else 0.0


NO_ENDINGS = Endings()
