"""Grouping and grading the answers to one problem by mathematical equivalence.

Groups are formed without looking at the reference, so a majority never knows the truth; then each
group is as right as its first answer. Strings of one canonical form, and plain numbers, are
settled here; the rest goes to math-verify in a worker process, because an answer is whatever a
model wrote, and some answers (9^{9^{9^9}}) would keep a computer algebra system busy for ever.

Invariant: a comparison costs at most `seconds` of CPU time, whatever is in it. One without a result
counts as "not equivalent" and is marked in the grade (`Ungraded`); it never stalls a run, and never
ends it. Wall-clock time has no say in a grade.
"""

import asyncio
import logging
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tts_ray.errors import ConfigError
from tts_ray.grading.answers import canonical_form, plain_number
from tts_ray.grading.worker import MAX_SECONDS
from tts_ray.grading.worker_process import GivenUp, WorkerProcess
from tts_ray.types import Grade, Ungraded

logger = logging.getLogger(__name__)

MIN_SECONDS = 0.01
"""The shortest limit of one comparison, in seconds of CPU time: below, none can be made."""
MAX_WORKERS = 256
LONGEST = 1000
"""Characters of the longest answer that is more than a string. Beyond are loops of the model, which
would cost a time limit each; the longest answer of MATH-500 has 53 characters."""


def check_limits(workers: int, seconds: float) -> None:
    """Raises ConfigError if a Grader cannot have these limits."""
    if not 1 <= workers <= MAX_WORKERS:
        raise ConfigError(f"grading.workers is from 1 to {MAX_WORKERS} processes, not {workers}")
    # Written so that nan is refused too.
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise ConfigError(
            f"grading.seconds is the CPU time of one comparison, from {MIN_SECONDS:g} to "
            f"{MAX_SECONDS:g} s, not {seconds}"
        )


class Grader:
    """Grades answers in `workers` processes, started when first needed and replaced when lost.

    Use it as an async context manager, from one event loop; `grade` may be called concurrently,
    one worker serving each call. `given_up` counts the comparisons without a result.

    Args:
        workers: at most `MAX_WORKERS`.
        seconds: CPU time of one comparison, from `MIN_SECONDS` to `MAX_SECONDS`.
        memory_bytes: address space of a worker.
        silence_s: wall-clock time after which a worker that does not answer is replaced and the
            comparison repeated; 60 s and ten times `seconds` if not given.

    Raises:
        ConfigError: a limit is out of its range.
    """

    def __init__(
        self,
        workers: int = 1,
        seconds: float = 5.0,
        memory_bytes: int = 4 * 2**30,
        silence_s: float | None = None,
    ) -> None:
        check_limits(workers, seconds)
        self.given_up = 0
        silence_s = 60 + 10 * seconds if silence_s is None else silence_s
        self._workers = [WorkerProcess(seconds, memory_bytes, silence_s) for _ in range(workers)]
        self._idle: asyncio.LifoQueue[WorkerProcess] = asyncio.LifoQueue()
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

        An answer whose comparison came to no result forms a group of its own string; its grade
        says why. Grading stored answers again needs nothing but them and the reference. Raises
        ConfigError if math-verify is not installed, TtsError if no worker can be started.
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
        self, forms: Sequence[str], reference: str, worker: WorkerProcess
    ) -> dict[str, tuple[int, bool, Ungraded | None]]:
        """Of each distinct form its group, whether that group is correct, and what is not known."""
        truth = canonical_form(reference)
        groups: dict[str, tuple[int, bool, Ungraded | None]] = {}
        firsts: list[str] = []
        for form in dict.fromkeys(forms):
            correct, same, ungraded = await self._place(form, truth, firsts, worker)
            if same is not None:
                groups[form] = groups[same]
                continue
            groups[form] = (
                1 + max((g for g, *_ in groups.values()), default=-1),
                correct,
                ungraded,
            )
            # A form that was given up on is compared no more: it costs one limit, not many.
            if ungraded is None:
                firsts.append(form)
        return groups

    async def _place(
        self, form: str, truth: str, firsts: Sequence[str], worker: WorkerProcess
    ) -> tuple[bool, str | None, Ungraded | None]:
        """Whether a form is correct, the first form that it is equivalent to, what is not known.

        The reference goes first, since of the two it is the one known to be sane.
        """
        try:
            correct = await self._equivalent(truth, form, worker)
        except GivenUp as failure:
            return False, None, failure.reason
        try:
            return correct, await self._first_equivalent(firsts, form, worker), None
        except GivenUp:
            return correct, None, Ungraded.GROUP

    async def _first_equivalent(
        self, firsts: Sequence[str], form: str, worker: WorkerProcess
    ) -> str | None:
        for first in firsts:
            if await self._equivalent(first, form, worker):
                return first
        return None

    async def _equivalent(self, reference: str, answer: str, worker: WorkerProcess) -> bool:
        """Whether two forms are the same answer; GivenUp if that could not be found out."""
        if reference == answer:
            return True
        left, right = plain_number(reference), plain_number(answer)
        if left is not None and right is not None:
            return left == right
        if max(len(reference), len(answer)) > LONGEST:
            return False
        try:
            return await worker.compare(reference, answer)
        except GivenUp as failure:
            self.given_up += 1
            if self.given_up == 1:
                logger.warning(
                    "gave up comparing %.80r with %.80r (%s): they count as different "
                    "(further ones are only counted)",
                    reference,
                    answer,
                    failure,
                )
            raise
