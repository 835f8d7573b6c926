"""Rows of a dataset to problems. A row that is not a problem stops the run; none is dropped."""

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tts_ray.errors import ConfigError, suggest
from tts_ray.grading.answers import canonical_form
from tts_ray.types import Problem
from tts_ray.yaml_text import PATH, check_text, kind, short, utf8

POCKET = "pocket"
FILES = (".jsonl", ".json", ".parquet")
OTHER_FILES = (
    *(".csv", ".tsv", ".txt", ".yaml", ".yml", ".arrow", ".xlsx"),
    *(".gz", ".zip", ".xz", ".zst"),
)
_EMPTY_COMMAND = re.compile(r"\\[A-Za-z]+\s*\{\s*\}|[{}$]")


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
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    for number, (where, row) in enumerate(read_rows(path, split, subset), start=1):
        problem = to_problem(row, where, question, answer, level)
        if problem.id in seen:
            first = seen[problem.id]
            raise ConfigError(f"{path}: rows {first} and {number} are the same problem")
        seen[problem.id] = number
        problems.append(problem)
    if not problems:
        raise ConfigError(f"{path} holds no problem")
    if levels is not None:
        problems = [problem for problem in problems if problem.level in levels]
    if ids is not None:
        for wanted in ids:
            if wanted not in seen:
                raise ConfigError(f"{path}: no problem has the id {short(wanted)!r}")
        problems = [problem for problem in problems if problem.id in ids]
    if limit is not None and limit < len(problems):
        problems = [problems[at * len(problems) // limit] for at in range(limit)]
    if not problems:
        raise ConfigError(f"{path}: no problem is left; see dataset.limit, .levels and .ids")
    return problems


Row = tuple[str, Any]
"""Where a row stands, in words, and what is there."""


def is_here(path: str) -> bool:
    """Whether a path names the pocket suite or a file of this machine."""
    return path == POCKET or (path.endswith(FILES) and Path(path).expanduser().is_file())


def read_rows(path: str, split: str, subset: str | None) -> Iterable[Row]:
    """The rows of `path`, whatever it names.

    Raises:
        ConfigError: it cannot be read.
    """
    if path == POCKET:
        return numbered(path, pocket_rows(split))
    if path.endswith(FILES):
        file = Path(path).expanduser()
        if not file.is_file():
            raise ConfigError(f"no data file {short(path, PATH)!r}")
        if path.endswith(".parquet"):
            return numbered(path, read_parquet(file))
        return read_json_lines(file)
    if path.lower().endswith((*FILES, *OTHER_FILES)) or Path(path).expanduser().exists():
        raise ConfigError(
            f"{short(path, PATH)} is no data file that can be read; give one of "
            f"{', '.join(FILES)}, or the id of a dataset of the hub"
        )
    return numbered(path, read_hub(path, split, subset))


def numbered(path: str, rows: Iterable[Any]) -> Iterator[Row]:
    """Rows with their numbers, from 1."""
    return ((f"{short(path, PATH)}: row {number}", row) for number, row in enumerate(rows, start=1))


def pocket_rows(split: str) -> list[dict[str, Any]]:
    from tts_ray.pocket import task

    try:
        items = task.split(split)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return [{"problem": i.question, "answer": i.answer, "level": i.level} for i in items]


def read_json_lines(file: Path) -> Iterator[Row]:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None
    for number, line in enumerate(utf8(content, str(file)).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{short(str(file), PATH)}:{number}"
        try:
            yield where, json.loads(line, object_pairs_hook=distinct)
        except RecursionError:
            raise ConfigError(f"{where}: nested too deeply for a problem") from None
        except ValueError as error:
            raise ConfigError(f"{where}: not JSON: {error}") from None


def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose keys stand once. Raises ValueError if one stands twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for at, (key, _) in enumerate(pairs) if key in dict(pairs[:at]))
        raise ValueError(f"the key {twice!r} stands twice")
    return found


def read_parquet(file: Path) -> Iterable[Any]:
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    try:
        return list(Dataset.from_parquet(str(file), keep_in_memory=True))
    except Exception as error:
        # The libraries below raise what they like on a damaged file.
        reason = " ".join(str(error.__cause__ or error).split())
        raise ConfigError(
            f"{file} is no Parquet file with rows of problems: {reason[:200]}"
        ) from None


def read_hub(path: str, split: str, subset: str | None) -> Iterable[Any]:
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    try:
        rows: Iterable[Any] = load_dataset(path, subset, split=split)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"dataset {short(path)!r} (subset {subset}, split {split!r}) cannot be loaded: "
            f"{reason[:300]}; a local .jsonl or .parquet file works without a network"
        ) from None
    return rows


def to_problem(row: Any, where: str, question: str, answer: str, level: str | None) -> Problem:
    """A row as a problem. `question`, `answer` and `level` name its columns.

    Raises:
        ConfigError: it is none; the message begins with `where`.
    """
    if not isinstance(row, Mapping):
        raise ConfigError(f"{where}: {kind(row)}, where columns with values belong")
    for column in filter(None, (question, answer, level)):
        if column not in row:
            known = [str(name) for name in row]
            raise ConfigError(
                f"{where} has no {column!r}; {suggest(column, known)} "
                f"(its columns: {short(', '.join(known))})"
            )
    asked = row[question]
    if not isinstance(asked, str) or not has_content(asked):
        raise ConfigError(f"{where}: {question} is {described(asked)}, not the text of a question")
    return Problem.of(
        storable(asked.strip(), where, question),
        storable(text_of(row[answer], where, answer), where, answer),
        level_of(row[level], where, level) if level else None,
    )


def has_content(text: str) -> bool:
    """Whether there is anything to see in a text: a letter, a digit or a sign, outside of commands
    that frame nothing."""
    rest = _EMPTY_COMMAND.sub("", text)
    return any(unicodedata.category(character)[0] in "LNPS" for character in rest)


def storable(text: str, where: str, column: str) -> str:
    """The text, if it can be stored and shown. Raises ConfigError if it cannot."""
    check_text(text, where, column)
    return text


def text_of(value: Any, where: str, column: str) -> str:
    """A reference answer as text; a whole float is written as the whole number it is, and a list of
    one is that one.

    Raises:
        ConfigError: it is none that a candidate's answer could equal.
    """
    if isinstance(value, list | tuple) and len(value) == 1:
        value = value[0]
    if isinstance(value, str) and has_content(value) and has_content(canonical_form(value)):
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else str(value)
    raise ConfigError(f"{where}: {column} is {described(value)}, not an answer: text or a number")


def level_of(value: Any, where: str, column: str) -> int:
    """3 from 3, "3" or "Level 3".

    Raises:
        ConfigError: it is no whole number.
    """
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    found = re.fullmatch(r"(?:[^\d.+-]|(?<=[A-Za-z])-)*(\d{1,9})\s*", text)
    if found is None or isinstance(value, bool):
        raise ConfigError(f"{where}: {column} is {described(value)}, which has no whole number")
    return int(found[1])


def described(value: Any) -> str:
    """A value that does not fit, in words."""
    if isinstance(value, str):
        return f"the text {short(value)!r}" if has_content(value) else "empty"
    if value is None:
        return "null"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return short(value)
    return kind(value)
