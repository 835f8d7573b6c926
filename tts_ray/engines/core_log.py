"""What a core in a process of its own says when it cannot start: vLLM tells nobody else.

A core writes to the standard output of its actor, which Ray keeps in a file.
"""

import os
import re
import stat

from tts_ray.text import one_line, traceback_end

OUTPUT = "/proc/self/fd/1"
LIMIT = 1 << 20
"""Bytes of a log that are looked through."""
LINE = re.compile(r"(?P<process>\(\S+ pid=\d+\) )?ERROR \S+ \S+ \[\S+:\d+\] ?(?P<text>.*)")
"""A line of vLLM's log, of one of its processes."""


def log_size() -> int | None:
    """The bytes that this process's standard output has taken; None if it is kept in no file."""
    try:
        found = os.stat(OUTPUT)
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def core_error(begin: int | None) -> str:
    """The error that a core, or the first of its workers to fail, has logged since the log had
    `begin` bytes; empty if there is none to be found."""
    if begin is None:
        return ""
    try:
        with open(OUTPUT, "rb") as log:
            log.seek(begin)
            text = log.read(LIMIT).decode(errors="replace")
    except OSError:
        return ""
    lines = [found for line in text.splitlines() if (found := LINE.match(line))]
    failed = next((line["process"] for line in lines if "Traceback" in line["text"]), None)
    said = "\n".join(line["text"] for line in lines if line["process"] == failed)
    return one_line(" ".join(traceback_end(said)), 400)
