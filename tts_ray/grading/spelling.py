"""Readings in words and plain notation, for people: what the grader made of an answer."""

from typing import Any

import mpmath

from tts_ray.grading.expression import Node
from tts_ray.grading.readings import (
    Based,
    Choice,
    Clock,
    Dots,
    Quantity,
    Ratio,
    Reading,
    Relation,
    Series,
    Text,
)
from tts_ray.grading.regions import Piece, Region

LONG = 10**40
"""Numbers from here on are not written out."""
SERIES = {
    **{"": "list", "{}": "set", "∪": "union", "+": "sum", "()": "tuple", "[]": "list in brackets"},
    **{"⟨⟩": "vector", "(]": "interval", "[)": "interval"},
}
INFIX = {"+": " + ", "*": " * ", "/": "/", "^": "^"}


def spelled(found: Reading) -> str:
    """What an answer says, e.g. "number 7/3", "set {1, 2}", "text east"."""
    return f"{kind_of(found)} {content_of(found)}".strip()


def kind_of(found: Reading) -> str:
    if isinstance(found, Quantity):
        return "number" if found.value.op in ("number", "neg") else "expression"
    if isinstance(found, Series):
        if len(found.items) == 2 and found.brackets in ("()", "[]", "(]", "[)"):
            return "pair or interval" if found.brackets in ("()", "[]") else "interval"
        return SERIES[found.brackets]
    names: dict[type[Reading], str] = {
        Text: "text",
        Based: "digits",
        Choice: "choice",
        Clock: "time of day",
        Ratio: "ratio",
        Relation: "equation",
        Region: "set of real numbers",
        Dots: "dots",
    }
    if isinstance(found, Relation) and set(found.signs) != {"="}:
        return "relation"
    return names[type(found)]


def content_of(found: Reading) -> str:
    if isinstance(found, Text):
        return found.text
    if isinstance(found, Quantity):
        return expression(found.value) + (f" {found.unit}" if found.unit else "")
    if isinstance(found, Based):
        return f"{found.digits} in base {found.base}"
    if isinstance(found, Choice):
        return f"({found.letter}) {content_of(found.says)}"
    if isinstance(found, Clock):
        return f"{found.hour}:{found.minute:02} {found.half}".strip()
    if isinstance(found, Ratio):
        return " : ".join(map(content_of, found.parts))
    if isinstance(found, Series):
        inside = (" ∪ " if found.brackets == "∪" else ", ").join(map(content_of, found.items))
        if found.brackets in ("", "∪", "+"):
            return inside
        return f"{found.brackets[0]}{inside}{found.brackets[1]}"
    if isinstance(found, Relation):
        signs = (*(f" {sign} " for sign in found.signs), "")
        return "".join(
            content_of(side) + sign for side, sign in zip(found.sides, signs, strict=True)
        )
    if isinstance(found, Region):
        pieces = " ∪ ".join(map(piece, found.pieces)) or "{}"
        return f"{found.variable} in {pieces}" if found.variable else pieces
    return "..."


def piece(found: Piece) -> str:
    low, high = map(end, (found.low, found.high))
    if found.low == found.high:
        return f"{{{low}}}"
    return f"{'[' if found.has_low else '('}{low}, {high}{']' if found.has_high else ')'}"


def end(found: Any) -> str:
    if mpmath.isinf(found):
        return "oo" if found > 0 else "-oo"
    return str(mpmath.nstr(found, 8))


def expression(node: Node) -> str:
    """An expression with all its brackets."""
    if node.op == "number":
        value = node.value
        return str(value) if max(value.numerator, value.denominator) < LONG else "a long number"
    if node.op in ("symbol", "constant"):
        return node.name
    inside = [expression(each) for each in node.args]
    if node.op == "neg":
        return f"-{bracketed(node.args[0])}"
    if node.op in INFIX:
        return INFIX[node.op].join(map(bracketed, node.args))
    if node.op == "!":
        return f"{bracketed(node.args[0])}!"
    name = f"matrix {node.name}" if node.op == "matrix" else node.op
    return f"{name}({', '.join(inside)})"


def bracketed(node: Node) -> str:
    text = expression(node)
    return f"({text})" if node.op in ("+", "*", "/", "^", "neg") else text
