"""The terminal of a job. Text is text here: no markup, no emoji, no control sequences."""

import sys

from rich.console import Console
from rich.text import Text

from tts_ray.text import clean

WIDTH = 160
"""Columns of a table where there is no terminal to ask."""


def job_console() -> Console:
    """A console on standard output, to which `[bold]`, `:smile:` and the like are just text."""
    width = None if sys.stdout.isatty() else WIDTH
    return Console(file=sys.stdout, width=width, markup=False, emoji=False, highlight=False)


def say(console: Console, text: str, style: str = "") -> None:
    """Print a line as it is, however long."""
    console.print(literal(text, style), soft_wrap=True, highlight=False)


def literal(text: object, style: str = "") -> Text:
    """Text for a table's cell or title, as it is."""
    return Text(clean(str(text)), style)
