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
from tts_ray.types import Record, SearchId, State, Usage

COLUMNS = [
    "problem_id",
    "level",
    *search_columns.NAMES,
    "error",
    "nodes.list.element.parent",
    "nodes.list.element.child",
    "nodes.list.element.score",
    "candidates.list.element.leaf",
    "candidates.list.element.kept",
    "candidates.list.element.group",
    "candidates.list.element.correct",
    "candidates.list.element.ungraded",
    "nodes.list.element.state",
    "policy_usage",
    "reward_usage",
    "repeats",
    "seconds",
    "question_tokens",
]
"""The Parquet columns an outcome is made from."""

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
        paths = [record.path(candidate.leaf) for candidate, _ in graded]
        pool = Pool(
            tuple(grade.group if candidate.kept else None for candidate, grade in graded),
            tuple(grade.correct for _, grade in graded),
            tuple(path.scores for path in paths),
            *units(record.search, [path.lineage[0] for path in paths]),
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
            *asked_and_unscored(
                (grade.group, path.scores) for (_, grade), path in zip(graded, paths, strict=True)
            ),
            Endings.of(
                (not path.is_complete, grade.group is not None)
                for (_, grade), path in zip(graded, paths, strict=True)
            ),
        )

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Outcome":
        """The outcome of a Parquet row that has COLUMNS."""
        search = search_columns.from_columns(row)
        candidates = row["candidates"]
        firsts, scores = ways_to(row["nodes"], [each["leaf"] for each in candidates])
        pool = Pool(
            tuple(each["group"] if each["kept"] else None for each in candidates),
            tuple(bool(each["correct"]) for each in candidates),
            tuple(scores),
            *units(search, firsts),
        )
        return cls(
            row["problem_id"],
            row["level"],
            search,
            pool,
            Usage(**row["policy_usage"]),
            Usage(**row["reward_usage"]),
            row["repeats"],
            row["seconds"],
            row["error"],
            row["question_tokens"],
            sum(each["kept"] and each["ungraded"] is not None for each in candidates),
            *asked_and_unscored(zip((c["group"] for c in candidates), scores, strict=True)),
            Endings.of(
                (row["nodes"][each["leaf"]]["state"] == State.CUT, each["group"] is not None)
                for each in candidates
            ),
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
        size = self.pool.size
        return bool(size) and expected_accuracy(self.pool, aggregation, [size]) == [1.0]

    def chances(self, aggregation: str, budgets: Sequence[int]) -> list[float]:
        """How often `aggregation` selects a correct answer at each budget of whole units. A search
        without a unit has its own budget alone, where all its kept candidates count."""
        unit = self.search.unit
        if unit is None:
            return [float(self.right(aggregation))]
        return expected_accuracy(self.pool, aggregation, [k // unit for k in budgets])

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


def units(search: SearchId, firsts: Iterable[int]) -> tuple[tuple[int, ...] | None, int | None]:
    """The unit of each candidate and how many there are, for a `Pool`: unit i is what grew from the
    i-th `search.unit` children of the root. Without them where every candidate is a unit of its
    own, or nothing is one.

    Args:
        firsts: the number of each candidate's first step among the children of the root.
    """
    if search.unit in (None, 1):
        return None, None
    return tuple(first // search.unit for first in firsts), search.n // search.unit


def ways_to(
    nodes: Sequence[Mapping[str, Any]], leaves: Iterable[int]
) -> tuple[list[int], list[tuple[float, ...]]]:
    """Of the paths from the question to some nodes of a row: the number of each first step among
    the children of the root, and the scores."""
    firsts, scores = [], []
    for leaf in leaves:
        way = [nodes[leaf]]
        while (parent := way[-1]["parent"]) is not None:
            way.append(nodes[parent])
        firsts.append(way[-1]["child"])
        scores.append(tuple(node["score"] for node in reversed(way) if node["score"] is not None))
    return firsts, scores


def asked_and_unscored(
    candidates: Iterable[tuple[int | None, Sequence[float]]],
) -> tuple[int, int]:
    """How many answers were to be scored, and how many of them have a step without a score, from
    each candidate's group and scores. There is something to read in an answer, so a step has no
    score for one reason alone: it ends beyond the reward model's context."""
    answers = [scores for group, scores in candidates if group is not None and len(scores)]
    return len(answers), sum(any(map(math.isnan, scores)) for scores in answers)
