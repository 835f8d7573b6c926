"""What expressions are worth, and whether two are worth the same.

Rational numbers are computed exactly. Everything else is evaluated twice, at 40 and at 200 digits:
two values that agree to half of either are equal, and the tolerance is relative, so that neither
tiny nor huge numbers are taken for each other. Expressions with symbols are evaluated at fixed
points (Schwartz 1980: two polynomials that differ agree at a random point almost never), at the
first ones of them twice.
"""

import functools
import math
import random
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import mpmath

from tts_ray.grading.exact import exact_value
from tts_ray.grading.expression import Node, any_node, symbols

DIGITS = (40, 200)
"""Decimal digits of the two evaluations."""
LARGE = 10**50
"""Values beyond that agree to half of the digits are evaluated once more, to their last digit."""
MOST_DIGITS = 20_000
"""Digits of the largest value that is compared so; larger ones that are not rational count as
different."""
ROUNDED = 1e-6
"""Relative distance up to which a decimal stands for a value written without a decimal point."""
POINTS = 3
"""Points of each kind at which expressions with symbols are compared."""
SCALES = (3, 30, 3000)
"""How far from 0 the points of either sign may lie: |x-5| is 5-x near 0."""
WHOLE_POINTS = 20
"""Points at which expressions for whole numbers are compared: every other agrees on (-1)^n."""
MOST_FACTORS = 64
"""The largest exponent of a matrix."""


class NoValueError(Exception):
    """An expression without a value: 1/0, or a matrix where a number belongs."""


Matrix = tuple[tuple[Any, ...], ...]
Value = Any
"""A complex number of mpmath, or a Matrix of them."""


def same_value(left: Node, right: Node) -> bool:
    """Whether two expressions have the same value, at every point of their symbols. Decimals are
    exactly what they say."""
    if left == right:
        return True
    names = sorted(symbols(left) | symbols(right))
    if not names:
        exact = exact_value(left), exact_value(right)
        if exact[0] is not None and exact[1] is not None:
            return exact[0] == exact[1]
    points: list[dict[str, Any]] = points_for(left, right, names) if names else [{}]
    # Roots and logarithms of negative numbers have branches: they count if nothing else does.
    for skip_complex in (True, False):
        compared = False
        for at, point in enumerate(points):
            found = compare_at(
                left, right, point, skip_complex=skip_complex, is_precise=at < POINTS
            )
            if found is False:
                return False
            compared |= found is True
        if compared:
            return True
    return False


def is_rounded(left: Node, right: Node) -> bool:
    """Whether one of two expressions is a decimal that states the value of the other, which has no
    decimal point, to six digits at least (`ROUNDED`) and to all that it has, rounded or cut."""
    if decimal_of(left) is None:
        left, right = right, left
    literal = decimal_of(left)
    if literal is None or symbols(right) or any_node(right, lambda n: n.decimals is not None):
        return False
    stated, places = literal
    with mpmath.workdps(DIGITS[0]):
        found = value_or_none(right, {})
        if found is None or isinstance(found, tuple) or not is_real(found):
            return False
        off = abs(mpmath.re(found) - mpmath.mpf(stated.numerator) / stated.denominator)
        return bool(off < mpmath.mpf(10) ** -places and off <= ROUNDED * abs(found))


def decimal_of(node: Node) -> tuple[Fraction, int] | None:
    """The value and the decimal places of a decimal, which may have a sign; None if it is none."""
    if node.op == "neg":
        positive = decimal_of(node.args[0])
        return positive and (-positive[0], positive[1])
    return (node.value, node.decimals) if node.decimals is not None else None


def points_for(left: Node, right: Node, names: list[str]) -> list[dict[str, Any]]:
    """Where two expressions are compared: whole numbers if one of them is made for those, else
    positive reals and reals of either sign."""
    is_whole = any(any_node(node, is_discrete) for node in (left, right))
    return whole_points(*names) if is_whole else real_points(*names)


@functools.lru_cache(maxsize=256)
def whole_points(*names: str) -> list[dict[str, Any]]:
    draw = random.Random(" ".join(names))
    return [{n: mpmath.mpf(draw.randint(4, 13)) for n in names} for _ in range(WHOLE_POINTS)]


@functools.lru_cache(maxsize=256)
def real_points(*names: str) -> list[dict[str, Any]]:
    draw = random.Random(" ".join(names))
    positive = [{n: mpmath.mpf(draw.uniform(0.2, 3)) for n in names} for _ in range(POINTS)]
    signed = [
        {n: mpmath.mpf(draw.choice((-1, 1)) * draw.uniform(0.2, scale)) for n in names}
        for scale in SCALES
    ]
    opposite = [{n: -value for n, value in point.items()} for point in signed]
    negative = {n: mpmath.mpf(-draw.uniform(0.2, 3)) for n in names}
    return [*positive, *signed, *opposite, negative]


