"""The embedded suite: a tiny benchmark, four tiny policies and one tiny process reward model.

The weights are committed beside this file, so that a search can be run in minutes on a CPU, with no
download. Importing this package loads nothing but the standard library.
"""

from pathlib import Path

POLICIES = ("pocket-xs", "pocket-s", "pocket-m", "pocket-l")
PRMS = ("pocket-prm",)
WEIGHTS = Path(__file__).parent / "weights"


def weights(name: str) -> Path:
    """The checkpoint folder of a pocket model. Raises ValueError listing the names when unknown."""
    if name not in POLICIES + PRMS:
        raise ValueError(f"unknown pocket model {name!r}; known: {', '.join(POLICIES + PRMS)}")
    return WEIGHTS / name
