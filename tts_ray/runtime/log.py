"""What befalls a job beside its results: on the console, and in its job.log, which rotates."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler

from rich.console import Console

from tts_ray.errors import TtsError
from tts_ray.results.folder import Folder

FILE = "job.log"
MAX_BYTES = 10 * 2**20
KEPT = 3
"""A file that reaches `MAX_BYTES` is put aside; so many of those are kept."""


class Shown(logging.Handler):
    """A line on the console, above the progress where that is live, and never wrapped."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        style = "yellow" if record.levelno >= logging.WARNING else ""
        self.console.print(
            record.getMessage(), style=style, highlight=False, soft_wrap=True, markup=False
        )


@contextmanager
def job_log(folder: Folder, console: Console) -> Iterator[None]:
    """Show and keep what the package logs until the end."""
    logger = logging.getLogger("tts_ray")
    shown = Shown(console)
    kept: logging.Handler
    try:
        folder.scratch.mkdir(parents=True, exist_ok=True)
        kept = RotatingFileHandler(folder.scratch / FILE, maxBytes=MAX_BYTES, backupCount=KEPT)
        kept.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    except OSError:
        # A run whose folder cannot be written is refused by whoever opens it, with the reason.
        kept = logging.NullHandler()
    before = logger.level, logger.propagate
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for handler in (shown, kept):
        logger.addHandler(handler)
    try:
        yield
    except TtsError as error:
        # The job itself says it on the console.
        logger.removeHandler(shown)
        logger.error("%s: %s", type(error).__name__, error)
        raise
    finally:
        logger.setLevel(before[0])
        logger.propagate = before[1]
        for handler in (shown, kept):
            logger.removeHandler(handler)
            handler.close()
