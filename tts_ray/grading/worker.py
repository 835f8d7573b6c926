"""One worker of the grader: `python -m tts_ray.grading.worker SECONDS MEMORY_BYTES`.

Reads one JSON pair [reference, answer] a line and writes one line for it: "1" equivalent, "0" not,
or that memory ran out. It limits itself, so that it also ends when its parent is gone: the kernel
kills it with SIGPROF when a comparison has used its seconds of CPU time (user and system), even
inside one long multiplication, and a closed pipe ends it. Time in which it does not run does not
count. It imports nothing heavier than math-verify, and never the program that started it.
"""

import contextlib
import functools
import json
import logging
import math
import os
import random
import resource
import signal
import sys
from typing import Any, BinaryIO

READY = b"ready\n"
EQUIVALENT = b"1\n"
DIFFERENT = b"0\n"
OUT_OF_MEMORY = b"out of memory\n"

MAX_SECONDS = 3600.0
"""The longest limit of one comparison, in seconds of CPU time."""


def main() -> None:
    """Serve comparisons until the input ends. The first line written is READY or an error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The signal of the limit must kill, whatever the parent made of it for itself.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPROF})
    seconds, memory = limits(sys.argv[1:])
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    replies = _claim_stdout()
    logging.disable(logging.CRITICAL)
    try:
        import math_verify  # noqa: F401
    except ImportError as error:
        replies.write(f"{error}\n".encode())
        return
    # The first parse builds the grammar's tables, which no comparison should be charged for.
    equivalent("1", "x")
    replies.write(READY)
    for line in sys.stdin.buffer:
        reference, answer = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        reply = verdict(reference, answer)
        signal.setitimer(signal.ITIMER_PROF, 0)
        replies.write(reply)


def limits(arguments: list[str]) -> tuple[float, int]:
    """The seconds and bytes of the command line; SystemExit with one line if they are no limits."""
    with contextlib.suppress(ValueError):
        seconds, memory = arguments
        found = float(seconds), int(memory)
        if 0 < found[0] <= MAX_SECONDS and found[1] > 0:
            return found
    sys.exit(
        f"usage: python -m tts_ray.grading.worker SECONDS MEMORY_BYTES, with 0 < SECONDS <= "
        f"{MAX_SECONDS:g} and MEMORY_BYTES > 0, not {' '.join(arguments)!r}"
    )


def _claim_stdout() -> BinaryIO:
    """The pipe to the parent, out of reach of libraries that print."""
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    return replies


def verdict(reference: str, answer: str) -> bytes:
    """The line that answers a comparison."""
    try:
        return EQUIVALENT if equivalent(reference, answer) else DIFFERENT
    except MemoryError:
        return OUT_OF_MEMORY


def equivalent(reference: str, answer: str) -> bool:
    """Whether two canonical forms are the same mathematical object; without any limit.

    What the libraries raise on a model's text, running out of stack included, means "not
    equivalent". MemoryError is raised, where the libraries let it through.
    """
    from math_verify import verify

    try:
        left, right = _value(reference), _value(answer)
        if left is not None and right is not None and not _close(left, right):
            return False
        return bool(
            verify(
                _parse(reference),
                _parse(answer),
                allow_set_relation_comp=True,
                timeout_seconds=None,
            )
        )
    except MemoryError:
        raise
    except Exception:
        return False


@functools.lru_cache(maxsize=4096)
def _parse(answer: str) -> Any:
    from math_verify import parse

    return parse(f"${answer}$", parsing_timeout=None)


@functools.lru_cache(maxsize=4096)
def _value(answer: str) -> complex | None:
    """The value of an expression at one fixed random point of its symbols, None if it has none.

    Two expressions that differ there are different, at a hundredth of the cost of simplifying
    their difference. Lone symbols (words) and percentages are left to math-verify's own rules.
    """
    from sympy import Expr, Symbol, UnevaluatedExpr  # type: ignore[import-untyped]

    expression = next(iter(_parse(answer)), None)
    if not isinstance(expression, Expr) or isinstance(expression, Symbol):
        return None
    if expression.has(UnevaluatedExpr):
        return None
    point = {s: random.Random(str(s)).uniform(0.1, 0.9) for s in expression.free_symbols}
    try:
        value = complex(expression.subs(point).evalf())
    except (TypeError, ValueError, ArithmeticError, AttributeError, NotImplementedError):
        return None
    return value if math.isfinite(abs(value)) else None


def _close(left: complex, right: complex) -> bool:
    """Looser by far than math-verify's own rounding, so that it never overrules a match."""
    return abs(left - right) <= 1e-3 * max(1.0, abs(left), abs(right))


if __name__ == "__main__":
    main()
