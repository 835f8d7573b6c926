r"""Say whether an answer is the same as a reference, by which rule, and what each was read as.

    python jobs/grade.py '\frac{7}{3}' '2 1/3'
    python jobs/grade.py 34 'So the answer is \boxed{34}.' --solution

An answer that begins with a minus sign comes behind `--`. docs/grading.md lists the conventions.
Exit code 0: the same; 1: different, or not known within the limit of time.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence

from rich.table import Table

from tts_ray.errors import ConfigError
from tts_ray.grading.answers import canonical_form, extract_answer
from tts_ray.grading.equivalence import Grader
from tts_ray.grading.reading import read
from tts_ray.grading.rules import EQUAL, Rule
from tts_ray.grading.spelling import spelled
from tts_ray.grading.worker_process import GivenUp
from tts_ray.runtime.console import job_console, literal, say


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("reference", help="the right answer")
    parser.add_argument("answer", help="the answer to grade")
    parser.add_argument(
        "--solution", action="store_true", help="ANSWER is a whole solution: take its final answer"
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="CPU time it may take (5)")
    arguments = parser.parse_args(argv)
    answer = extract_answer(arguments.answer) if arguments.solution else arguments.answer
    if not answer:
        raise ConfigError(
            "the solution states no answer: neither a box nor a sentence such as 'The answer is 5.'"
        )
    console = job_console()
    try:
        rule, seconds = asyncio.run(explain(arguments.reference, answer, arguments.seconds))
    except GivenUp as failure:
        say(console, f"not known: it takes {failure}; grading counts them as different")
        return 1
    table = Table("", "answer", "canonical form", "read as")
    for role, text in (("reference", arguments.reference), ("answer", answer)):
        form = canonical_form(text)
        table.add_row(role, *map(literal, (text, form, spelled(read(form)))))
    console.print(table)
    verdict = "the same answer" if rule in EQUAL else "different answers"
    why = "" if rule is Rule.DIFFERENT else f": {rule}"
    say(console, f"{verdict}{why} ({seconds * 1000:.1f} ms)")
    return 0 if rule in EQUAL else 1


async def explain(reference: str, answer: str, seconds: float) -> tuple[Rule, float]:
    """The rule that decides, and the seconds that took once a worker was up."""
    async with Grader(seconds=seconds) as grader:
        await grader.explain("x", "y")
        began = time.perf_counter()
        return await grader.explain(reference, answer), time.perf_counter() - began