def is_discrete(node: Node) -> bool:
    """Whether a symbol in it can only be a whole number: n!, (-1)^n."""
    if node.op in ("!", "binom", "gcd", "lcm"):
        return bool(symbols(node))
    if node.op == "^" and symbols(node.args[1]):
        base = node.args[0]
        return not symbols(base) and (exact_value(base) or 1) < 0
    return False


def compare_at(
    left: Node, right: Node, point: Mapping[str, Any], *, skip_complex: bool, is_precise: bool
) -> bool | None:
    """Whether two expressions agree at a point; None where that says nothing: one of them has no
    value there, or is not real at a point that is not positive, or `skip_complex` and neither is
    real. Only the first evaluation is made if it need not be precise."""
    digits = DIGITS[0]
    while True:
        with mpmath.workdps(digits):
            values = [value_or_none(node, point) for node in (left, right)]
            if values[0] is None or values[1] is None:
                return None
            real = set(map(is_real, values))
            if real == {False} and skip_complex:
                return None
            if False in real and any(each < 0 for each in point.values()):
                return None
            if not agree(*values, last=digits >= DIGITS[1]):
                return False
            if digits > DIGITS[1] or not is_precise:
                return True
            if digits == DIGITS[0]:
                digits = DIGITS[1]
                continue
            size = max(map(largest, values))
            if size < LARGE:
                return True
            digits = 2 * int(mpmath.log10(size)) + DIGITS[1]
            if digits > MOST_DIGITS:
                return False


def largest(found: Value) -> Any:
    """The largest finite absolute value in a number or a matrix."""
    if isinstance(found, tuple):
        return max(largest(entry) for row in found for entry in row)
    return mpmath.mpf(0) if mpmath.isinf(found) else abs(found)


def value_or_none(node: Node, point: Mapping[str, Any]) -> Value | None:
    try:
        return value(node, point)
    except (NoValueError, ArithmeticError, ValueError, TypeError):
        return None


