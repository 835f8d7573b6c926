"""The pocket benchmark: synthetic multi-step maths in the style of MATH, exactly checkable.

A problem, of one of five levels, is a chain of operations, each on the result of the one before.
It is told either as algebra ("Let $a=34, b=a-5$. Find $b$.") or as a story ("Ana has 34 cards. In
January ..."). Its solution has one step per operation and then one that states the answer;
`separate` and `judge` say, by program and without a model, which steps of any text are correct.

Invariant: everything is a pure function of a seed, and no problem text occurs in two splits.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import cycle, islice
from typing import Literal

Kind = Literal["algebra", "story"]

SEED = 2025
SEPARATOR = "\n\n"
VARIABLES = "abcdefghijklm"
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
NAMES = ("Mia", "Tom", "Ana", "Ben", "Eva", "Leo", "Zoe", "Max")
ITEMS = ("apples", "coins", "cards", "books", "shells", "stamps")
VERBS = {"+": ("buys", "finds", "wins"), "-": ("sells", "loses", "gives away")}
TIMES = r"\times"
PER_LEVEL = {"test": 40, "dev": 40, "test_large": 200}


@dataclass(frozen=True, slots=True)
class Level:
    """What makes a problem hard: how many operations, and how large values and factors may be."""

    lengths: tuple[int, ...]
    largest: int
    symbols: tuple[str, ...]
    smallest: int
    factor: int = 0
    back_reference: float = 0.0


LEVELS = {
    1: Level((2,), 50, ("+", "-"), smallest=2),
    2: Level((3,), 99, ("+", "-", TIMES), smallest=2, factor=5),
    3: Level((4, 5), 149, ("+", "-", TIMES), smallest=5, factor=9, back_reference=0.3),
    4: Level((6, 7), 249, ("+", "-", TIMES), smallest=5, factor=9, back_reference=0.3),
    5: Level((8, 10, 12), 399, ("+", "-", TIMES), smallest=5, factor=9, back_reference=0.3),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """`left symbol right = value`; `name` is the variable or month it defines.

    `reference` is the index of the earlier operation whose value `right` is, or None.
    """

    name: str
    left: int
    symbol: str
    right: int
    value: int
    reference: int | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem with its reference solution; `answer` is a decimal integer."""

    question: str
    solution: str
    answer: str
    level: int
    kind: Kind
    operations: tuple[Operation, ...]


class Verdict(StrEnum):
    """What is known of a step: CORRECT, the fault of the first wrong one, or being AFTER it."""

    CORRECT = "correct"
    ARITHMETIC = "arithmetic"
    OPERAND = "operand"
    ANSWER = "answer"
    FORMAT = "format"
    AFTER = "after"


def compute(left: int, symbol: str, right: int) -> int:
    """The value of `left symbol right`. Raises ValueError for a symbol the benchmark lacks."""
    match symbol:
        case "+":
            return left + right
        case "-":
            return left - right
        case r"\times":
            return left * right
    raise ValueError(f"unknown symbol {symbol!r}; known: +, -, {TIMES}")


def generate(rng: random.Random, level: int) -> Problem:
    """Draw one problem. Raises KeyError when `level` is not 1 to 5."""
    shape = LEVELS[level]
    kind: Kind = rng.choice(("algebra", "story"))
    operations = None
    while operations is None:
        operations = draw_chain(rng, shape, kind)
    question = (ask_algebra if kind == "algebra" else ask_story)(operations, rng)
    answer = str(operations[-1].value)
    steps = [render_step(kind, operation) for operation in operations]
    solution = SEPARATOR.join([*steps, render_answer(answer)])
    return Problem(question, solution, answer, level, kind, operations)


