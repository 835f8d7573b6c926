"""Ends replicas that hold work and do not move: progress counts, not how long a call takes.

An engine's progress is the calls it has ended and the tokens it has in flight. A stopped process
does not tell its progress at all, which is no progress either.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

CHECKS = 4
"""How often a replica is looked at within the time it may stand still."""

Progress = tuple[int, int]
log = logging.getLogger(__name__)


class Watched(Protocol):
    """A replica's load and the engine behind it, as a pool keeps them."""

    load: int
    alive: bool
    engine: Any


class Watchdog:
    """Looks after replicas until it is cancelled.

    Args:
        replicas: the present ones.
        stall_s: how long a replica with work may stand still, in seconds.
    """

    def __init__(self, replicas: Callable[[], Iterable[Watched]], stall_s: float) -> None:
        self.replicas = replicas
        self.stall_s = stall_s
        self._seen: dict[int, tuple[Progress | None, float]] = {}

    async def watch(self) -> None:
        """Look at all replicas, again and again."""
        while True:
            await asyncio.sleep(self.stall_s / CHECKS)
            await asyncio.gather(*(self._look(slot) for slot in self.replicas()))

    async def _look(self, slot: Watched) -> None:
        if not (slot.load and slot.alive):
            self._seen.pop(id(slot), None)
            return
        progress = await slot.engine.progress(self.stall_s / CHECKS)
        before, since = self._seen.get(id(slot), (None, None))
        now = time.monotonic()
        if since is None or (progress is not None and progress != before):
            self._seen[id(slot)] = progress, now
        elif now - since >= self.stall_s:
            del self._seen[id(slot)]
            log.warning("a replica made no progress for %g s: ending it", now - since)
            await slot.engine.end()
