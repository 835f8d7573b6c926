"""Rows of a dataset to problems. A row that is not a problem stops the run; none is dropped."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tts_ray.errors import ConfigError
from tts_ray.search.registry import suggest
from tts_ray.types import Problem


def load_problems(
    path: str,
    *,
    split: str = "test",
    subset: str | None = None,
    question: str = "problem",
    answer: str = "answer",
    level: str | None = None,
    limit: int | None = None,
    levels: list[int] | None = None,
    ids: list[str] | None = None,
) -> list[Problem]:
    """Load the problems of a file, a Hugging Face dataset or the pocket suite.

    Args:
        path: a .jsonl or .parquet file, a Hugging Face dataset id, or "pocket".
        split, subset: which part of a dataset; files have none.
        question, answer, level: column names; `level` may be absent.
        limit: so many of the chosen problems, evenly spaced, so that a file sorted by level
            gives some of each.
        levels, ids: only problems of these levels, or with these ids.

    Raises:
        ConfigError: the data, a column or a value is missing, or nothing is left.
    """
    rows = read_rows(path, split, subset)
    problems = [
        to_problem(row, number, path, question, answer, level)
        for number, row in enumerate(rows, start=1)
    ]
    seen: dict[str, int] = {}
    for number, problem in enumerate(problems, start=1):
        if problem.id in seen:
            raise ConfigError(f"{path}: rows {seen[problem.id]} and {number} are the same problem")
        seen[problem.id] = number
    if levels is not None:
        problems = [problem for problem in problems if problem.level in levels]
    if ids is not None:
        for wanted in ids:
            if wanted not in seen:
                raise ConfigError(f"{path}: no problem has the id {wanted!r}")
        problems = [problem for problem in problems if problem.id in ids]
    if limit is not None and limit < len(problems):
        problems = [problems[at * len(problems) // limit] for at in range(limit)]
    if not problems:
        raise ConfigError(f"{path}: no problem is left; see dataset.limit, .levels and .ids")
    return problems


def read_rows(path: str, split: str, subset: str | None) -> Iterable[Mapping[str, Any]]:
    """The rows of `path`, whatever it names."""
    if path == "pocket":
        from tts_ray.pocket import task

        try:
            return [
                {"problem": item.question, "answer": item.answer, "level": item.level}
                for item in task.split(split)
            ]
        except ValueError as error:
            raise ConfigError(str(error)) from None
    if path.endswith((".jsonl", ".json", ".parquet")):
        if not Path(path).is_file():
            raise ConfigError(f"no data file {path!r}")
        return read_parquet(path) if path.endswith(".parquet") else read_json_lines(path)
    return read_hub(path, split, subset)


def read_json_lines(path: str) -> list[Mapping[str, Any]]:
    rows = []
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise ConfigError(f"{path}:{number}: not JSON: {error}") from None
    return rows


def read_parquet(path: str) -> list[Mapping[str, Any]]:
    from datasets import Dataset

    return list(Dataset.from_parquet(path, keep_in_memory=True))


def read_hub(path: str, split: str, subset: str | None) -> Iterable[Mapping[str, Any]]:
    from datasets import load_dataset

    try:
        rows: Iterable[Mapping[str, Any]] = load_dataset(path, subset, split=split)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"dataset {path!r} (subset {subset}, split {split!r}) cannot be loaded: {reason}; "
            f"a local .jsonl or .parquet file works without a network"
        ) from None
    return rows


def to_problem(
    row: Mapping[str, Any], number: int, path: str, question: str, answer: str, level: str | None
) -> Problem:
    for column in filter(None, (question, answer, level)):
        if row.get(column) is None:
            known = ", ".join(row)
            raise ConfigError(
                f"{path}: row {number} has no {column!r}; {suggest(column, list(row))} "
                f"(its columns: {known})"
            )
    return Problem.of(
        str(row[question]).strip(), text_of(row[answer]), level_of(row[level]) if level else None
    )


def text_of(value: Any) -> str:
    """A reference answer as text; a whole float is written as the whole number it is."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def level_of(value: Any) -> int:
    """3 from 3 or "Level 3".

    Raises:
        ConfigError: there is no number in it.
    """
    found = re.search(r"\d+", str(value))
    if found is None:
        raise ConfigError(f"the level {value!r} has no number in it")
    return int(found[0])
