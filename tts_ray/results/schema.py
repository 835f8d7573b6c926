"""Records as Parquet rows and back. docs/results.md says what each column means."""

from typing import Any

import pyarrow as pa

from tts_ray.results import search_columns
from tts_ray.types import (
    Candidate,
    Finish,
    Grade,
    Path,
    Problem,
    Record,
    Step,
    Ungraded,
    Usage,
)

VERSION = "3"
READABLE = ("2", VERSION)
"""Versions whose files can be read; only the last one is written, and gone on with."""
LATER = frozenset({"ungraded", "also_accepted"})
"""Nullable columns that parts of this version may lack: they were added later."""
MAY_BE_NULL = frozenset({"level", "error", "unit", "also_accepted"})
"""The columns that a row need not have a value of."""

STEP = pa.struct(
    [
        ("text", pa.string()),
        ("token_ids", pa.list_(pa.int32())),
        ("finish", pa.string()),
        ("logprob", pa.float64()),
    ]
)
CANDIDATE = pa.struct(
    [
        ("lineage", pa.list_(pa.int32())),
        ("kept", pa.bool_()),
        ("answer", pa.string()),
        ("group", pa.int32()),
        ("correct", pa.bool_()),
        ("ungraded", pa.string()),
        ("scores", pa.list_(pa.float64())),
        ("steps", pa.list_(STEP)),
    ]
)
USAGE = pa.struct(
    [
        ("prompt_tokens", pa.int64()),
        ("cached_tokens", pa.int64()),
        ("generated_tokens", pa.int64()),
        ("calls", pa.int64()),
        ("computed_tokens", pa.int64()),
        ("computed_pairs", pa.int64()),
        ("generated_pairs", pa.int64()),
    ]
)
SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("question", pa.string()),
        ("reference", pa.string()),
        ("level", pa.int32()),
        *search_columns.FIELDS,
        ("seed", pa.int64()),
        ("candidates", pa.list_(CANDIDATE)),
        ("policy_usage", USAGE),
        ("reward_usage", USAGE),
        ("repeats", pa.int32()),
        ("seconds", pa.float64()),
        ("error", pa.string()),
        ("question_tokens", pa.int32()),
        ("also_accepted", pa.list_(pa.string())),
    ],
    metadata={"tts_ray.schema": VERSION},
)


def to_row(record: Record) -> dict[str, Any]:
    """One record as a row of SCHEMA."""
    return {
        "problem_id": record.problem.id,
        "question": record.problem.question,
        "reference": record.problem.answer,
        "level": record.problem.level,
        **search_columns.to_columns(record.search),
        "seed": record.seed,
        "candidates": [to_candidate(candidate) for candidate in record.candidates],
        "policy_usage": to_usage(record.policy_usage),
        "reward_usage": to_usage(record.reward_usage),
        "repeats": record.repeats,
        "seconds": record.seconds,
        "error": record.error,
        "question_tokens": record.question_tokens,
        "also_accepted": list(record.problem.also) or None,
    }


def to_candidate(candidate: Candidate) -> dict[str, Any]:
    grade = candidate.grade or Grade()
    return {
        "lineage": list(candidate.path.lineage),
        "kept": candidate.kept,
        "answer": grade.answer,
        "group": grade.group,
        "correct": grade.correct if candidate.grade else None,
        "ungraded": grade.ungraded.value if grade.ungraded else None,
        "scores": list(candidate.path.scores),
        "steps": [
            {
                "text": step.text,
                "token_ids": list(step.token_ids),
                "finish": step.finish.value,
                "logprob": step.logprob,
            }
            for step in candidate.path.steps
        ],
    }


def to_usage(usage: Usage) -> dict[str, int]:
    return {name: getattr(usage, name) for name in USAGE.names}


def to_record(row: dict[str, Any]) -> Record:
    """The inverse of `to_row`."""
    also = tuple(row["also_accepted"] or ())
    return Record(
        problem=Problem(row["problem_id"], row["question"], row["reference"], row["level"], also),
        search=search_columns.from_columns(row),
        seed=row["seed"],
        candidates=tuple(from_candidate(candidate) for candidate in row["candidates"]),
        policy_usage=Usage(**row["policy_usage"]),
        reward_usage=Usage(**row["reward_usage"]),
        repeats=row["repeats"],
        seconds=row["seconds"],
        error=row["error"],
        question_tokens=row["question_tokens"],
    )


def from_candidate(row: dict[str, Any]) -> Candidate:
    steps = tuple(
        Step(step["text"], tuple(step["token_ids"]), Finish(step["finish"]), step["logprob"])
        for step in row["steps"]
    )
    grade = None
    if row["correct"] is not None:
        ungraded = row.get("ungraded")
        known = Ungraded(ungraded) if ungraded else None
        grade = Grade(row["answer"], row["group"], row["correct"], known)
    return Candidate(Path(steps, tuple(row["scores"]), tuple(row["lineage"])), row["kept"], grade)
