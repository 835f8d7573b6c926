"""SIGTERM and Ctrl-C while a job runs. The first one asks the job to stop: no more problems are
taken, and what is in flight has `grace_s` seconds to end. The second ends the process at once."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console

from tts_ray.errors import Interrupted
from tts_ray.runtime.console import say

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """A context manager inside a running event loop; the body asks `asked` before it takes more.

    Raises:
        Interrupted: at its end, if it was asked to stop.
    """

    def __init__(self, grace_s: float, console: Console) -> None:
        self.grace_s = grace_s
        self.console = console
        self.asked = False
        self._working = False
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._before = {number: signal.getsignal(number) for number in SIGNALS}
        for each in SIGNALS:
            self._loop.add_signal_handler(each, self._strike)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for each in SIGNALS:
            self._loop.remove_signal_handler(each)
            signal.signal(each, self._before[each])
        if self._timer:
            self._timer.cancel()
        if self.asked and (error is None or isinstance(error, asyncio.CancelledError)):
            raise Interrupted("interrupted; run the same command to go on") from None

    @contextmanager
    def graceful(self) -> Iterator[None]:
        """While searches are in flight; outside, there is nothing to wait for."""
        self._working = True
        try:
            yield
        finally:
            self._working = False

    def _strike(self) -> None:
        if self.asked:
            os._exit(Interrupted.exit_code)
        self.asked = True
        assert self._task is not None
        grace = self.grace_s if self._working else 0.0
        self._timer = self._loop.call_later(grace, self._task.cancel)
        say(
            self.console,
            f"stopping: what is in flight has {grace:g} s; once more ends the job at once",
        )
