"""Text from elsewhere, made fit for a terminal, a log and a message: data, never instructions."""

import re
from itertools import dropwhile

ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)?", re.DOTALL)
"""ECMA-48 control sequences: colours, cursor moves, window titles."""

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

FRAME = re.compile(r'  File ".*", line \d+')
"""A frame of a traceback."""
NOISE = "For further information visit"
"""A line of pydantic's that says nothing of the error."""


def clean(text: str) -> str:
    """The text without control sequences and control characters but for tab and line end."""
    return CONTROL.sub("", ESCAPES.sub("", text))


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
