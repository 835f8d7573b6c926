"""What analysis needs of a record: graded candidates and usage, without texts and tokens."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tts_ray.analysis.endings import NO_ENDINGS, Endings
from tts_ray.analysis.metrics import Pool, expected_accuracy
from tts_ray.flops import Work
from tts_ray.grading.selection import AGGREGATIONS, MAJORITY
from tts_ray.results import search_columns
from tts_ray.types import Finish, Record, SearchId, Usage

COLUMNS = [
    "problem_id",
    "level",
    *search_columns.NAMES,
    "error",
    "candidates.list.element.kept",
    "candidates.list.element.group",
    "candidates.list.element.correct",
    "candidates.list.element.ungraded",
    "candidates.list.element.scores",
    "candidates.list.element.steps.list.element.finish",
    "policy_usage",
    "reward_usage",
    "repeats",
    "seconds",
    "question_tokens",
]
"""The Parquet columns an outcome is made from; those in results.schema.LATER may be missing."""


HEADLINE = "last-vote"
"""The aggregation to show where there are scores; else it is the majority vote."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one (problem, search). `pool` holds its candidates in lineage order; one that
    the search did not keep has no group there, so it has no voice. `ungraded` of the kept
    ones have a grade that is not certain, since a comparison was given up (`types.Ungraded`).
    Of all its candidates, kept or not, a reward model was asked about `asked` with an answer;
    `unscored` of those are longer than its context, so they have no score. `endings` count all its
    candidates, too."""

    problem_id: str
    level: int | None
    search: SearchId
    pool: Pool
    policy_usage: Usage
    reward_usage: Usage
    repeats: int
    seconds: float
    error: str | None
    question_tokens: int = 0
    ungraded: int = 0
    asked: int = 0
    unscored: int = 0
    endings: Endings = NO_ENDINGS

    @classmethod
    def of(cls, record: Record) -> "Outcome":
        """The outcome of a graded record."""
        graded = [(c, c.grade) for c in record.candidates if c.grade is not None]
        pool = Pool(
            tuple(grade.group if candidate.kept else None for candidate, grade in graded),
            tuple(grade.correct for _, grade in graded),
            tuple(candidate.path.scores for candidate, _ in graded),
        )
        return cls(
            record.problem.id,
            record.problem.level,
            record.search,
            pool,
            record.policy_usage,
            record.reward_usage,
            record.repeats,
            record.seconds,
            record.error,
            record.question_tokens,
            sum(c.kept and grade.ungraded is not None for c, grade in graded),
            *asked_and_unscored((grade.group, c.path.scores) for c, grade in graded),
            Endings.of((not c.path.is_complete, grade.group is not None) for c, grade in graded),
        )

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Outcome":
        """The outcome of a Parquet row that has COLUMNS."""
        candidates = row["candidates"]
        pool = Pool(
            tuple(each["group"] if each["kept"] else None for each in candidates),
            tuple(bool(each["correct"]) for each in candidates),
            tuple(tuple(each["scores"]) for each in candidates),
        )
        return cls(
            row["problem_id"],
            row["level"],
            search_columns.from_columns(row),
            pool,
            Usage(**row["policy_usage"]),
            Usage(**row["reward_usage"]),
            row["repeats"],
            row["seconds"],
            row["error"],
            row["question_tokens"],
            sum(each["kept"] and each.get("ungraded") is not None for each in candidates),
            *asked_and_unscored((each["group"], each["scores"]) for each in candidates),
            Endings.of((was_cut(each), each["group"] is not None) for each in candidates),
        )

    @property
    def work(self) -> Work:
        """What it cost."""
        return Work.of(self.policy_usage, self.reward_usage, self.question_tokens)

    @property
    def aggregations(self) -> tuple[str, ...]:
        """The aggregations it allows: only a vote by count without a reward model."""
        return AGGREGATIONS if any(self.pool.step_scores) else (MAJORITY,)

    @property
    def headline(self) -> str:
        """The aggregation to show if only one is shown."""
        return HEADLINE if HEADLINE in self.aggregations else MAJORITY

    def right(self, aggregation: str) -> bool:
        """Whether the answer that `aggregation` selects from the kept candidates is correct."""
        size = len(self.pool.groups)
        return bool(size) and expected_accuracy(self.pool, aggregation, [size]) == [1.0]

    @property
    def right_candidates(self) -> int:
        """How many of the kept candidates are right; with none, no selection can be."""
        pairs = zip(self.pool.correct, self.pool.groups, strict=True)
        return sum(correct and group is not None for correct, group in pairs)

    @property
    def is_tied(self) -> bool:
        """Whether two or more groups have the most votes of the kept candidates, so that their
        order decides the majority vote."""
        votes = [*Counter(group for group in self.pool.groups if group is not None).values()]
        return votes.count(max(votes, default=0)) > 1


def was_cut(candidate: Mapping[str, Any]) -> bool:
    """Whether a stored candidate ended before it was complete."""
    steps = candidate["steps"]
    return not steps or steps[-1]["finish"] != Finish.EOS


def asked_and_unscored(
    candidates: Iterable[tuple[int | None, Sequence[float]]],
) -> tuple[int, int]:
    """How many answers were to be scored, and how many of them have a step without a score, from
    each candidate's group and scores. There is something to read in an answer, so a step has no
    score for one reason alone: it ends beyond the reward model's context."""
    answers = [scores for group, scores in candidates if group is not None and len(scores)]
    return len(answers), sum(any(map(math.isnan, scores)) for scores in answers)
