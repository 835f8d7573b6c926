"""The errors this package raises on purpose. Messages carry value, limit and remedy."""

import re
from itertools import dropwhile

ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)?", re.DOTALL)
"""ECMA-48 control sequences: colours, cursor moves, window titles."""

FRAME = re.compile(r'  File ".*", line \d+')
"""A frame of a traceback."""
NOISE = "For further information visit"
"""A line of pydantic's that says nothing of the error."""


def one_line(text: object, limit: int = 200) -> str:
    """A text of any origin as one printable line of at most `limit` characters, for a message:
    without terminal escapes and control characters, every run of blanks one space."""
    plain = ESCAPES.sub("", str(text))
    line = " ".join("".join(c if c.isprintable() else " " for c in plain).split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


def traceback_end(text: str) -> list[str]:
    """The lines of the error at the end of a traceback, its type without the module; nothing if
    the text holds no traceback."""
    lines = [line for line in ESCAPES.sub("", text).splitlines() if line.strip()]
    frames = [at for at, line in enumerate(lines) if FRAME.match(line)]
    if not frames:
        return []
    behind = lines[frames[-1] + 1 :]
    # Below a frame stands its source, indented.
    said = list(dropwhile(lambda line: line[0].isspace(), behind)) or behind[-1:] or lines[-1:]
    first = re.sub(r"^[\w.]*\.(?=\w+(:|$))", "", said[0])
    return [first, *(line for line in said[1:] if NOISE not in line)]


class TtsError(Exception):
    """Root of the package's errors; a job turns one into a single line and its exit code."""

    exit_code = 2


class ConfigError(TtsError):
    """The request is wrong. Raised before any GPU is reserved or any model is loaded."""


class PlacementError(TtsError):
    """The cluster cannot hold what the run needs, or could not within the deadline."""


class EngineError(TtsError):
    """One engine call failed; the engine lives on. The same call may be tried elsewhere."""


class EngineDied(EngineError):
    """The engine, its process or its node is gone. Its calls are repeated on another replica."""


class EngineAway(EngineDied):
    """It is being restarted, and will serve again."""


class EnginesLost(TtsError):
    """Too few replicas are left to go on, and none came back in time. The job can be resumed."""


class Interrupted(TtsError):
    """The job was asked to stop, and did. It can be resumed."""

    exit_code = 4


class StoreError(TtsError):
    """The run directory cannot be used: another configuration, another job, or a bad file."""
