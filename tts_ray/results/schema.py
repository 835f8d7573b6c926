"""Records as Parquet rows and back. docs/results.md says what each column means."""

from dataclasses import asdict
from typing import Any

import pyarrow as pa

from tts_ray.results import search_columns
from tts_ray.types import (
    Candidate,
    Confidence,
    Finish,
    Grade,
    Node,
    Problem,
    Record,
    State,
    Step,
    Ungraded,
    Usage,
)

VERSION = "4"
"""The only one that is written, and gone on with; earlier.py reads the others."""
MAY_BE_NULL = frozenset({"level", "error", "unit", "also_accepted"})
"""The columns that a row need not have a value of."""

CONFIDENCE = pa.struct(
    [
        ("mean", pa.float64()),
        ("lowest_group", pa.float64()),
        ("entropy", pa.float64()),
    ]
)
NODE = pa.struct(
    [
        ("parent", pa.int32()),
        ("child", pa.int32()),
        ("text", pa.string()),
        ("token_ids", pa.list_(pa.int32())),
        ("finish", pa.string()),
        ("logprob", pa.float64()),
        ("confidence", CONFIDENCE),
        ("score", pa.float64()),
        ("state", pa.string()),
    ]
)
CANDIDATE = pa.struct(
    [
        ("leaf", pa.int32()),
        ("kept", pa.bool_()),
        ("answer", pa.string()),
        ("group", pa.int32()),
        ("correct", pa.bool_()),
        ("ungraded", pa.string()),
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
        ("nodes", pa.list_(NODE)),
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
        "nodes": [to_node(node) for node in record.nodes],
        "candidates": [to_candidate(candidate) for candidate in record.candidates],
        "policy_usage": to_usage(record.policy_usage),
        "reward_usage": to_usage(record.reward_usage),
        "repeats": record.repeats,
        "seconds": record.seconds,
        "error": record.error,
        "question_tokens": record.question_tokens,
        "also_accepted": list(record.problem.also) or None,
    }


def to_node(node: Node) -> dict[str, Any]:
    step, confidence = node.step, node.step.confidence
    return {
        "parent": node.parent,
        "child": node.child,
        "text": step.text,
        "token_ids": step.token_ids,
        "finish": step.finish.value,
        "logprob": step.logprob,
        "confidence": confidence and asdict(confidence),
        "score": node.score,
        "state": node.state.value,
    }


def to_candidate(candidate: Candidate) -> dict[str, Any]:
    grade = candidate.grade or Grade()
    return {
        "leaf": candidate.leaf,
        "kept": candidate.kept,
        "answer": grade.answer,
        "group": grade.group,
        "correct": grade.correct if candidate.grade else None,
        "ungraded": grade.ungraded.value if grade.ungraded else None,
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
        nodes=tuple(from_node(node) for node in row["nodes"]),
        candidates=tuple(from_candidate(candidate) for candidate in row["candidates"]),
        policy_usage=Usage(**row["policy_usage"]),
        reward_usage=Usage(**row["reward_usage"]),
        repeats=row["repeats"],
        seconds=row["seconds"],
        error=row["error"],
        question_tokens=row["question_tokens"],
    )


def from_node(row: dict[str, Any]) -> Node:
    confidence = row["confidence"] and Confidence(**row["confidence"])
    step = Step(
        row["text"], tuple(row["token_ids"]), Finish(row["finish"]), row["logprob"], confidence
    )
    return Node(row["parent"], row["child"], step, row["score"], State(row["state"]))


def from_candidate(row: dict[str, Any]) -> Candidate:
    grade = None
    if row["correct"] is not None:
        ungraded = row.get("ungraded")
        known = Ungraded(ungraded) if ungraded else None
        grade = Grade(row["answer"], row["group"], row["correct"], known)
    return Candidate(row["leaf"], row["kept"], grade)
