"""Grouping and grading the answers to one problem by mathematical equivalence.

Groups are formed without looking at the reference, so a majority never knows the truth; then each
group is as right as its first answer. Strings of one canonical form, and plain numbers, are
settled here; the rest goes to math-verify in a worker process, because an answer is whatever a
model wrote, and some answers (9^{9^{9^9}}) would keep a computer algebra system busy for ever.

Invariant: a comparison costs at most `seconds`, whatever is in it. One that fails counts as
"not equivalent"; it never stalls a run, and never ends it.
"""

import asyncio
import json
import logging
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from tts_ray.errors import ConfigError, TtsError
from tts_ray.grading.answers import canonical_form, plain_number
from tts_ray.grading.worker import EQUIVALENT, READY
from tts_ray.types import Grade

logger = logging.getLogger(__name__)

START_SECONDS = 120.0
"""How long a worker may take to start: importing from a slow network disk takes a while."""
ATTEMPTS = 2
"""How often a comparison is tried when its worker dies of something else than the time limit,
and how often a worker is started before that is an error."""
LONGEST = 1000
"""Characters of the longest answer that is more than a string. Beyond are loops of the model, which
would cost a time limit each; the longest answer of MATH-500 has 53 characters."""


class Grader:
    """Grades answers in `workers` processes, started when first needed and replaced when lost.

    `seconds` limits one comparison (wall-clock), `memory_bytes` the address space of a worker.
    `timeouts` counts the comparisons that were given up on. Use it as an async context manager,
    from one event loop; `grade` may be called concurrently, one worker serving each call.
    """

    def __init__(
        self, workers: int = 1, seconds: float = 5.0, memory_bytes: int = 4 * 2**30
    ) -> None:
        if workers < 1 or seconds <= 0:
            raise ConfigError(
                f"a grader needs workers >= 1 and seconds > 0, not {workers} and {seconds}"
            )
        self.timeouts = 0
        self._workers = [_Worker(seconds, memory_bytes) for _ in range(workers)]
        self._idle: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        for worker in self._workers:
            self._idle.put_nowait(worker)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            await worker.stop()

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that are up."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    async def grade(self, answers: Sequence[str | None], reference: str) -> list[Grade]:
        """One Grade per answer, in order; groups are numbered from 0 by first appearance.

        An answer that math-verify cannot compare with the reference in time forms a group of its
        own string. Raises ConfigError if math-verify is not installed, TtsError if no worker
        can be started.
        """
        forms = [canonical_form(answer) if answer else "" for answer in answers]
        worker = await self._idle.get()
        try:
            grouping = await self._group([form for form in forms if form], reference, worker)
        finally:
            self._idle.put_nowait(worker)
        return [
            Grade(answer, *grouping[form]) if form else Grade()
            for answer, form in zip(answers, forms, strict=True)
        ]

    async def _group(
        self, forms: Sequence[str], reference: str, worker: "_Worker"
    ) -> dict[str, tuple[int, bool]]:
        """The group of each distinct form, and whether that group is correct."""
        truth = canonical_form(reference)
        groups: dict[str, tuple[int, bool]] = {}
        firsts: list[str] = []
        for form in dict.fromkeys(forms):
            correct, same = False, None
            # A form that was given up on is compared no more: it costs one time limit, not many.
            # The reference goes first, since of the two it is the one known to be sane.
            with suppress(TimeoutError):
                correct = await self._equivalent(truth, form, worker)
                same = await self._first_equivalent(firsts, form, worker)
                if same is None:
                    firsts.append(form)
            if same is not None:
                groups[form] = groups[same]
            else:
                groups[form] = (1 + max((g for g, _ in groups.values()), default=-1), correct)
        return groups

    async def _first_equivalent(
        self, firsts: Sequence[str], form: str, worker: "_Worker"
    ) -> str | None:
        for first in firsts:
            if await self._equivalent(first, form, worker):
                return first
        return None

    async def _equivalent(self, reference: str, answer: str, worker: "_Worker") -> bool:
        """Whether two forms are the same answer; TimeoutError if that could not be found out."""
        if reference == answer:
            return True
        left, right = plain_number(reference), plain_number(answer)
        if left is not None and right is not None:
            return left == right
        if max(len(reference), len(answer)) > LONGEST:
            return False
        try:
            return await worker.compare(reference, answer)
        except TimeoutError:
            self.timeouts += 1
            if self.timeouts == 1:
                logger.warning(
                    "gave up comparing %.80r with %.80r: they count as different "
                    "(further ones are only counted)",
                    reference,
                    answer,
                )
            raise


class _Worker:
    """The parent's end of one worker process. One comparison at a time."""

    def __init__(self, seconds: float, memory_bytes: int) -> None:
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def compare(self, reference: str, answer: str) -> bool:
        """Whether math-verify finds them equivalent; TimeoutError if it is not done in time."""
        request = json.dumps([reference, answer]).encode() + b"\n"
        for _ in range(ATTEMPTS):
            process = self._process or await self._start()
            began = time.monotonic()
            try:
                reply = await self._ask(process, request)
            except BaseException:
                # A reply that nobody read must not answer the next question.
                await self.stop()
                raise
            if reply:
                return reply == EQUIVALENT
            await self.stop()
            if time.monotonic() - began >= self._seconds:
                break
        raise TimeoutError

    async def stop(self) -> None:
        """Kill the process, if there is one; it holds nothing worth keeping."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.communicate()

    async def _ask(self, process: Process, request: bytes) -> bytes:
        """The reply, or b"" if the worker died. Its own alarm is the limit; ours is for a worker
        that cannot even die, and loose, so that a busy event loop changes no grade."""
        assert process.stdin is not None and process.stdout is not None
        with suppress(ConnectionError):
            process.stdin.write(request)
            async with asyncio.timeout(3 * self._seconds + 10):
                await process.stdin.drain()
                return await process.stdout.readline()
        return b""

    async def _start(self) -> Process:
        for _ in range(ATTEMPTS):
            self._process = process = await self._spawn()
            assert process.stdout is not None
            greeting = b""
            try:
                with suppress(TimeoutError):
                    async with asyncio.timeout(START_SECONDS):
                        greeting = await process.stdout.readline()
            finally:
                if greeting != READY:
                    await self.stop()
            if greeting == READY:
                return process
            if greeting:
                reason = greeting.decode().strip()
                raise ConfigError(f"grading needs math-verify ({reason}): pip install math-verify")
        raise TtsError(
            f"no grading worker came up in {ATTEMPTS} attempts of {START_SECONDS:.0f} s each; its "
            f"own error is on stderr, its memory limit is {self._memory_bytes / 2**30:.1f} GiB"
        )

    async def _spawn(self) -> Process:
        """A fresh interpreter, not a fork and not `multiprocessing`: that one would run the user's
        main module again, and a fork would copy the driver's locks without its threads."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-W", "ignore", "-m", "tts_ray.grading.worker"),
            *(str(self._seconds), str(self._memory_bytes)),
            env=os.environ | {"PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)},
            stdin=PIPE,
            stdout=PIPE,
        )
