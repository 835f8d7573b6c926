"""The boundary where plain values become typed ones: a dataclass whose annotations are its rules.

A number in a schema is annotated with its limits (`Annotated[int, Field(strict=True, ge=1)]`), so
the constraint stands beside the key. What does not fit is one line that names the key, the value,
the limit, and for an unknown key the nearest known one.
"""

import types
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import Field, TypeAdapter, ValidationError

from tts_ray.errors import ConfigError, suggest
from tts_ray.yaml_text import short

T = TypeVar("T")

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+@-]{0,63}$")]
"""A name that becomes part of file names and of keys."""
Text = Annotated[str, Field(min_length=1, max_length=4096)]
Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
Integer = Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)]
Seconds = Annotated[float, Field(strict=True, gt=0, le=1e9, allow_inf_nan=False)]
Positive = Annotated[float, Field(strict=True, gt=0, le=1e18, allow_inf_nan=False)]

WORDS = {
    "missing": "is missing",
    "string_pattern_mismatch": "must be a name of at most 64 letters, digits and . _ + @ -, "
    "without '/' or spaces",
    "string_type": "must be text; put it in quotes",
    "int_type": "must be a whole number",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "list_type": "must be a list",
    "dict_type": "must be keys with values",
    "dataclass_type": "must be keys with values",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "none_required": "must be null",
}
"""What is said of a kind of error, where pydantic's own words are for programmers."""
PHRASES = {
    "Input should": "must",
    "greater than or equal to": "at least",
    "less than or equal to": "at most",
    "greater than": "above",
    "less than": "below",
}


def typed(schema: type[T], value: Mapping[str, Any], *, more: bool = False) -> T:
    """`value`, in plain containers, as an instance of `schema`, a dataclass. With `more`, keys that
    the schema does not have are left out.

    Raises:
        ConfigError: a key is unknown or missing, or a value does not fit.
    """
    for key, known in () if more else unknown_keys(schema, value):
        raise ConfigError(f"{short(key)} is no setting; {suggest(key.rpartition('.')[2], known)}")
    try:
        made: T = adapter(schema).validate_python(value)  # type: ignore[arg-type]
        return made
    except ValidationError as error:
        raise ConfigError(words(error)) from None


def unknown_keys(schema: Any, value: Any, prefix: str = "") -> Iterator[tuple[str, list[str]]]:
    """Keys of `value`, with dots, that the schema does not have; each with those known there."""
    schema = inner(schema)
    if get_origin(schema) is list and isinstance(value, list):
        for at, each in enumerate(value):
            yield from unknown_keys(get_args(schema)[0], each, f"{prefix}[{at}]")
    if not is_dataclass(schema) or not isinstance(value, Mapping):
        return
    hints = get_type_hints(schema, include_extras=True)
    known = [field.name for field in fields(schema)]
    for key, each in value.items():
        path = f"{prefix}.{key}" if prefix else str(key)
        if key not in known:
            yield path, known
        else:
            yield from unknown_keys(hints[key], each, path)


def inner(schema: Any) -> Any:
    """A type without what may be said of it: its annotations, and that it may be None."""
    if get_origin(schema) is Annotated:
        return inner(get_args(schema)[0])
    if get_origin(schema) in (Union, types.UnionType):
        rest = [each for each in get_args(schema) if each is not type(None)]
        return inner(rest[0]) if len(rest) == 1 else schema
    return schema


def declared(schema: Any, key: str) -> Any:
    """The type that a schema gives the value of a dotted key, without its annotations; None where
    it gives none."""
    for part in key.split("."):
        hints = get_type_hints(schema, include_extras=True) if is_dataclass(schema) else {}
        if part not in hints:
            return None
        schema = inner(hints[part])
    return schema


def is_texts(schema: Any) -> bool:
    """Whether a type is a list of texts."""
    return get_origin(schema) is list and inner(get_args(schema)[0]) is str


@lru_cache(maxsize=64)
def adapter(schema: Any) -> TypeAdapter[Any]:
    """Building one takes longer than using it."""
    return TypeAdapter(schema)


def words(error: ValidationError) -> str:
    """The first thing that is wrong, in one line."""
    first = error.errors(include_url=False, include_context=False)[0]
    key = ""
    for part in first["loc"]:
        # Branches of a union are no keys.
        if isinstance(part, int):
            key += f"[{part}]"
        elif part.isidentifier() or not key:
            key += f".{part}" if key else part
    if first["type"] == "missing":
        return f"{key} is missing"
    said = WORDS.get(first["type"]) or first["msg"]
    for theirs, ours in PHRASES.items():
        said = said.replace(theirs, ours)
    return f"{key}={short(first['input'])} {said}"
