"""What happens to a job beside its results: on the console, and in its job.log, which rotates."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from logging.handlers import MemoryHandler, RotatingFileHandler

from rich.console import Console

from tts_ray.errors import TtsError
from tts_ray.results.folder import Folder
from tts_ray.runtime.console import say
from tts_ray.text import clean

FILE = "job.log"
MAX_BYTES = 10 * 2**20
KEPT = 3
"""A file that reaches `MAX_BYTES` is put aside; so many of those are kept."""
EARLY = 10_000
"""Lines that wait until there is a file for them."""


class Shown(logging.Handler):
    """A line on the console, above the progress where that is live, and never wrapped."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        say(
            self.console, record.getMessage(), "yellow" if record.levelno >= logging.WARNING else ""
        )


class Kept(RotatingFileHandler):
    """A line in the file. A disk that is full or gone costs the line and nothing else."""

    def format(self, record: logging.LogRecord) -> str:
        return clean(super().format(record))

    def handleError(self, record: logging.LogRecord) -> None:  # logging's name
        """Nothing: the job finds out about its disk where it writes results."""

    def close(self) -> None:
        with suppress(OSError):
            super().close()


class JobLog:
    """Where the lines of a job go. Until its folder is known to be a run's they wait in memory, so
    that a job that is refused leaves no file."""

    def __init__(self) -> None:
        self.waiting = MemoryHandler(EARLY, flushOnClose=False)

    def keep_in(self, folder: Folder) -> None:
        """Write the lines into the folder from now on, and those that waited."""
        try:
            folder.scratch.mkdir(parents=True, exist_ok=True)
            kept = Kept(folder.scratch / FILE, maxBytes=MAX_BYTES, backupCount=KEPT)
        except OSError:
            # Whoever opens the folder for results refuses it, with the reason.
            return
        kept.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self.waiting.setTarget(kept)
        self.waiting.flush()
        self.waiting.capacity = 1

    def close(self) -> None:
        if self.waiting.target:
            self.waiting.target.close()
        self.waiting.close()


@contextmanager
def job_log(console: Console) -> Iterator[JobLog]:
    """Show what the package logs until the end, and keep it once there is a place for it."""
    logger = logging.getLogger("tts_ray")
    shown, kept = Shown(console), JobLog()
    before = logger.level, logger.propagate
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for handler in (shown, kept.waiting):
        logger.addHandler(handler)
    try:
        yield kept
    except TtsError as error:
        # The job itself says it on the console.
        logger.removeHandler(shown)
        logger.error("%s: %s", type(error).__name__, error)
        raise
    finally:
        logger.setLevel(before[0])
        logger.propagate = before[1]
        for handler in (shown, kept.waiting):
            logger.removeHandler(handler)
        kept.close()
