"""Rational values of expressions, computed exactly as far as they are not too large."""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction

from tts_ray.grading.expression import Node

EXACT_BITS = 1_000_000
"""Bits of the largest numerator or denominator that is computed exactly."""


class InexactError(Exception):
    """A value that is not rational, or too large to be computed exactly."""


def exact_value(node: Node) -> Fraction | None:
    """The value of an expression that is rational and not too large; else None."""
    try:
        return exact(node)
    except (InexactError, ZeroDivisionError):
        return None


def exact(node: Node) -> Fraction:
    """The rational value of an expression without symbols.

    Raises:
        InexactError: it has none, or it is too large.
        ZeroDivisionError: it divides by zero.
    """
    if node.op == "number":
        return node.value
    if node.op not in EXACT:
        raise InexactError
    return bounded(EXACT[node.op](*map(exact, node.args)))


def bounded(found: Fraction) -> Fraction:
    if max(found.numerator.bit_length(), found.denominator.bit_length()) > EXACT_BITS:
        raise InexactError
    return found


def exact_power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        root = exact_root(base, Fraction(exponent.denominator))
        return exact_power(root, Fraction(exponent.numerator))
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if abs(base) != 1 and base and bits * abs(exponent.numerator) > EXACT_BITS:
        raise InexactError
    power = exponent.numerator if abs(base) != 1 else exponent.numerator % 2
    return base**power


def exact_root(base: Fraction, index: Fraction) -> Fraction:
    """A root that is rational; real for an odd index."""
    if index.denominator != 1 or not 2 <= index <= 64 or (base < 0 and index % 2 == 0):
        raise InexactError
    sign = -1 if base < 0 else 1
    over = whole_root(abs(base.numerator), int(index))
    under = whole_root(base.denominator, int(index))
    return Fraction(sign * over, under)


def whole_root(found: int, index: int) -> int:
    if index == 2:
        root = math.isqrt(found)
    else:
        if found.bit_length() > 4096:
            raise InexactError
        low, high = 0, 1 << (found.bit_length() // index + 1)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if middle**index <= found else (low, middle - 1)
        root = low
    if root**index != found:
        raise InexactError
    return root


def exact_factorial(found: Fraction) -> Fraction:
    if found.denominator != 1 or not 0 <= found <= 50_000:
        raise InexactError
    return Fraction(math.factorial(int(found)))


def exact_binomial(over: Fraction, under: Fraction) -> Fraction:
    if over.denominator != 1 or under.denominator != 1 or not 0 <= under <= over <= 50_000:
        raise InexactError
    return Fraction(math.comb(int(over), int(under)))


def exact_many(function: Callable[..., int]) -> Callable[..., Fraction]:
    def of(*found: Fraction) -> Fraction:
        if any(each.denominator != 1 for each in found):
            raise InexactError
        return Fraction(function(*map(int, found)))

    return of


EXACT: Mapping[str, Callable[..., Fraction]] = {
    "+": lambda *terms: sum(terms, Fraction(0)),
    "*": lambda left, right: left * right,
    "/": lambda left, right: left / right,
    "neg": lambda found: -found,
    "^": exact_power,
    "sqrt": exact_root,
    "!": exact_factorial,
    "binom": exact_binomial,
    "abs": abs,
    "floor": lambda found: Fraction(math.floor(found)),
    "ceil": lambda found: Fraction(math.ceil(found)),
    "max": lambda *found: max(found),
    "min": lambda *found: min(found),
    "gcd": exact_many(math.gcd),
    "lcm": exact_many(math.lcm),
}
