"""Structured concurrency: nothing that was started outlives who started it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


async def together(awaitables: Iterable[Awaitable[T]]) -> list[T]:
    """Await all; the first failure cancels the others and is raised as itself."""

    async def run(awaitable: Awaitable[T]) -> T:
        return await awaitable

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run(awaitable)) for awaitable in awaitables]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


@dataclass(slots=True)
class Run(Generic[T]):
    """Something that runs, and how many wait for it."""

    task: asyncio.Task[T]
    waiting: int = 0


class Shared(Generic[K, T]):
    """Runs what several ask for at the same time once for all of them."""

    def __init__(self) -> None:
        self._runs: dict[K, Run[T]] = {}

    async def run(self, key: K, begin: Callable[[], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
        """The result of what runs under `key`, and whether this call began it. It is cancelled
        once all who wait for it are."""
        found = self._runs.get(key)
        is_new = found is None
        if found is None:
            found = self._runs[key] = Run(asyncio.create_task(begin()))
            # Nobody may be left to hear how it failed.
            found.task.add_done_callback(lambda task: task.cancelled() or task.exception())
        found.waiting += 1
        try:
            return await asyncio.shield(found.task), is_new
        finally:
            found.waiting -= 1
            if self._runs.get(key) is found and (found.task.done() or not found.waiting):
                del self._runs[key]
                found.task.cancel()
