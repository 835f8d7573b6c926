"""Hostile input by the thousand: each case ends in success that means something, or in one line and
exit code 2; never in a traceback, and never not at all.

    python -m tests.fuzz.fuzz --cases 3000 --seed 0
    python -m tests.fuzz.fuzz --long 8          for so many hours
"""

import argparse
import contextlib
import io
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from tests.fuzz.kinds import KINDS
from tts_ray.errors import TtsError

SHARES = {
    **{"config": 45, "sweep": 10, "strategy": 10, "dataset": 12, "part": 7},
    **{"run_yaml": 7, "place": 4, "checkpoint": 5},
}
"""How many cases of a hundred are of each kind."""
ONE_CASE_S = 60
"""A case that takes longer hangs."""


class HangError(Exception):
    """A case did not end."""


@contextlib.contextmanager
def bounded():
    def strike(*_):
        raise HangError(f"no end within {ONE_CASE_S} s")

    before = signal.signal(signal.SIGALRM, strike)
    signal.alarm(ONE_CASE_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def case(kind: str, seed: int) -> tuple[str, str]:
    """Run one case; the outcome ("accepted", "refused", "FAILED", "HUNG") and what is wrong."""
    said = io.StringIO()
    with (
        tempfile.TemporaryDirectory(prefix="fuzz-") as folder,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(said),
    ):
        try:
            with bounded():
                code = KINDS[kind](random.Random(f"{kind}/{seed}"), Path(folder))
        except TtsError as error:
            lines = str(error).splitlines()
            if len(lines) == 1 and lines[0].strip() and error.exit_code == 2:
                return "refused", ""
            return "FAILED", f"refused in {len(lines)} lines with code {error.exit_code}: {error}"
        except HangError:
            return "HUNG", traceback.format_exc()
        except SystemExit as error:
            # argparse: its usage and a line.
            code = error.code
        except KeyboardInterrupt:
            raise
        except BaseException:
            # A panic of a library in Rust is not even an Exception.
            return "FAILED", traceback.format_exc()
    if "Traceback" in said.getvalue() or code not in (0, 2):
        return "FAILED", f"code {code}: {said.getvalue()}"
    errors = [line for line in said.getvalue().splitlines() if line.startswith("error:")]
    if code == 2 and not errors:
        return "FAILED", f"code 2 without a word: {said.getvalue()}"
    return ("accepted" if code == 0 else "refused"), ""


def fuzz(cases: int, seed: int, until: float = 0.0) -> tuple[Counter, list[str]]:
    """Run `cases` cases, or as many as there are until a time; counts by (kind, outcome), and what
    failed."""
    dice = random.Random(seed)
    found, wrong = Counter(), []
    number = 0
    while number < cases or time.monotonic() < until:
        (kind,) = dice.choices([*SHARES], weights=[*SHARES.values()])
        outcome, why = case(kind, seed * 10_000_000 + number)
        found[kind, outcome] += 1
        if why:
            wrong.append(f"--- case({kind!r}, {seed * 10_000_000 + number}): {outcome}\n{why}")
        number += 1
    return found, wrong


def table(found: Counter) -> str:
    """Counts as Markdown."""
    outcomes = ("accepted", "refused", "FAILED", "HUNG")
    rows = [(kind, *(found[kind, outcome] for outcome in outcomes)) for kind in SHARES]
    rows.append(("all", *(sum(row[at] for row in rows) for at in range(1, 5))))
    lines = [f"| kind | {' | '.join(outcomes)} |", "|---|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(map(str, row))} |" for row in rows)])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--long", type=float, default=0.0, help="hours")
    arguments = parser.parse_args()
    until = time.monotonic() + 3600 * arguments.long
    found, wrong = fuzz(0 if arguments.long else arguments.cases, arguments.seed, until)
    print("\n".join(wrong))
    print(table(found))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
