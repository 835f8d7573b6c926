"""Inequalities, intervals and unions as sets of real numbers."""

from collections.abc import Sequence

import mpmath

from tts_ray.grading.brackets import match
from tts_ray.grading.expression import Node, symbols
from tts_ray.grading.latex import Kind, NotMathError, Token
from tts_ray.grading.parser import read_expression
from tts_ray.grading.readings import Quantity, Reading, Series
from tts_ray.grading.regions import Piece, Region, common, end_of, region
from tts_ray.grading.value import DIGITS, is_real, value_or_none

FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}
_INVERSE = ["{", "-", "1", "}"]
"""What stands behind the ^ of an inverse function."""
_NAMING = {",", ":", "|", "'", "(", ")", "[", "]", "{", "}", "/"}


def is_name(found: Sequence[Token]) -> bool:
    """Whether tokens only name something: letters, a function of anything, brackets of letters. A
    number may stand in a subscript."""
    letters = at = 0
    while at < len(found):
        token = found[at]
        if token.is_sign("_"):
            at += 1
            is_group = at < len(found) and found[at].is_sign("{")
            at = match(found, at) if is_group else at
        elif token.is_sign("^") and [each.text for each in found[at + 1 : at + 5]] == _INVERSE:
            at += len(_INVERSE)
        elif token.is_sign("(") and at and found[at - 1].kind is Kind.LETTERS:
            at = match(found, at)
        elif token.kind is Kind.NUMBER or (token.kind is Kind.SIGN and token.text not in _NAMING):
            return False
        else:
            letters += token.kind is not Kind.SIGN
        at += 1
    return letters > 0


def plain_name(found: Sequence[Token]) -> str:
    """One spelling of a name."""
    return "".join(token.text for token in found if not token.is_sign("{", "}", "|"))


def limits(sides: list[list[Token]], signs: list[str]) -> Region | None:
    """The values of a name between limits: x > 2, 2 <= x < 5, |x| < 3, 1 - x > 0. None if it is
    another relation."""
    if not all(sign in ("<", ">", "<=", ">=") for sign in signs):
        return None
    at = [i for i, side in enumerate(sides) if is_name(side)]
    if len(sides) == 2 and not at:
        return _solved([read_expression(side) for side in sides], signs[0])
    if len(at) != 1 or len(sides) > 3 or (len(sides) == 3 and at != [1]):
        return None
    name = sides[at[0]]
    low, high, has_low, has_high = -mpmath.inf, mpmath.inf, False, False
    for i, sign in enumerate(signs):
        is_left = i + 1 == at[0]
        side = sides[i] if is_left else sides[i + 1]
        sign = sign if is_left else FLIPPED[sign]
        # Now it reads: limit, sign, name.
        try:
            limit = end_of(read_expression(side))
        except NotMathError:
            return None
        if sign.startswith("<"):
            low, has_low = limit, sign == "<=" and not mpmath.isinf(limit)
        else:
            high, has_high = limit, sign == ">=" and not mpmath.isinf(limit)
    if len(signs) == 2 and signs[0][0] != signs[1][0]:
        return None
    pieces = [Piece(low, high, has_low, has_high)]
    if name[0].is_sign("|") and name[-1].is_sign("|"):
        if low < 0:
            pieces = [Piece(mpmath.mpf(0), high, has_low=True, has_high=has_high)]
        pieces += [Piece(-p.high, -p.low, p.has_high, p.has_low) for p in pieces]
    return region(pieces, plain_name(name))


def _solved(sides: list[Node], sign: str) -> Region | None:
    """The solutions of an inequality that is linear in its one symbol, or of one between the
    absolute value of that and a number; None if it is another."""
    for inner, limit, direction in (
        (sides[0], sides[1], sign),
        (sides[1], sides[0], FLIPPED[sign]),
    ):
        if inner.op == "abs" and not symbols(limit):
            return _absolute(inner.args[0], limit, direction)
    difference = Node("+", (sides[0], Node("neg", (sides[1],))))
    names = symbols(difference)
    if len(names) != 1:
        return None
    (name,) = names
    with mpmath.workdps(DIGITS[0]):
        found = [value_or_none(difference, {name: mpmath.mpf(at)}) for at in (0, 1, 2)]
        if any(each is None or isinstance(each, tuple) or not is_real(each) for each in found):
            return None
        at_0, at_1, at_2 = map(mpmath.re, found)
        slope = at_1 - at_0
        if not slope or abs(at_2 - at_1 - slope) > abs(slope) * mpmath.mpf(10) ** -30:
            return None
        end = -at_0 / slope
    above = (slope > 0) == sign.startswith(">")
    has = sign.endswith("=")
    piece = Piece(end, mpmath.inf, has, has_high=False)
    return region([piece if above else Piece(-mpmath.inf, end, has_low=False, has_high=has)], name)


def _absolute(inner: Node, limit: Node, sign: str) -> Region | None:
    """The solutions of |inner| < limit, and of other signs likewise."""
    above = _solved([inner, limit], sign)
    below = _solved([inner, Node("neg", (limit,))], FLIPPED[sign])
    if above is None or below is None:
        return None
    if sign.startswith("<"):
        return common(above, below)
    return region((*above.pieces, *below.pieces), above.variable)


def region_of(found: Reading) -> Region | None:
    """The set of reals that a reading is: an interval, a set of numbers, a region; None if none."""
    if isinstance(found, Region):
        return found
    if not isinstance(found, Series):
        return None
    try:
        ends = [end_of(i.value) for i in found.items if isinstance(i, Quantity) and not i.unit]
    except NotMathError:
        return None
    if len(ends) != len(found.items):
        return None
    if found.brackets == "{}":
        return region(Piece(end, end, has_low=True, has_high=True) for end in ends)
    if found.brackets in ("()", "(]", "[)", "[]") and len(ends) == 2 and ends[0] <= ends[1]:
        low, high = ends
        has_low = found.brackets[0] == "[" and not mpmath.isinf(low)
        has_high = found.brackets[1] == "]" and not mpmath.isinf(high)
        return region([Piece(low, high, has_low, has_high)])
    return None
