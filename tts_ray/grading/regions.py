"""Sets of real numbers as intervals: what an interval, a union of them and an inequality have in
common, so that (2, oo) and x > 2 are one answer."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import mpmath

from tts_ray.grading.expression import Node, symbols
from tts_ray.grading.latex import NotMathError
from tts_ray.grading.value import DIGITS, is_real, value_or_none


@dataclass(frozen=True)
class Piece:
    """An interval from `low` to `high`, real numbers or infinities, with or without its ends."""

    low: Any
    high: Any
    has_low: bool
    has_high: bool


@dataclass(frozen=True)
class Region:
    """Disjoint pieces in ascending order; `variable` is what they are the values of, or ""."""

    pieces: tuple[Piece, ...]
    variable: str = ""


EVERYTHING = Piece(-mpmath.inf, mpmath.inf, has_low=False, has_high=False)
"""The real line."""


def end_of(node: Node) -> Any:
    """The real number or infinity that an expression is.

    Raises:
        NotMathError: it is none.
    """
    if symbols(node):
        raise NotMathError("an end with a symbol")
    with mpmath.workdps(DIGITS[0]):
        found = value_or_none(node, {})
        if found is None or isinstance(found, tuple) or not is_real(found):
            raise NotMathError("an end that is no real number")
        return mpmath.re(found)


def region(pieces: Iterable[Piece], variable: str = "") -> Region:
    """The union of pieces, in the one form that it has."""
    ordered = sorted(
        (p for p in pieces if p.low < p.high or (same(p.low, p.high) and p.has_low and p.has_high)),
        key=lambda piece: (piece.low, not piece.has_low),
    )
    merged: list[Piece] = []
    for piece in ordered:
        last = merged[-1] if merged else None
        touches = last is not None and same(last.high, piece.low)
        if last is None or not (
            (touches and (last.has_high or piece.has_low))
            or (not touches and piece.low < last.high)
        ):
            merged.append(piece)
            continue
        reaches = same(piece.high, last.high)
        further = piece.high > last.high and not reaches
        high, has_high = (piece.high, piece.has_high) if further else (last.high, last.has_high)
        if reaches:
            has_high = last.has_high or piece.has_high
        has_low = last.has_low or (same(last.low, piece.low) and piece.has_low)
        merged[-1] = Piece(last.low, high, has_low, has_high)
    return Region(tuple(merged), variable)


def without(whole: Region, part: Region) -> Region:
    """What is left of a set without another."""
    left = list(whole.pieces)
    for hole in part.pieces:
        below = Piece(-mpmath.inf, hole.low, has_low=False, has_high=not hole.has_low)
        above = Piece(hole.high, mpmath.inf, has_low=not hole.has_high, has_high=False)
        left = [overlap(piece, side) for piece in left for side in (below, above)]
    return region(left, whole.variable)


def common(left: Region, right: Region) -> Region:
    """What two sets have in common."""
    return region((overlap(a, b) for a in left.pieces for b in right.pieces), left.variable)


def overlap(left: Piece, right: Piece) -> Piece:
    """What two pieces have in common; it may be empty."""
    low, high = max(left.low, right.low), min(left.high, right.high)
    return Piece(
        low,
        high,
        all(each.has_low for each in (left, right) if same(each.low, low)),
        all(each.has_high for each in (left, right) if same(each.high, high)),
    )


def same(left: Any, right: Any) -> bool:
    """Whether two ends are the same number."""
    if mpmath.isinf(left) or mpmath.isinf(right):
        return bool(left == right)
    with mpmath.workdps(DIGITS[0]):
        return bool(abs(left - right) <= max(abs(left), abs(right)) * mpmath.mpf(10) ** -30)


def same_region(left: Region, right: Region) -> bool:
    """Whether two sets are equal, and not of two different variables."""
    if left.variable and right.variable and left.variable != right.variable:
        return False
    return len(left.pieces) == len(right.pieces) and all(
        same(a.low, b.low)
        and same(a.high, b.high)
        and (a.has_low, a.has_high) == (b.has_low, b.has_high)
        for a, b in zip(left.pieces, right.pieces, strict=True)
    )
