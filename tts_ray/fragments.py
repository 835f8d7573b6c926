"""From a job's arguments to one mapping: YAML files, group choices and dotted overrides, merged
left to right. The only home of omegaconf, which resolves `${...}`.

`policy=NAME`, `prm=NAME`, `dataset=NAME` and `search=NAME` load configs/<group>/NAME.yaml under
that key; `key.sub=value` sets one value. A value whose declared type is text stays as it is
written.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tts_ray.errors import ConfigError, suggest
from tts_ray.typed import declared, is_texts
from tts_ray.yaml_text import parse_yaml, plain, read_yaml, short

GROUPS = ("policy", "prm", "dataset", "search")
SECRET = re.compile(
    r"(^|_)(API_?KEY|KEY|KEY_ID|TOKEN|AUTH|SECRET|PASSWORD|PASSWD|PASSPHRASE|PASS|"
    r"PAT|CREDENTIALS?|DATABASE_URL|DSN|CONNECTION_STRING)$",
    re.IGNORECASE,
)
"""Names of environment variables whose values are nobody else's business."""
LEAST_SECRET, LEAST_PART = 8, 16
"""Characters of the shortest value that is taken for a secret where it is a whole text, and where
it is a part of one."""
_FROM_ENVIRONMENT = re.compile(r"\$\{\s*oc\.env\s*:\s*([^,}\s]+)")
_KEY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def gather(
    arguments: Sequence[str | Mapping[str, Any]], configs: Path, schema: type
) -> dict[str, Any]:
    """What the arguments say together, in plain containers, with every `${...}` resolved.

    Raises:
        ConfigError: a file, key or value is wrong, or a secret of the environment would be stored.
    """
    merged: dict[str, Any] = {}
    for argument in arguments:
        if isinstance(argument, str):
            key, _, value = argument.partition("=")
            if key in GROUPS and is_choice(value):
                # A choice replaces the group: the rest of another one must not shine through.
                merged.pop(key, None)
        merged = join(merged, fragment(argument, configs, schema))
    refuse_named_secrets(merged)
    resolved = resolve(merged)
    refuse_secret_values(resolved)
    return resolved


def fragment(argument: str | Mapping[str, Any], configs: Path, schema: type) -> dict[str, Any]:
    """What one argument adds."""
    if not isinstance(argument, str):
        return expand_groups(plain(argument, "the settings"), configs)
    if argument.endswith((".yaml", ".yml")) and ("=" not in argument or os.path.isfile(argument)):
        return expand_groups(read_yaml(argument), configs)
    key, equals, value = argument.partition("=")
    if not equals:
        raise ConfigError(f"{short(argument)!r} is neither a .yaml file nor key=value")
    if not _KEY.fullmatch(key):
        raise ConfigError(
            f"{short(key)!r} is no key: names with dots between them, and a list is set as a whole "
            f"(search.n=[4, 16])"
        )
    found: Any = value
    if not (key in GROUPS and is_choice(value)):
        found = value_of(value, key, declared(schema, key))
    for part in reversed(key.split(".")):
        found = {part: found}
    return expand_groups(found, configs)


def value_of(text: str, key: str, kind: Any) -> Any:
    """The value that an argument gives a key of this type: what is text stays as it is written,
    unless it is in quotes."""
    if kind is str and text.strip() not in ("", "null", "~") and text[0] not in "'\"":
        return plain(text, key)
    return parse_yaml(text, key, as_text=kind is str or is_texts(kind))


def is_choice(value: str) -> bool:
    """Whether the value of a group is the name of a fragment, not settings or null."""
    return value not in ("", "null", "~") and value[0] not in "{["


def expand_groups(node: dict[str, Any], configs: Path) -> dict[str, Any]:
    """Replace `group: NAME` by the fragment configs/group/NAME.yaml."""
    for group in GROUPS:
        choice = node.get(group)
        if isinstance(choice, str):
            known = sorted(path.stem for path in (configs / group).glob("*.yaml"))
            if choice not in known:
                raise ConfigError(
                    f"no {group} {short(choice)!r} in {configs}; {suggest(choice, known)}"
                )
            node[group] = read_yaml(configs / group / f"{choice}.yaml")
    return node


def join(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two mappings as one: mappings in both are joined, anything else is the upper one's."""
    joined = dict(below)
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(joined.get(key), Mapping):
            value = join(joined[key], value)
        joined[key] = value
    return joined


def resolve(merged: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping with its `${...}` replaced by what they stand for.

    Raises:
        ConfigError: one of them cannot be.
    """
    try:
        found = OmegaConf.to_container(OmegaConf.create(dict(merged)), resolve=True)
    except OmegaConfBaseException as error:
        key = f"{short(error.full_key)}: " if error.full_key else ""
        raise ConfigError(f"{key}{str(error).strip().partition(chr(10))[0]}") from None
    except RecursionError:
        raise ConfigError("the ${...} of the settings refer to each other in a circle") from None
    resolved: dict[str, Any] = plain(found, "the settings")
    return resolved


def texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text in plain containers, the keys themselves too, with its key."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield key or "a key", str(name)
            yield from texts(each, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for at, each in enumerate(value):
            yield from texts(each, f"{key}[{at}]")
    elif isinstance(value, str):
        yield key, value


def refuse_named_secrets(merged: Mapping[str, Any]) -> None:
    """Refuse `${oc.env:NAME}` of a variable that is named like a secret.

    Raises:
        ConfigError: the settings would hold one, and they are stored and shown.
    """
    for key, text in texts(merged):
        for name in _FROM_ENVIRONMENT.findall(text):
            if SECRET.search(name):
                raise stored_secret(key, name)


def refuse_secret_values(resolved: Mapping[str, Any]) -> None:
    """Refuse settings that hold the value of a secret environment variable, however it got there.

    Raises:
        ConfigError: one does.
    """
    secrets = {
        value: name
        for name, value in os.environ.items()
        if SECRET.search(name) and len(value) >= LEAST_SECRET and not os.path.exists(value)
    }
    for key, text in texts(resolved):
        for value, name in secrets.items():
            if value == text or (len(value) >= LEAST_PART and value in text):
                raise stored_secret(key, name)


def stored_secret(key: str, name: str) -> ConfigError:
    """The refusal, which repeats no value."""
    return ConfigError(
        f"{key} would hold the value of the environment variable {name}, and settings are stored "
        f"in run.yaml and shown in W&B; leave it out: where the engines run, {name} is read from "
        f"the environment"
    )
