"""Progress on the terminal: one live line where there is one, plain lines elsewhere."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tts_ray.analysis.scoreboard import Scoreboard
from tts_ray.flops import Work
from tts_ray.runtime.console import say
from tts_ray.types import SearchId

PLAIN_S = 10.0
"""Least time between two plain lines, in seconds."""


class RunProgress:
    """A context manager that shows scoreboards as they fill.

    Args:
        todo: searches that this job is to do. The boards also have those that it does not, such as
            failures of an earlier job.
    """

    def __init__(self, boards: Sequence[Scoreboard], todo: int, console: Console) -> None:
        self.boards = boards
        self.todo = todo
        self.console = console
        self.started = time.monotonic()
        self.before = (self.done + self.failed, self.work)
        self._said = self.started
        self._live: Progress | None = None

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live = Progress(
                BarColumn(),
                TextColumn("{task.description}", markup=False),
                TimeRemainingColumn(),
                console=self.console,
            )
            self._task = self._live.add_task(self.count, total=self.todo)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live:
            self._live.stop()
        else:
            say(self.console, self.line(self.boards[-1], None))

    def show(self, board: Scoreboard, search: SearchId) -> None:
        """Show the boards after a record of `search` came in on `board`."""
        if self._live:
            self._live.update(
                self._task,
                completed=self.ended,
                description=f"{self.count} {self.facts(board, search)}",
            )
        elif time.monotonic() - self._said >= PLAIN_S:
            self._said = time.monotonic()
            say(self.console, self.line(board, search))

    def line(self, board: Scoreboard, search: SearchId | None) -> str:
        left = self.todo - self.ended
        eta = f"ETA {left * self.elapsed / self.ended:.0f} s" if left and self.ended else ""
        return f"{self.count} {self.facts(board, search)} {eta}".rstrip()

    @property
    def count(self) -> str:
        """E.g. "7/40": searches done of all, whichever job did them."""
        return f"{self.done}/{self.total}"

    @property
    def ended(self) -> int:
        """Searches of this job that ended, failed ones included."""
        return self.done + self.failed - self.before[0]

    @property
    def total(self) -> int:
        return sum(board.total for board in self.boards)

    @property
    def done(self) -> int:
        return sum(board.done for board in self.boards)

    @property
    def failed(self) -> int:
        return sum(board.failed for board in self.boards)

    @property
    def work(self) -> Work:
        return sum((board.work for board in self.boards), Work())

    @property
    def rate(self) -> float:
        """Tokens that the policy generated per second since the boards are shown."""
        before = self.before[1].policy.generated_tokens
        return (self.work.policy.generated_tokens - before) / self.elapsed

    @property
    def judged(self) -> float:
        """Tokens that the PRM computed per second since the boards are shown."""
        before = self.before[1].reward.computed_tokens
        return (self.work.reward.computed_tokens - before) / self.elapsed

    @property
    def elapsed(self) -> float:
        return max(time.monotonic() - self.started, 1e-9)

    def facts(self, board: Scoreboard, search: SearchId | None) -> str:
        """Accuracy of the current search, speed of both engines, cache hit rate, failures."""
        words = []
        score = board.scores.get(search) if search else None
        if score and score.headline is not None:
            words.append(f"{search} {score.headline:.1%}")
        work = self.work
        words.append(f"policy {self.rate:.0f} tok/s")
        words.append(f"PRM {self.judged:.0f} tok/s")
        words.append(f"cache {(work.policy + work.reward).hit_rate:.0%}")
        if self.failed:
            words.append(f"{self.failed} failed")
        return " · ".join(words)
