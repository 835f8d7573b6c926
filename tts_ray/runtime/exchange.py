"""Many engine calls in few messages: what is called in one turn of the event loop travels together,
and so do the results of what ended meanwhile.

An outbox is the caller's side, an inbox the engine's. An exchange is one message to the inbox, with
new calls, and one back, with calls that ended, whichever they are: no call waits for those it
travelled with. While calls are open an exchange is under way, so every end has a way back; calls
that neither begin nor end together take one exchange each.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any, NamedTuple

from tts_ray.errors import EngineError

log = logging.getLogger(__name__)


class Call(NamedTuple):
    """A call of an engine's method. `key` is its number in its outbox."""

    key: int
    method: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


class End(NamedTuple):
    """How a call ended: with a result, or with the reason why it failed."""

    key: int
    result: Any = None
    failure: str | None = None


class Outbox:
    """One caller's calls of one engine.

    Args:
        exchange: sends calls and returns ends. If it raises, all calls that were sent fail so.
        cancel: has calls cancelled, by their keys, and does not wait.
    """

    def __init__(
        self,
        exchange: Callable[[Sequence[Call]], Awaitable[Sequence[End]]],
        cancel: Callable[[Sequence[int]], None],
    ) -> None:
        self.exchange = exchange
        self.cancel = cancel
        self._keys = count()
        self._open: dict[int, asyncio.Future[Any]] = {}
        self._new: list[Call] = []
        self._cancelled: list[int] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._is_due = False

    async def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Have the engine run a method. Cancelled, it is cancelled there too.

        Raises:
            EngineError: the call failed.
            Exception: what the exchange raised.
        """
        key = next(self._keys)
        end = self._open[key] = asyncio.get_running_loop().create_future()
        self._new.append(Call(key, method, args, kwargs))
        self._post_soon()
        try:
            return await end
        except asyncio.CancelledError:
            # This is heard a turn after the call was made, so it has been sent.
            if self._open.pop(key, None) is not None:
                self._cancelled.append(key)
                self._post_soon()
            raise

    def _post_soon(self) -> None:
        """Post at the end of this turn of the event loop."""
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._post)

    def _post(self) -> None:
        new, cancelled = self._new, self._cancelled
        self._new, self._cancelled, self._is_due = [], [], False
        if cancelled:
            self._cancel(cancelled)
        if new or (self._open and not self._under_way):
            task = asyncio.create_task(self._exchange(new, self._open))
            self._under_way.add(task)
            task.add_done_callback(self._arrived)

    def _cancel(self, keys: Sequence[int]) -> None:
        """Have calls cancelled. If that fails they run to their ends, which nobody waits for."""
        try:
            self.cancel(keys)
        except Exception as error:
            log.warning("calls could not be cancelled: %s", error)

    def _arrived(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if self._open and not self._under_way:
            self._post_soon()

    async def _exchange(self, new: Sequence[Call], calls: dict[int, asyncio.Future[Any]]) -> None:
        """One exchange, in which any of `calls` may end. If it fails, all of them do; later calls
        are none of these, so that they do not fail with an exchange that was sent before them."""
        try:
            ends = await self.exchange(new)
            if not (ends or new) and len(self._under_way) == 1:
                # Nothing else could have brought their ends: these were lost on the way.
                raise EngineError("the engine knows nothing of the call")
            for key, result, failure in ends:
                call = calls.pop(key, None)
                if call is None or call.done():
                    continue
                if failure is None:
                    call.set_result(result)
                else:
                    call.set_exception(EngineError(failure))
        except Exception as error:
            if calls is self._open:
                self._open = {call.key: calls.pop(call.key) for call in self._new}
            if calls:
                self._cancel(list(calls))
            for call in calls.values():
                if not call.done():
                    call.set_exception(error)
            calls.clear()


class Inbox:
    """The calls of one outbox, where they run.

    Args:
        run: runs a call to its end. It does not raise.
    """

    def __init__(self, run: Callable[[Call], Awaitable[End]]) -> None:
        self.run = run
        self._running: dict[int, asyncio.Future[End]] = {}
        self._ended: list[End] = []
        self._waiting: deque[asyncio.Future[list[End]]] = deque()

    async def exchange(self, calls: Sequence[Call]) -> list[End]:
        """Begin `calls`; return what ended since the last exchange, as soon as something has. If
        more exchanges wait than calls run, the oldest returns with nothing."""
        for call in calls:
            task = self._running[call.key] = asyncio.ensure_future(self.run(call))
            task.add_done_callback(partial(self._end, call.key))
        turn: asyncio.Future[list[End]] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._answer()
        return await turn

    def cancel(self, keys: Sequence[int]) -> None:
        """Cancel those of these calls that run."""
        for key in keys:
            if task := self._running.pop(key, None):
                task.cancel()
        self._answer()

    def close(self) -> None:
        """Cancel all that runs, and keep nothing for a caller that is gone."""
        self._ended = []
        self.cancel(list(self._running))

    def _end(self, key: int, task: asyncio.Future[End]) -> None:
        if self._running.pop(key, None):
            self._ended.append(task.result())
            # What ends in the same turn travels together.
            asyncio.get_running_loop().call_soon(self._answer)

    def _answer(self) -> None:
        while self._waiting and (self._ended or len(self._waiting) > len(self._running)):
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(self._ended)
                self._ended = []
