"""A row of a dataset as a problem, or why it is none."""

import math
import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tts_ray.errors import ConfigError, suggest
from tts_ray.grading.answers import canonical_form
from tts_ray.types import Problem
from tts_ray.yaml_text import check_text, kind, short

_EMPTY_COMMAND = re.compile(r"\\[A-Za-z]+\s*\{\s*\}|[{}$]")


class BadRow(ConfigError):
    """A row without a usable question or answer."""


def to_problem(row: Any, where: str, question: str, answer: str, level: str | None) -> Problem:
    """A row as a problem. `question`, `answer` and `level` name its columns.

    Raises:
        BadRow: its question or answer is missing or none; the message begins with `where`.
        ConfigError: its level is.
    """
    if not isinstance(row, Mapping):
        raise BadRow(f"{where}: {kind(row)}, where columns with values belong")
    check_column(row, question, where, BadRow)
    check_column(row, answer, where, BadRow)
    asked = row[question]
    if not isinstance(asked, str) or not has_content(asked):
        raise BadRow(f"{where}: {question} is {described(asked)}, not the text of a question")
    asked = storable(asked.strip(), where, question)
    first, *also = answers_of(row[answer], where, answer)
    if level is None:
        return Problem.of(asked, first, None, tuple(also))
    check_column(row, level, where, ConfigError)
    return Problem.of(asked, first, level_of(row[level], where, level), tuple(also))


def check_column(row: Mapping[Any, Any], column: str, where: str, error: type[ConfigError]) -> None:
    """Raise `error` if a row lacks a column."""
    if column not in row:
        known = [str(name) for name in row]
        raise error(
            f"{where} has no {column!r}; {suggest(column, known)} "
            f"(its columns: {short(', '.join(known))})"
        )


def has_content(text: str) -> bool:
    """Whether there is anything to see in a text: a letter, a digit or a sign, outside of commands
    that frame nothing."""
    rest = _EMPTY_COMMAND.sub("", text)
    return any(unicodedata.category(character)[0] in "LNPS" for character in rest)


def storable(text: str, where: str, column: str) -> str:
    """The text, if it can be stored and shown. Raises BadRow if it cannot."""
    try:
        check_text(text, where, column)
    except ConfigError as error:
        raise BadRow(str(error)) from None
    return text


def answers_of(value: Any, where: str, column: str) -> list[str]:
    """The accepted answers of a row: one, or those of a list, each once.

    Raises:
        BadRow: there is none, or one of them is none that a candidate's answer could equal.
    """
    if not isinstance(value, list | tuple):
        return [text_of(value, where, column)]
    if not value:
        raise BadRow(f"{where}: {column} is an empty list; a problem needs an answer")
    names = [column] if len(value) == 1 else [f"{column}[{at}]" for at in range(len(value))]
    texts = (text_of(each, where, name) for each, name in zip(value, names, strict=True))
    return list(dict.fromkeys(texts))


def text_of(value: Any, where: str, column: str) -> str:
    """A reference answer as text; a whole float is written as the whole number it is.

    Raises:
        BadRow: it is none that a candidate's answer could equal.
    """
    if isinstance(value, str) and has_content(value) and has_content(canonical_form(value)):
        return storable(value.strip(), where, column)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float | Decimal) and math.isfinite(value):
        return str(int(value)) if value == int(value) else str(value)
    raise BadRow(f"{where}: {column} is {described(value)}, not an answer: text or a number")


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
