"""Grouping and grading the answers to one problem by mathematical equivalence.

A grade is the answer's own: it depends on the answer and the references alone. Groups are formed
without looking at a reference, so a majority never knows the truth, and they do not depend on the
order of the pool: the most frequent form (of equals the shortest, then the first by its letters)
leads a group, and every other form joins the first leader, in this order, that it is the same
answer as. Being the same answer is not transitive (25% is 25 and 0.25), so the members' grades may
differ; what a group then counts as is said in `grading/selection.py`.

Strings of one canonical form, and plain numbers, are settled here; the rest is compared in a worker
process, because an answer is whatever a model wrote, and some (9^{9^{9^9}}) would be computed for
ever.

Invariant: a comparison costs at most `seconds` of CPU time, whatever is in it. One without a result
counts as "different" and is marked in the grade (`Ungraded`); it never stalls a run, and never
ends it. Wall-clock time has no say in a grade.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tts_ray.errors import ConfigError
from tts_ray.grading.answers import canonical_form, plain_number
from tts_ray.grading.rules import EQUAL, Rule
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

    async def grade(
        self, answers: Sequence[str | None], references: str | Sequence[str]
    ) -> list[Grade]:
        """One Grade per answer, in order; groups are numbered from 0 by first appearance.

        An answer is correct if it is the same as the reference, or as any of several. An answer
        whose comparison came to no result forms a group of its own string; its grade says why.
        Grading stored answers again needs nothing but them and the references. Raises ConfigError
        if mpmath is not installed, TtsError if no worker can be started.
        """
        if isinstance(references, str):
            references = [references]
        truths = list(dict.fromkeys(map(canonical_form, references)))
        forms = [canonical_form(answer) if answer else "" for answer in answers]
        worker = await self._idle.get()
        try:
            counts = Counter(filter(None, forms))
            ordered = sorted(counts, key=lambda form: (-counts[form], len(form), form))
            verdicts = {form: await self._judge(form, truths, worker) for form in ordered}
            leaders = await self._lead(ordered, verdicts, worker)
        finally:
            self._idle.put_nowait(worker)
        numbers: dict[str, int] = {}
        for form in filter(None, forms):
            numbers.setdefault(leaders[form], len(numbers))
        return [
            Grade(answer, numbers[leaders[form]], *verdicts[form]) if form else Grade()
            for answer, form in zip(answers, forms, strict=True)
        ]

    async def explain(self, reference: str, answer: str) -> Rule:
        """The rule by which an answer is the same as a reference, or is not.

        Raises:
            GivenUp: the comparison came to no result.
        """
        worker = await self._idle.get()
        try:
            return await self._rule(canonical_form(reference), canonical_form(answer), worker)
        finally:
            self._idle.put_nowait(worker)

    async def _judge(
        self, form: str, truths: Sequence[str], worker: WorkerProcess
    ) -> tuple[bool, Ungraded | None]:
        """Whether a form is correct, and why that is not known.

        The reference goes first, since of the two it is the one known to be sane.
        """
        ungraded = None
        for truth in truths:
            try:
                if await self._rule(truth, form, worker) in EQUAL:
                    return True, None
            except GivenUp as failure:
                ungraded = failure.reason
        return False, ungraded

    async def _lead(
        self,
        ordered: Sequence[str],
        verdicts: dict[str, tuple[bool, Ungraded | None]],
        worker: WorkerProcess,
    ) -> dict[str, str]:
        """Of each form the one that leads its group: the first in order that is the same answer.
        Notes in `verdicts` which comparisons were given up."""
        leaders: dict[str, str] = {}
        leading: list[str] = []
        for form in ordered:
            leaders[form] = form
            correct, ungraded = verdicts[form]
            if ungraded is not None:
                # It is compared no more: it costs one limit, not many.
                continue
            try:
                for leader in leading:
                    if await self._rule(leader, form, worker) in EQUAL:
                        leaders[form] = leader
                        break
                else:
                    leading.append(form)
            except GivenUp:
                verdicts[form] = correct, Ungraded.GROUP
        return leaders

    async def _rule(self, reference: str, answer: str, worker: WorkerProcess) -> Rule:
        """By which rule two forms are the same; GivenUp if that could not be found out."""
        if reference == answer:
            return Rule.TEXT
        left, right = plain_number(reference), plain_number(answer)
        if left is not None and right is not None:
            return Rule.VALUE if left == right else Rule.DIFFERENT
        if max(len(reference), len(answer)) > LONGEST:
            return Rule.UNREAD
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
