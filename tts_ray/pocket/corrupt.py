"""Wrong solutions made on purpose: a reference solution with one broken step, carried forward.

What follows the break is computed consistently from it, so that only the broken step itself tells;
and a broken step is never a correct one by chance.
"""

import random
from dataclasses import replace

from tts_ray.pocket.task import (
    SEPARATOR,
    TIMES,
    Operation,
    Problem,
    compute,
    render_answer,
    render_step,
)

SLIPS = (1, -1, 2, -2, 9, -9, 10, -10, 11, -11, 20, -20, 100, -100)


def corrupt(problem: Problem, rng: random.Random) -> str:
    """The text of a solution with one wrong step."""
    broken = rng.randrange(len(problem.operations) + 1)
    if broken == len(problem.operations):
        wrong = str(slip(int(problem.answer), rng))
        return SEPARATOR.join([*map_steps(problem, problem.operations), render_answer(wrong)])
    chain = list(problem.operations[:broken])
    chain.append(break_operation(problem, broken, rng))
    for operation in problem.operations[broken + 1 :]:
        chain.append(carry(operation, chain, problem))
    steps = map_steps(problem, chain)
    return SEPARATOR.join([*steps, render_answer(str(chain[-1].value))])


def map_steps(problem: Problem, operations: "tuple[Operation, ...] | list[Operation]") -> list[str]:
    """The steps' wordings."""
    return [render_step(problem.kind, operation) for operation in operations]


def break_operation(problem: Problem, index: int, rng: random.Random) -> Operation:
    """Operation `index` with a wrong result, or rightly computed of a wrong operand or sign."""
    operation = problem.operations[index]
    choice = rng.random()
    if choice < 0.6:
        return replace(operation, value=slip(operation.value, rng))
    left, symbol, right = operation.left, operation.symbol, operation.right
    if choice < 0.75:
        left = slip(left, rng)
    elif choice < 0.9 or symbol == TIMES:
        others = {other.right for other in problem.operations} - {right, left}
        right = rng.choice(sorted(others)) if others and rng.random() < 0.5 else slip(right, rng)
    else:
        symbol = "-" if symbol == "+" and left > right else "+"
    if (symbol == "-" and left <= right) or (symbol == operation.symbol == "+" and left == right):
        return replace(operation, value=slip(operation.value, rng))
    if (left, symbol, right) == (operation.left, operation.symbol, operation.right):
        return replace(operation, value=slip(operation.value, rng))
    return replace(
        operation, left=left, symbol=symbol, right=right, value=compute(left, symbol, right)
    )


def carry(operation: Operation, chain: list[Operation], problem: Problem) -> Operation:
    """The operation redone on the values of `chain`; left as it was where that goes below one."""
    left = chain[-1].value
    right = operation.right
    if operation.reference:
        right = chain[operation.reference - 1].value
    value = compute(left, operation.symbol, right)
    return replace(operation, left=left, right=right, value=value) if value > 0 else operation


def slip(value: int, rng: random.Random) -> int:
    """A positive number near `value` as a slip of arithmetic makes it, other than `value`."""
    return rng.choice([value + change for change in SLIPS if value + change > 0])
