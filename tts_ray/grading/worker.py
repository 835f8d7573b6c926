"""One worker of the grader: `python -m tts_ray.grading.worker SECONDS MEMORY_BYTES`.

Reads one JSON pair [reference, answer] a line and writes one line for it: "1" equivalent, "0" not.
It limits itself, so that it also ends when its parent is gone: the kernel's alarm kills it when a
comparison outlasts its seconds, even inside one long multiplication, and a closed pipe ends it.
It imports nothing heavier than math-verify, and never the program that started it.
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


def main() -> None:
    """Serve comparisons until the input ends. The first line written is READY or an error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    seconds, memory = float(sys.argv[1]), int(sys.argv[2])
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
        signal.setitimer(signal.ITIMER_REAL, seconds)
        reply = EQUIVALENT if equivalent(reference, answer) else b"0\n"
        signal.setitimer(signal.ITIMER_REAL, 0)
        replies.write(reply)


def _claim_stdout() -> BinaryIO:
    """The pipe to the parent, out of reach of libraries that print."""
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    return replies


def equivalent(reference: str, answer: str) -> bool:
    """Whether two canonical forms are the same mathematical object; without any limit.

    What the libraries raise on a model's text, running out of stack or memory included, means
    "not equivalent".
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
