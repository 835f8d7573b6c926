"""What analysis needs of a record: graded candidates and usage, without texts and tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tts_ray.grading.selection import AGGREGATIONS, aggregate
from tts_ray.types import Record, Usage

COLUMNS = [
    "problem_id",
    "level",
    "search",
    "error",
    "candidates.list.element.kept",
    "candidates.list.element.group",
    "candidates.list.element.correct",
    "candidates.list.element.scores",
    "policy_usage",
    "reward_usage",
    "repeats",
    "seconds",
]
"""The Parquet columns a pool is made from."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The graded candidates of one (problem, search); sequences are parallel, in lineage order."""

    problem_id: str
    level: int | None
    search: str
    kept: tuple[bool, ...]
    groups: tuple[int | None, ...]
    correct: tuple[bool, ...]
    scores: tuple[tuple[float, ...], ...]
    policy_usage: Usage
    reward_usage: Usage
    repeats: int
    seconds: float
    error: str | None

    @classmethod
    def of(cls, record: Record) -> "Pool":
        """The pool of a graded record."""
        grades = [candidate.grade for candidate in record.candidates]
        return cls(
            record.problem.id,
            record.problem.level,
            record.search,
            tuple(candidate.kept for candidate in record.candidates),
            tuple(grade.group if grade else None for grade in grades),
            tuple(bool(grade and grade.correct) for grade in grades),
            tuple(candidate.path.scores for candidate in record.candidates),
            record.policy_usage,
            record.reward_usage,
            record.repeats,
            record.seconds,
            record.error,
        )

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Pool":
        """The pool of a Parquet row that has COLUMNS."""
        candidates = row["candidates"]
        return cls(
            row["problem_id"],
            row["level"],
            row["search"],
            tuple(candidate["kept"] for candidate in candidates),
            tuple(candidate["group"] for candidate in candidates),
            tuple(bool(candidate["correct"]) for candidate in candidates),
            tuple(tuple(candidate["scores"]) for candidate in candidates),
            Usage(**row["policy_usage"]),
            Usage(**row["reward_usage"]),
            row["repeats"],
            row["seconds"],
            row["error"],
        )

    @property
    def name(self) -> str:
        """The search's name without its parameters."""
        return self.search.partition("(")[0]

    @property
    def n(self) -> int:
        """The search's budget."""
        for setting in self.search.partition("(")[2].rstrip(")").split(","):
            name, _, value = setting.partition("=")
            if name == "n":
                return int(value)
        raise ValueError(f"search {self.search!r} has no n")

    @property
    def is_scored(self) -> bool:
        return any(self.scores)

    @property
    def aggregations(self) -> tuple[str, ...]:
        """The aggregations it allows: only a vote by count without a reward model."""
        return tuple(AGGREGATIONS) if self.is_scored else ("majority",)

    def right(self, aggregation: str) -> bool:
        """Whether the answer that `aggregation` selects from the kept candidates is correct."""
        kept = [at for at, keep in enumerate(self.kept) if keep]
        winner = aggregate(
            aggregation, [self.groups[at] for at in kept], [self.scores[at] for at in kept]
        )
        if winner is None:
            return False
        return any(self.correct[at] for at in kept if self.groups[at] == winner)
