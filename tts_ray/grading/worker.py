"""One worker of the grader: `python -m tts_ray.grading.worker SECONDS MEMORY_BYTES`.

Reads one JSON pair [reference, answer] a line and writes one line for it: the rule by which they
are the same answer or different ones (grading/rules.py), or that memory ran out. It limits itself,
so that it also ends when its parent is gone: the kernel kills it with SIGPROF when a comparison has
used its seconds of CPU time (user and system), even inside one long multiplication, and a closed
pipe ends it. Time in which it does not run does not count. It imports nothing heavier than mpmath,
and never the program that started it.
"""

import contextlib
import json
import logging
import os
import resource
import signal
import sys
from typing import BinaryIO

READY = b"ready\n"
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
        # Imports what compares, which no comparison should be charged for.
        verdict("1", "x+1")
    except ImportError as error:
        replies.write(f"{error}\n".encode())
        return
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
    """The line that answers a comparison: the rule by which, or OUT_OF_MEMORY."""
    from tts_ray.grading.comparison import compare

    try:
        return f"{compare(reference, answer)}\n".encode()
    except MemoryError:
        return OUT_OF_MEMORY


if __name__ == "__main__":
    main()
