"""Text from elsewhere, made fit for a terminal, a log and a message: data, never instructions."""

import re

_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # a terminal's control sequence
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # a command to the terminal itself
    r"|\x1b[@-_]|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


def clean(text: str) -> str:
    """The text without control sequences and control characters but for tab and line end."""
    return _CONTROL.sub("", text)
