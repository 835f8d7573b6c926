"""The errors this package raises on purpose. Messages carry value, limit and remedy."""

import difflib


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


def suggest(word: str, known: list[str]) -> str:
    """The end of an error message about an unknown word: the nearest known one, or all."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known)}"
