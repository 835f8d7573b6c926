"""Reading a JSON object that somebody else wrote."""

import json
from pathlib import Path
from typing import Any

from tts_ray.errors import ConfigError
from tts_ray.text import one_line

LIMIT = 1 << 26
"""Bytes. The largest index of a published checkpoint takes a third of it."""
AGAIN = "copy or download it again"
POINTER = b"version https://git-lfs"
"""How the small file begins that Git keeps in the place of a large one."""


def json_object(file: Path, limit: int = LIMIT) -> dict[str, Any]:
    """The object in a JSON file of at most `limit` bytes.

    Raises:
        ConfigError: the file is not there, or holds anything else.
    """
    name = shown(file)
    try:
        if file.exists() and not file.is_file():
            raise ConfigError(f"{name}: not a file; {AGAIN}")
        with open(file, "rb") as opened:
            data = opened.read(limit + 1)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{name}: {reason(error)}; {AGAIN}") from None
    if len(data) > limit:
        raise ConfigError(f"{name}: more than {limit} bytes, too large to be what its name says")
    refuse_pointer(file, data)
    try:
        found = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{name}: not JSON ({reason(error)}); {AGAIN}") from None
    if not isinstance(found, dict):
        kind = "null" if found is None else type(found).__name__
        raise ConfigError(f"{name}: not a JSON object but a {kind}; {AGAIN}")
    return found


def refuse_pointer(file: Path, beginning: bytes) -> None:
    """Raises ConfigError if a file that begins so is a pointer of Git LFS."""
    if beginning.startswith(POINTER):
        raise ConfigError(
            f"{shown(file)}: a pointer of Git LFS and not the file itself; run git lfs pull"
        )


def reason(error: BaseException) -> str:
    """What an error says, in a few words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return one_line(error) or type(error).__name__


def shown(path: Path) -> str:
    """A path for a message."""
    return one_line(path, 400)