def draw_chain(rng: random.Random, shape: Level, kind: Kind) -> tuple[Operation, ...] | None:
    """Draw the operations of one problem, or None when a value has walked into a dead end."""
    names = VARIABLES[1:] if kind == "algebra" else MONTHS
    values = [rng.randint(shape.smallest, shape.largest // 2)]
    chain: list[Operation] = []
    for index in range(rng.choice(shape.lengths)):
        for _ in range(20):
            symbol = rng.choice(shape.symbols)
            may_refer = kind == "algebra" and index >= 2 and symbol != TIMES
            reference = None
            if may_refer and rng.random() < shape.back_reference:
                reference = rng.randrange(index)
                right = values[reference]
            else:
                right = draw_operand(rng, shape, symbol, values[-1])
            value = compute(values[-1], symbol, right)
            if 1 <= value <= shape.largest and not (symbol == TIMES and values[-1] < 3):
                chain.append(Operation(names[index], values[-1], symbol, right, value, reference))
                values.append(value)
                break
        else:
            return None
    return tuple(chain)


def draw_operand(rng: random.Random, shape: Level, symbol: str, left: int) -> int:
    """Draw a right operand which keeps the value in range where that is possible."""
    if symbol == TIMES:
        return rng.randint(2, shape.factor)
    room = shape.largest - left if symbol == "+" else left - 1
    return rng.randint(shape.smallest, max(shape.smallest, room))


def ask_algebra(operations: Sequence[Operation], rng: random.Random) -> str:
    """The question as a list of definitions; `rng` is not used."""
    terms = [f"a={operations[0].left}"]
    for previous, operation in zip(VARIABLES, operations, strict=False):
        back = operation.reference
        right = str(operation.right) if back is None else VARIABLES[back]
        terms.append(f"{operation.name}={previous}{operation.symbol}{right}")
    return f"Let ${', '.join(terms)}$. Find ${operations[-1].name}$."


def ask_story(operations: Sequence[Operation], rng: random.Random) -> str:
    """The question as a story of one month per operation."""
    name, item = rng.choice(NAMES), rng.choice(ITEMS)
    sentences = [f"{name} has {operations[0].left} {item}."]
    for operation in operations:
        if operation.symbol == TIMES:
            event = f"has {operation.right} times as many"
        else:
            event = f"{rng.choice(VERBS[operation.symbol])} {operation.right}"
        sentences.append(f"In {operation.name} {name} {event}.")
    return " ".join([*sentences, f"How many {item} does {name} have?"])


def render_step(kind: Kind, operation: Operation) -> str:
    """The one accepted wording of a step (the operands of + and \\times may be swapped)."""
    sum_ = f"{operation.left}{operation.symbol}{operation.right}={operation.value}"
    return f"${operation.name}={sum_}$." if kind == "algebra" else f"{operation.name}: ${sum_}$."


def render_answer(answer: str) -> str:
    """The wording of the last step."""
    return f"The answer is $\\boxed{{{answer}}}$."


STEP = re.compile(
    r"(?:\$(?P<variable>[a-m])=|(?P<month>[A-Z][a-z]+): \$)"
    r"(?P<left>\d+)(?P<symbol>\+|-|\\times)(?P<right>\d+)=(?P<value>\d+)\$\."
)
BOXED = re.compile(r"\\boxed\{(\d+)\}")


def boxed(text: str) -> str | None:
    """The last boxed integer in `text`, or None."""
    found = BOXED.findall(text)
    return found[-1] if found else None


def separate(text: str) -> list[str]:
    """The steps of a solution: stripped, blank ones left out."""
    return [step.strip() for step in text.split(SEPARATOR) if step.strip()]


def judge(problem: Problem, steps: Sequence[str]) -> list[Verdict]:
    """One verdict per step. Correct means: this step and all before it are (prefix correctness)."""
    verdicts: list[Verdict] = []
    for index, step in enumerate(steps):
        if verdicts and verdicts[-1] is not Verdict.CORRECT:
            verdicts.append(Verdict.AFTER)
        else:
            verdicts.append(judge_step(problem, index, step))
    return verdicts


def judge_step(problem: Problem, index: int, step: str) -> Verdict:
    """The verdict on step `index`, given that all before it are correct."""
    if index == len(problem.operations) and step.startswith("The answer is"):
        right = step == render_answer(problem.answer)
        return Verdict.CORRECT if right else Verdict.ANSWER
    found = STEP.fullmatch(step)
    if found is None or index >= len(problem.operations):
        return Verdict.FORMAT
    wanted = problem.operations[index]
    name = found["variable"] if problem.kind == "algebra" else found["month"]
    operands = (int(found["left"]), int(found["right"]))
    accepted = {(wanted.left, wanted.right)}
    if wanted.symbol != "-":
        accepted.add((wanted.right, wanted.left))
    if name != wanted.name or found["symbol"] != wanted.symbol or operands not in accepted:
        return Verdict.OPERAND
    return Verdict.CORRECT if int(found["value"]) == wanted.value else Verdict.ARITHMETIC


@lru_cache
def held_out(seed: int = SEED) -> dict[str, tuple[Problem, ...]]:
    """All held-out splits, disjoint by problem text, levels in turn."""
    rng = random.Random(seed)
    seen: set[str] = set()
    splits: dict[str, tuple[Problem, ...]] = {}
    for name, per_level in PER_LEVEL.items():
        problems: list[Problem] = []
        for level in LEVELS:
            fresh = distinct(rng, level, seen)
            problems.extend(islice(fresh, per_level))
        splits[name] = tuple(problems)
    return splits


def distinct(rng: random.Random, level: int, seen: set[str]) -> Iterator[Problem]:
    """Problems of one level whose text is not in `seen`, to which each is added."""
    while True:
        problem = generate(rng, level)
        if problem.question not in seen:
            seen.add(problem.question)
            yield problem


def split(name: str, seed: int = SEED) -> tuple[Problem, ...]:
    """A held-out split: "test" or "dev" (40 a level) or "test_large" (200 a level).

    Raises ValueError for another name.
    """
    splits = held_out(seed)
    if name not in splits:
        raise ValueError(f"unknown split {name!r}; known: {', '.join(splits)}")
    return splits[name]


def train(stream: int, levels: Sequence[int] = tuple(LEVELS)) -> Iterator[Problem]:
    """Training problems without end, levels in turn, none of them held out; a stream per number."""
    rng = random.Random(f"train-{stream}")
    excluded = {problem.question for problems in held_out().values() for problem in problems}
    for level in cycle(levels):
        problem = generate(rng, level)
        if problem.question not in excluded:
            yield problem
