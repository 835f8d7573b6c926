"""An event loop whose clock leaps: when nothing is ready, it is the time of what comes next.

What happens at a time is either one of asyncio's timers or an event of the simulated world. Events
run inside the selector, so their share of the real time is known apart from that of the code under
test.
"""

import asyncio
import heapq
import math
import selectors
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any


class World(selectors.SelectSelector):
    """The simulated world: its time in seconds, what will happen in it, and the real time that
    simulating it takes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.real_s = 0.0
        self._events: list[tuple[float, int, Callable[[], bool]]] = []
        self._order = count()

    def at(self, moment: float, event: Callable[[], bool]) -> None:
        """Run `event` at a time. It returns whether a call of the code under test has ended."""
        heapq.heappush(self._events, (moment, next(self._order), event))

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Count real time as the world's."""
        began = time.perf_counter()
        yield
        self.real_s += time.perf_counter() - began

    def select(self, timeout: float | None = None) -> list[Any]:
        """Leap to the next event that ends a call, by `timeout` at most.

        Raises:
            RuntimeError: nothing will ever happen.
        """
        if timeout is not None and timeout <= 0:
            return []
        with self.apart():
            until = math.inf if timeout is None else self.now + timeout
            while self._events and self._events[0][0] <= until:
                self.now, _, event = heapq.heappop(self._events)
                if event():
                    return []
            if math.isinf(until):
                raise RuntimeError("everything waits and nothing will happen")
            self.now = until
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop that lives in a world."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world

    def time(self) -> float:
        return self._world.now