def is_real(found: Value) -> bool:
    if isinstance(found, tuple):
        return all(is_real(entry) for row in found for entry in row)
    return bool(abs(mpmath.im(found)) <= abs(found) * mpmath.mpf(10) ** (-mpmath.mp.dps // 2))


def agree(left: Value, right: Value, *, last: bool) -> bool:
    """Whether two values are of one shape, and the same to half of the digits at work. Numbers may
    have cancelled each other out: next to nothing is nothing, in the `last` evaluation only beside
    a true zero."""
    if isinstance(left, tuple) or isinstance(right, tuple):
        return (
            isinstance(left, tuple)
            and isinstance(right, tuple)
            and shape(left) == shape(right)
            and all(
                agree(a, b, last=last)
                for row, other in zip(left, right, strict=True)
                for a, b in zip(row, other, strict=True)
            )
        )
    if mpmath.isinf(left) or mpmath.isinf(right):
        return bool(left == right)
    size = max(abs(left), abs(right))
    digits = mpmath.mp.dps
    if size < mpmath.mpf(10) ** (-3 * digits // 4) and (not last or not left or not right):
        return True
    return bool(abs(left - right) <= size * mpmath.mpf(10) ** (-digits // 2))


def shape(matrix: Matrix) -> tuple[int, int]:
    return len(matrix), len(matrix[0])


def value(node: Node, point: Mapping[str, Any]) -> Value:
    """The value of an expression at a point, to the digits that mpmath works with.

    Raises:
        NoValueError: it has none.
        ArithmeticError, ValueError, TypeError: likewise, from mpmath.
    """
    if node.op == "number":
        return mpmath.mpf(node.value.numerator) / node.value.denominator
    if node.op == "symbol":
        return point[node.name]
    if node.op == "constant":
        return {"pi": mpmath.pi(), "e": mpmath.e(), "i": mpmath.j, "oo": mpmath.inf}[node.name]
    if node.op == "matrix":
        rows, columns = map(int, node.name.split("x"))
        entries = [number_of(value(each, point)) for each in node.args]
        return tuple(tuple(entries[r * columns : (r + 1) * columns]) for r in range(rows))
    found = [value(each, point) for each in node.args]
    if any(isinstance(each, tuple) for each in found):
        if node.op not in OF_MATRICES:
            raise NoValueError
        return OF_MATRICES[node.op](*found)
    result = OF_NUMBERS[node.op](*found)
    if mpmath.isnan(result):
        raise NoValueError
    if node.op in BRANCHED and mpmath.im(result) != 0 and any(at < 0 for at in point.values()):
        # The root of a negative number: a and b in sqrt(a) sqrt(b) = sqrt(ab) are positive.
        raise NoValueError
    return result


def number_of(found: Value) -> Value:
    if isinstance(found, tuple):
        raise NoValueError
    return found


def power(base: Any, exponent: Any) -> Any:
    if base == 0 and mpmath.re(exponent) < 0:
        raise NoValueError
    return mpmath.power(base, exponent)


def root(found: Any, index: Any) -> Any:
    """The real root of a negative number for an odd index, else the principal one."""
    if mpmath.im(found) == 0 and mpmath.re(found) < 0 and index == int(index) and index % 2 == 1:
        return -mpmath.power(-found, 1 / index)
    return mpmath.power(found, 1 / index)


def whole(found: Any) -> int:
    if mpmath.im(found) != 0 or found != mpmath.floor(found):
        raise NoValueError
    return int(found.real)


def real(found: Any) -> Any:
    if mpmath.im(found) != 0:
        raise NoValueError
    return mpmath.re(found)


OF_NUMBERS: Mapping[str, Callable[..., Any]] = {
    "+": lambda *terms: mpmath.fsum(terms),
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
    "neg": lambda found: -found,
    "^": power,
    "sqrt": root,
    "!": mpmath.factorial,
    "binom": mpmath.binomial,
    "degree": lambda found: found * mpmath.pi / 180,
    "abs": abs,
    "floor": lambda found: mpmath.floor(real(found)),
    "ceil": lambda found: mpmath.ceil(real(found)),
    "max": lambda *found: max(map(real, found)),
    "min": lambda *found: min(map(real, found)),
    "gcd": lambda *found: mpmath.mpf(math.gcd(*map(whole, found))),
    "lcm": lambda *found: mpmath.mpf(math.lcm(*map(whole, found))),
    "log": lambda found, base: mpmath.log(found) / mpmath.log(base),
    "apply": lambda function, argument: mpmath.cos(function + argument),
    "cis": mpmath.expj,
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "tan": mpmath.tan,
    "cot": mpmath.cot,
    "sec": mpmath.sec,
    "csc": mpmath.csc,
    "arcsin": mpmath.asin,
    "arccos": mpmath.acos,
    "arctan": mpmath.atan,
    "arccot": mpmath.acot,
    "arcsec": mpmath.asec,
    "arccsc": mpmath.acsc,
    "sinh": mpmath.sinh,
    "cosh": mpmath.cosh,
    "tanh": mpmath.tanh,
    "coth": mpmath.coth,
    "arsinh": mpmath.asinh,
    "arcosh": mpmath.acosh,
    "artanh": mpmath.atanh,
}


BRANCHED = {"sqrt", "^", "log"}
"""Operations on real numbers whose value may not be real."""


def add(*terms: Value) -> Matrix:
    if not all(isinstance(each, tuple) for each in terms) or len({shape(t) for t in terms}) != 1:
        raise NoValueError
    return tuple(
        tuple(mpmath.fsum(entries) for entries in zip(*rows, strict=True))
        for rows in zip(*terms, strict=True)
    )


def multiply(left: Value, right: Value) -> Matrix:
    if not isinstance(left, tuple):
        return tuple(tuple(left * entry for entry in row) for row in right)
    if not isinstance(right, tuple):
        return multiply(right, left)
    if shape(left)[1] != shape(right)[0]:
        raise NoValueError
    columns = list(zip(*right, strict=True))
    return tuple(
        tuple(mpmath.fsum(a * b for a, b in zip(row, column, strict=True)) for column in columns)
        for row in left
    )


def matrix_power(base: Value, exponent: Value) -> Matrix:
    """A product of equal square matrices, MOST_FACTORS at most."""
    times = whole(number_of(exponent))
    if not isinstance(base, tuple) or not 1 <= times <= MOST_FACTORS:
        raise NoValueError
    return functools.reduce(multiply, [base] * times)


def divide(left: Value, right: Value) -> Matrix:
    return multiply(left, 1 / number_of(right))


OF_MATRICES: Mapping[str, Callable[..., Matrix]] = {
    "+": add,
    "*": multiply,
    "/": divide,
    "^": matrix_power,
    "neg": lambda found: multiply(mpmath.mpf(-1), found),
}


def sign_of_ratio(left: Node, right: Node) -> int | None:
    """The sign of the number that one expression is of the other, the same at every point of their
    symbols; None if there is none, or either is 0 or does not depend on them (x - x > 1)."""
    names = sorted(symbols(left) | symbols(right))
    points: list[dict[str, Any]] = points_for(left, right, names) if names else [{}]
    factors, values = [], []
    with mpmath.workdps(DIGITS[0]):
        for point in points:
            one, two = (value_or_none(node, point) for node in (left, right))
            if one is None or two is None or isinstance(one, tuple) or isinstance(two, tuple):
                continue
            if min(abs(one), abs(two)) < mpmath.mpf(10) ** -30:
                return None
            factors.append(one / two)
            values.append(one)
        if not factors or not is_real(factors[0]):
            return None
        if not all(agree(each, factors[0], last=False) for each in factors):
            return None
        if all(agree(each, values[0], last=False) for each in values):
            return None
        return 1 if mpmath.re(factors[0]) > 0 else -1
