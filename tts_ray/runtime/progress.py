"""Progress on the terminal: one live line where there is one, plain lines elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tts_ray.analysis.scoreboard import Scoreboard
from tts_ray.types import Usage

PLAIN_S = 10.0
"""Least time between two plain lines, in seconds."""


class RunProgress:
    """A context manager that shows a scoreboard as it fills."""

    def __init__(self, board: Scoreboard, console: Console) -> None:
        self.board = board
        self.console = console
        self.started = time.monotonic()
        self.before = (board.done, board.policy_usage, board.reward_usage)
        self._said = self.started
        self._live: Progress | None = None

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live = Progress(
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.description}"),
                TimeRemainingColumn(),
                console=self.console,
            )
            self._task = self._live.add_task("", total=self.board.total, completed=self.board.done)
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
            self.console.print(self.line(), highlight=False, soft_wrap=True)

    def show(self, search: str) -> None:
        """Show the board after a record of `search` came in."""
        if self._live:
            self._live.update(self._task, completed=self.board.done, description=self.facts(search))
        elif time.monotonic() - self._said >= PLAIN_S:
            self._said = time.monotonic()
            self.console.print(self.line(search), highlight=False, soft_wrap=True)

    def line(self, search: str = "") -> str:
        left = self.board.total - self.board.done
        fresh = self.board.done - self.before[0]
        eta = f"ETA {left * self.elapsed / fresh:.0f} s" if left and fresh else ""
        return f"{self.board.done}/{self.board.total} {self.facts(search)} {eta}".rstrip()

    @property
    def elapsed(self) -> float:
        return max(time.monotonic() - self.started, 1e-9)

    def facts(self, search: str) -> str:
        """Accuracy of the current search, speed of both engines, cache hit rate, failures."""
        words = []
        score = self.board.scores.get(search)
        if score and score.headline is not None:
            words.append(f"{search.partition(',')[0].rstrip(')')}) {score.headline:.1%}")
        policy, reward = self.board.policy_usage, self.board.reward_usage
        generated = policy.generated_tokens - self.before[1].generated_tokens
        judged = reward.computed_tokens - self.before[2].computed_tokens
        words.append(f"policy {generated / self.elapsed:.0f} tok/s")
        words.append(f"PRM {judged / self.elapsed:.0f} tok/s")
        words.append(f"cache {hit_rate(policy + reward):.0%}")
        if self.board.failed:
            words.append(f"{self.board.failed} failed")
        return " · ".join(words)


def hit_rate(usage: Usage) -> float:
    """The share of prompt tokens that a prefix cache held."""
    return usage.cached_tokens / usage.prompt_tokens if usage.prompt_tokens else 0.0
