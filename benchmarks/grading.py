"""How fast pools of answers are graded, beside math-verify if it is installed.

    python benchmarks/grading.py --pool 256 --rounds 3

Each problem has a pool as best-of-N leaves it: about half of the answers are right, in several
spellings, the rest are spread over wrong values. A comparison is one pair of different canonical
forms that the grader had to settle. `pip install math-verify` to compare with it: the same pairs,
through its parse and verify, parses cached, in turn with ours in every round.
"""

import argparse
import asyncio
import functools
import random
import statistics
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from tts_ray.grading.answers import canonical_form
from tts_ray.grading.equivalence import Grader

Spell = Callable[[int], list[str]]
PROBLEMS: dict[str, Spell] = {
    "integer": lambda v: [f"{v}", f"{v}.0", f"x={v}", f"{v}\\text{{ cm}}"],
    "fraction": lambda v: [f"\\frac{{{v}}}{{7}}", f"{v}/7", f"\\dfrac{{{2 * v}}}{{14}}"],
    "root": lambda v: [f"{v}\\sqrt{{3}}", f"\\sqrt{{{3 * v * v}}}", f"{v} \\sqrt 3"],
    "point": lambda v: [f"({v}, \\frac12)", f"\\left({v},0.5\\right)", f"({v},1/2)"],
    "interval": lambda v: [f"[{v}, \\infty)", f"x \\ge {v}", f"{v} \\leq x"],
    "polynomial": lambda v: [f"(x+{v})(x-2)", f"x^2+{v - 2}x-{2 * v}", f"(x-2)(x+{v})"],
    "matrix": lambda v: [
        f"\\begin{{pmatrix}} {v} \\\\ 2 \\end{{pmatrix}}",
        f"\\begin{{bmatrix}}{v}\\\\2\\end{{bmatrix}}",
    ],
    "words": lambda v: [f"\\text{{case {v}}}", f"Case {v}"],
}


def pool(spell: Spell, size: int, draw: random.Random) -> list[str]:
    """Answers to one problem whose right value is 12."""
    return [
        draw.choice(spell(12 if draw.random() < 0.5 else draw.randint(3, 40))) for _ in range(size)
    ]


def pairs_of(answers: list[str], reference: str) -> list[tuple[str, str]]:
    """The pairs of different forms that are compared at least: each with the reference."""
    truth = canonical_form(reference)
    forms = dict.fromkeys(map(canonical_form, answers))
    return [(truth, form) for form in forms if form != truth]


async def graded(pools: dict[str, list[str]]) -> tuple[float, int]:
    """Seconds to grade all pools with one worker that is up, and the answers found correct."""
    async with Grader(seconds=20) as grader:
        await grader.grade(["x"], "y")
        began = time.perf_counter()
        right = 0
        for name, answers in pools.items():
            grades = await grader.grade(answers, PROBLEMS[name](12)[0])
            right += sum(found.correct for found in grades)
        return time.perf_counter() - began, right


def math_verified(pairs: list[tuple[str, str]]) -> float | None:
    """Seconds of math-verify on the same pairs; None if it is not installed."""
    try:
        from math_verify import parse, verify  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return None
    read = functools.cache(lambda text: parse(f"${text}$", parsing_timeout=None))
    read("1")
    began = time.perf_counter()
    for reference, answer in pairs:
        verify(read(reference), read(answer), timeout_seconds=None)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pool", type=int, default=256, help="answers to each problem")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    console = Console()
    table = Table("round", "answers/s", "pairs/s with the reference", "of math-verify's")
    ratios = []
    for turn in range(arguments.rounds):
        draw = random.Random(turn)
        pools = {name: pool(spell, arguments.pool, draw) for name, spell in PROBLEMS.items()}
        pairs = [
            pair for name, found in pools.items() for pair in pairs_of(found, PROBLEMS[name](12)[0])
        ]
        seconds, right = asyncio.run(graded(pools))
        assert 0.3 < right / (arguments.pool * len(pools)) < 0.7
        theirs = math_verified(pairs)
        if theirs is not None:
            ratios.append(theirs / seconds)
        answers = arguments.pool * len(pools)
        table.add_row(
            str(turn),
            f"{answers / seconds:,.0f}",
            f"{len(pairs) / seconds:,.0f}",
            f"{ratios[-1]:.1f}" if ratios else "not installed",
        )
    console.print(table)
    if ratios:
        console.print(
            f"median {statistics.median(ratios):.1f} times math-verify's rate, although it only "
            f"compares with the reference and ours groups all answers too"
        )


if __name__ == "__main__":
    main()
