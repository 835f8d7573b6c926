"""The problems of a run, and what became of the dataset's rows."""

import hashlib
from dataclasses import dataclass

from tts_ray.types import Problem


@dataclass(frozen=True)
class ProblemFacts:
    """What run.yaml, reports and W&B say of a run's problems."""

    count: int
    """Problems of the run."""
    digest: str
    """SHA-256 of their contents, in whatever order they stand."""
    rows: int
    """Rows of the dataset."""
    left_out: int = 0
    """Rows that are no problem, or one that stands there before (dataset.skip_bad)."""
    first_left_out: str | None = None
    """Where the first of those stands, and why it is left out."""

    @property
    def said(self) -> str:
        """What was left out, in one line; empty if nothing was."""
        if not self.left_out:
            return ""
        were = "was" if self.left_out == 1 else "were"
        return (
            f"{self.left_out} of {self.rows} rows {were} left out (dataset.skip_bad), the first: "
            f"{self.first_left_out}"
        )


@dataclass(frozen=True)
class ProblemSet:
    """Problems in the dataset's order. `remarks` are what a reader of the results must know of
    them, a line each."""

    problems: list[Problem]
    facts: ProblemFacts
    remarks: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """How many there are, and the remarks, in one line."""
        return "; ".join([f"{len(self.problems)} problems", *self.remarks])


def digest_of(problems: list[Problem]) -> str:
    """A digest of problems' contents that does not depend on their order. Their ids are digests of
    what is asked and accepted already."""
    return hashlib.sha256("\n".join(sorted(p.id for p in problems)).encode()).hexdigest()
