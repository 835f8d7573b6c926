"""The boundary where YAML text becomes plain values: mappings, lists, text, numbers and booleans.

Whatever is in a file or an argument, the result is either such a value, bounded in depth and size,
whose text can be written as UTF-8, or one ConfigError that says where it is wrong.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tts_ray.errors import ConfigError

DEEPEST = 30
"""Levels of nesting."""
LARGEST = 100_000
"""Values in one text, aliases counted wherever they stand."""
SHOWN = 60
"""Characters of a value that a message repeats."""
PATH = 300
"""The same of a path."""
_FLOAT = re.compile(
    r"[-+]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)[eE][-+]?\d+|[-+]?(\d[\d_]*)?\.\d[\d_]*|[-+]?\d[\d_]*\."
)


class _Loader(yaml.SafeLoader):
    """YAML as configurations write it: 1e9 is a number, a date is text, and a key stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else None
            if name in seen:
                line = key.start_mark.line + 1
                raise yaml.constructor.ConstructorError(
                    problem=f"line {line}: the key {key.value!r} stands twice"
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if not tag.endswith(("timestamp", "float", "int"))]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(rf"^({_FLOAT.pattern}|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$"),
    list("-+0123456789."),
)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(0|[1-9][0-9]*)$"), list("-+0123456789")
)


class _Texts(yaml.BaseLoader):
    """YAML in which every scalar is text."""


class _Dumper(yaml.SafeDumper):
    """Writes in quotes what `_Loader` would not read back as text."""


_Dumper.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


def dump_yaml(value: Any) -> bytes:
    """Plain containers as YAML, in their order; `parse_yaml` is the inverse."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text.encode()


def read_yaml(file: str | Path) -> dict[str, Any]:
    """The mapping that a YAML file holds; an empty file holds an empty one.

    Raises:
        ConfigError: there is no such file, or it is not YAML, or not a mapping.
    """
    try:
        content = Path(file).read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"no config file {short(str(file), PATH)}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{short(str(file), PATH)} cannot be read: {reason}") from None
    found = parse_yaml(utf8(content, str(file)), str(file))
    if not isinstance(found, dict):
        if found is None:
            return {}
        raise ConfigError(f"{short(str(file), PATH)} holds {kind(found)}, not keys with values")
    return found


def utf8(content: bytes, where: str) -> str:
    """Bytes as text, without a byte-order mark.

    Raises:
        ConfigError: they are not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{short(where, PATH)} is not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from None


def parse_yaml(text: str, where: str, *, as_text: bool = False) -> Any:
    """The value that a YAML text says, in plain containers; with `as_text`, scalars as they are
    written ("1e5" stays "1e5"), but for null.

    Raises:
        ConfigError: it is not YAML, too deep or too large, or names something that is no plain
            value; the message begins with `where`.
    """
    try:
        found = yaml.load(text, Loader=_Texts if as_text else _Loader)
    except RecursionError:
        raise ConfigError(f"{short(where, PATH)} is nested deeper than {DEEPEST} levels") from None
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{short(where, PATH)} is not YAML: {reason[:300]}") from None
    if as_text and text.strip() in ("null", "~", ""):
        return None
    return plain(found, where)


def plain(value: Any, where: str) -> Any:
    """`value` with every mapping a dict and every sequence a list.

    Raises:
        ConfigError: it is nested too deeply, too large, or holds what is no plain value.
    """
    left = LARGEST

    def walk(value: Any, key: str, depth: int) -> Any:
        nonlocal left
        left -= 1
        if depth > DEEPEST:
            raise ConfigError(f"{short(where, PATH)} is nested deeper than {DEEPEST} levels")
        if left < 0:
            raise ConfigError(f"{short(where, PATH)} holds more than {LARGEST:,} values")
        if isinstance(value, Mapping):
            for name in value:
                if isinstance(name, bool) or not isinstance(name, str | int):
                    raise ConfigError(
                        f"{short(where, PATH)}: the key {short(name)} in {key} is no name"
                    )
                check_text(str(name), where, key)
            return {
                k: walk(v, f"{key}.{k}" if key else str(k), depth + 1) for k, v in value.items()
            }
        if isinstance(value, list | tuple):
            return [walk(v, f"{key}[{at}]", depth + 1) for at, v in enumerate(value)]
        if isinstance(value, str):
            check_text(value, where, key)
        elif isinstance(value, int) and not isinstance(value, bool):
            if abs(value) >= 2**63:
                raise ConfigError(f"{at(where, key)} is a number of more than 64 bits")
        elif not (value is None or isinstance(value, bool | float)):
            raise ConfigError(f"{at(where, key)} is {kind(value)}, which no setting can be")
        return value

    return walk(value, "", 0)


def check_text(text: str, where: str, key: str) -> None:
    """Refuse text that cannot be stored or shown: half characters and control characters.

    Raises:
        ConfigError: there is one in it.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(f"{at(where, key)} holds half of a surrogate pair") from None
    control = next((c for c in text if ord(c) < 32 and c not in "\n\t\r"), "")
    if control:
        raise ConfigError(f"{at(where, key)} holds the control character {control!r}")


def at(where: str, key: str) -> str:
    """The place of a value in a message."""
    return f"{short(where, PATH)}: {short(key)}" if key else short(where, PATH)


def short(value: object, length: int = SHOWN) -> str:
    """A value in a message: in one line, and not longer than `length` characters."""
    text = value if isinstance(value, str) else repr(value)
    if not text.isprintable():
        text = text.encode("unicode_escape", "backslashreplace").decode()
    return text if len(text) <= length else f"{text[: length - 1]}…"


def kind(value: object) -> str:
    """What a value is, in words."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value}" if isinstance(value, float) and not math.isfinite(value) else "a number"
    return {str: "text", type(None): "nothing"}.get(type(value), f"a {type(value).__name__}")
