"""How a job begins and ends, whichever it is: with one line for what is wrong and the right exit
code, and never with a traceback for what came from outside.

Signals are caught before anything heavy is imported, and a terminal that goes away, is full or
knows no Unicode costs the job its words and nothing else.
"""

import atexit
import importlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from tts_ray.errors import Interrupted, TtsError
from tts_ray.imports import uncollected
from tts_ray.text import one_line

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""What asks a job to stop."""
LONGEST = 4000
"""Characters of the line that says what is wrong."""


def enter(command: str, arguments: Sequence[str] | None = None) -> int:
    """Run the command `tts_ray.commands.<command>` and return its exit code.

    Args:
        arguments: the command line's, without the program's name; by default the process's own.
    """
    with lasting_streams():
        try:
            with interruptible():
                with uncollected():
                    module = importlib.import_module(f"tts_ray.commands.{command}")
                code: int = module.main(arguments)
                return code
        except TtsError as error:
            print(f"error: {one_line(error, LONGEST)}", file=sys.stderr)
            return error.exit_code
        except KeyboardInterrupt:
            print("error: interrupted; run the same command to go on", file=sys.stderr)
            return Interrupted.exit_code
        except OSError as error:
            # No place for temporary files, no more processes: what no part of a job can repair.
            print(f"error: {type(error).__name__}: {one_line(error, LONGEST)}", file=sys.stderr)
            return TtsError.exit_code
        finally:
            with suppress(OSError, ValueError):
                sys.stdout.flush()


def leave(code: int) -> NoReturn:
    """End the process with an exit code, once its threads and its exit handlers are done. Python
    would go on to take its modules apart, which takes seconds once torch is among them."""
    try:
        try:
            threading._shutdown()  # type: ignore[attr-defined]  # what Python itself does first
        finally:
            atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
    finally:
        os._exit(code)


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt where SIGINT or SIGTERM finds the job, which no library takes for an
    error of its own, until something better catches them: once searches are in flight, they are
    given time to end (runtime/interrupt.py)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def lasting_streams() -> Iterator[None]:
    """Standard output and error that cannot end the job."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (LastingStream(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class LastingStream:
    """A text stream whose writes always succeed: what it cannot encode is written as "?", and what
    nobody takes is dropped."""

    def __init__(self, stream: Any) -> None:
        self._stream: Any = stream
        if stream is None:
            self._stream = io.StringIO()
        with suppress(AttributeError, OSError, ValueError):
            self._stream.reconfigure(errors="replace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except (OSError, ValueError):
            self._drop()
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._drop()

    def _drop(self) -> None:
        """Let everything that is to come, and what is buffered, go nowhere."""
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
