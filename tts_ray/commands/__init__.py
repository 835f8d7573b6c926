"""What is run: each module parses the arguments of one job, calls the package, and returns an exit
code. `tts_ray.door` lets them in."""

from argparse import ArgumentTypeError
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
CONFIGS = PROJECT / "configs"


def count(text: str) -> int:
    """A whole number of at least 1, for argparse, which shows the error."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:10]) < 10**9):
        raise ArgumentTypeError(f"must be a whole number of at least 1, not {text[:40]!r}")
    return int(text)
