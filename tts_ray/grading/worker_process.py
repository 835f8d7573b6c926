"""The parent's end of one grading worker: starting it, asking it, and telling how it ended.

The limit of a comparison is CPU time, which the worker keeps itself (grading/worker.py): a pause,
a laptop's sleep or a busy node uses none of it. The wall clock only ends the wait for a worker that
is silent, and that says nothing about the comparison: it is repeated on a fresh worker.

Invariant: a pause of this process is not held against the worker, because silence is counted in
short slices that this process itself was awake for.
"""

import asyncio
import json
import logging
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress

from tts_ray.errors import ConfigError, TtsError
from tts_ray.grading.rules import Rule
from tts_ray.grading.worker import OUT_OF_MEMORY, READY
from tts_ray.types import Ungraded

logger = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often a comparison is tried when its worker is lost, and how often a worker is started."""
START_S = 120.0
"""How long a worker may take to start: importing from a slow network disk takes a while."""
EXIT_S = 10.0
"""How long a worker that ends is waited for, and how long one that was killed."""
SLICES = 60
"""Slices of one wait. A pause of this process, however long, costs one of them."""
WORDS = 200
"""Characters kept of a worker's last line on stderr."""


class GivenUp(Exception):
    """A comparison without a result. `reason` is for the record, the message is for people."""

    def __init__(self, reason: Ungraded, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class WorkerProcess:
    """One worker, started when first needed and replaced when lost. One comparison at a time.

    `seconds` limits the CPU time of a comparison, `memory_bytes` the worker's address space, and
    `silence_s` the wall-clock time that one attempt may go without an answer.
    """

    def __init__(self, seconds: float, memory_bytes: int, silence_s: float) -> None:
        self._seconds = seconds
        self._memory_bytes = memory_bytes
        self._silence_s = silence_s
        self._process: Process | None = None
        self._last_words: asyncio.Task[str] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def compare(self, reference: str, answer: str) -> Rule:
        """The rule by which two canonical forms are the same answer, or different ones.

        Raises:
            GivenUp: it took too much CPU time or memory, or the worker was lost in each attempt.
            ConfigError: mpmath is not installed.
            TtsError: no worker can be started.
        """
        request = json.dumps([reference, answer]).encode() + b"\n"
        how = ""
        for _ in range(ATTEMPTS):
            reply = await self._ask(self._process or await self._start(), request)
            if reply == OUT_OF_MEMORY:
                await self.stop()
                raise GivenUp(Ungraded.MEMORY, f"more than {self._memory} of memory")
            if reply:
                return Rule(reply.decode().strip())
            code, how = await self._end(reply, self._silence_s)
            if code == -signal.SIGPROF:
                raise GivenUp(Ungraded.TIME, f"more than {self._seconds:g} s of CPU time")
            logger.info("a grading worker was lost (%s)", how)
        raise GivenUp(Ungraded.LOST, f"{ATTEMPTS} workers were lost, the last one {how}")

    async def stop(self, *, ends: bool = False) -> tuple[int | None, str]:
        """End the process, if there is one; it holds nothing worth keeping. It is killed at once,
        unless it `ends` on its own. Returns its exit code, None if it cannot even be killed now,
        and the last line it wrote to stderr."""
        process, self._process = self._process, None
        if process is None or process.stdin is None or self._last_words is None:
            return None, ""
        process.stdin.close()
        words = ""
        with suppress(TimeoutError):
            if ends:
                async with asyncio.timeout(EXIT_S):
                    await process.wait()
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        with suppress(TimeoutError):
            async with asyncio.timeout(EXIT_S):
                words, _ = await asyncio.gather(self._last_words, process.wait())
        return process.returncode, words

    async def _ask(self, process: Process, request: bytes) -> bytes | None:
        """The reply; b"" if the worker died, None if it was silent for too long."""
        assert process.stdin is not None
        # Not drained: a write to a dead or stopped worker is found out by the wait for its reply.
        process.stdin.write(request)
        return await self._line(process, self._silence_s)

    async def _line(self, process: Process, seconds: float) -> bytes | None:
        """The next line the worker writes; b"" at its end, None after `seconds` of silence."""
        assert process.stdout is not None
        loop = asyncio.get_running_loop()
        left = SLICES
        timer: asyncio.TimerHandle

        def tick() -> None:
            nonlocal left, timer
            left -= 1
            if left:
                timer = loop.call_later(seconds / SLICES, tick)
            else:
                patience.reschedule(loop.time())

        timer = loop.call_later(seconds / SLICES, tick)
        try:
            async with asyncio.timeout(None) as patience:
                return await process.stdout.readline()
        except TimeoutError:
            return None
        except BaseException:
            # A reply that nobody read must not answer the next question.
            await self.stop()
            raise
        finally:
            timer.cancel()

    async def _end(self, reply: bytes | None, waited_s: float) -> tuple[int | None, str]:
        """End a worker that gave no answer; its exit code, and in words how it came to that."""
        code, words = await self.stop(ends=reply is not None)
        if reply is None:
            how = f"silent for {waited_s:g} s"
        elif code is None:
            how = "closed its output"
        elif code < 0:
            how = f"killed by signal {-code} ({signal.strsignal(-code)})"
        else:
            how = f"ended with exit code {code}"
        return code, f"{how}: {words}" if words else how

    async def _start(self) -> Process:
        endings = []
        for _ in range(ATTEMPTS):
            try:
                self._process = process = await self._spawn()
            except OSError as error:
                endings.append(f"not started: {error}")
                continue
            greeting = await self._line(process, START_S)
            if greeting == READY:
                return process
            _, how = await self._end(greeting, START_S)
            if greeting:
                reason = greeting.decode(errors="replace").strip()
                raise ConfigError(f"grading needs mpmath ({reason}): pip install mpmath")
            endings.append(how)
        raise TtsError(
            f"no grading worker came up in {ATTEMPTS} attempts, its memory limit is "
            f"{self._memory}: {'; '.join(dict.fromkeys(endings))}"
        )

    async def _spawn(self) -> Process:
        """A fresh interpreter, not a fork and not `multiprocessing`: that one would run the user's
        main module again, and a fork would copy the driver's locks without its threads."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-W", "ignore", "-m", "tts_ray.grading.worker"),
            *(str(self._seconds), str(self._memory_bytes)),
            env=os.environ | {"PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)},
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
        )
        assert process.stderr is not None
        self._last_words = asyncio.create_task(last_line(process.stderr))
        return process

    @property
    def _memory(self) -> str:
        return f"{self._memory_bytes / 2**30:.3g} GiB"


async def last_line(stream: asyncio.StreamReader) -> str:
    """Read a stream to its end, so that its writer never waits; the last line that is not blank."""
    tail = b""
    while chunk := await stream.read(2**16):
        tail = (tail + chunk)[-(2**12) :]
    lines = tail.decode(errors="replace").strip().splitlines()
    text = lines[-1][:WORDS] if lines else ""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
