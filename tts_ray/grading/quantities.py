"""Single things in an answer: words, numbers with a unit, times of day."""

import re
from collections.abc import Sequence
from itertools import pairwise

from tts_ray.grading.brackets import depths
from tts_ray.grading.expression import Node, number
from tts_ray.grading.latex import FUNCTIONS, NAMES, Kind, NotMathError, Token, tokens
from tts_ray.grading.parser import read_expression
from tts_ray.grading.readings import Clock, Quantity, Reading, Series, Text
from tts_ray.grading.units import (
    ATTACHED,
    CURRENCIES,
    MAGNITUDES,
    MEASURES,
    NO_UNIT,
    NO_UNIT_WORDS,
    UNITS,
    unit_of,
)

HALVES = {"am": "am", "pm": "pm", "a.m.": "am", "p.m.": "pm", "a.m": "am", "p.m": "pm"}
HALVES |= {"noon": "pm", "midnight": "am"}
"""Spellings of the half of the day that a time is in."""

_WORDS = re.compile(r"no|(?=.{3})(?:an? |the )?[^\W\d_]+(?:(?<=..)[ '-]+\w+)*", re.IGNORECASE)
"""Words whose case does not matter: `MN` is not `mn`, but `Odd` is `odd`."""
_UNIT_TAIL = re.compile(
    r"(?:[^\W\d_]{2,}\.?|[a-zA-Z]\.[a-zA-Z]\.?|[%°¢][CF]?|[CFmsghLlN$€£¥₹]|[^\W\d_a-zA-Z])"
    r"(?:\s?\^\{?-?\d\}?|[. /*%°]|(?<=[a-z])-(?=[a-z]{2})|[^\W\d_])*"
)
_WORD = re.compile(r"[^\W\d_]{4,}|[A-Z]{2,}|[A-Z][a-z]{2}|no|yes|odd|one|two|six|ten|red")
"""Letters without a font that are a word, and no product of symbols."""
LONGEST_UNIT = 40
"""Characters of what may be a unit; beyond, words behind a number are a sentence."""


def plain_text(form: str) -> str:
    """One spelling of a text: without fonts, blanks, and braces around one thing; words without
    their case and their first article."""
    try:
        words = [token.text for token in tokens(form)]
    except NotMathError:
        words = [form]
    kept: list[str] = []
    for word in words:
        if word == "}" and len(kept) > 1 and kept[-2] == "{" and len(kept[-1]) == 1:
            kept[-2:] = kept[-1:]
        else:
            kept.append(word)
    while kept and kept[-1] in (".", ",", ";", ":"):
        kept.pop()
    text = "".join(f" {word}" if word[:1].isalnum() else word for word in kept).strip()
    if not _WORDS.fullmatch(text):
        return text
    return re.sub(r"^(?:an?|the) (?=..)", "", text.casefold())


def read_words(found: Sequence[Token]) -> Text | None:
    """Words that are no product of symbols: upright, of capitals, of more than three letters, or
    several; None if it is something else."""
    for before, token in pairwise((*found, found[-1])):
        hyphen = token.is_sign("-") and len(before.text) > 1 and not token.space
        if before.kind is not Kind.LETTERS and not before.is_sign("-", "'", "."):
            return None
        if token.is_sign("-") and not hyphen:
            return None
    words = [token for token in found if token.kind is Kind.LETTERS]
    if all(len(word.text) == 1 for word in words):
        return None
    if len(words) == 1:
        (word,) = words
        is_word = word.upright or _WORD.fullmatch(word.text)
        if not is_word or (word.text in NAMES and not word.upright):
            return None
    elif len(words[0].text) == 1 and not words[0].upright and words[1].upright:
        # A symbol and its unit.
        return None
    return Text(plain_text("".join((" " if t.space else "") + t.text for t in found)))


def read_quantity(found: Sequence[Token]) -> Reading:
    """An expression with a currency sign before it, or a unit behind it."""
    unit = ""
    if len(found) > 1 and found[0].text == "US" and found[1].is_sign("$"):
        found = found[1:]
    if found[0].is_sign(*CURRENCIES):
        unit, found = found[0].text, found[1:]
    elif len(found) > 1 and found[0].is_sign("-") and found[1].is_sign(*CURRENCIES):
        unit, found = found[1].text, [found[0], *found[2:]]
    head, tail = _unit_tail(found)
    if tail and head:
        words = tail.lower().split()
        half = HALVES.get(tail.lower().strip())
        if half and len(head) == 1:
            return read_clock(head[0], None, half)
        if words[0] in MAGNITUDES:
            scale = number(MAGNITUDES[words[0]])
            value = Node("*", (read_expression(head), scale))
            return Quantity(value, unit or unit_of(" ".join(words[1:])))
        if unit and words[0] in ("/", "per"):
            return Quantity(read_expression(head), unit_of(f"{unit} {tail}"))
        if unit and unit_of(tail) != unit:
            raise NotMathError("two units")
        return Quantity(read_expression(head), unit_of(tail))
    return Quantity(read_expression(found), unit)


def read_mixed_units(found: Sequence[Token]) -> Reading | None:
    """Quantities behind each other, as 2 h 30 min or 30° 15'; None if it is something else."""
    starts = [
        at
        for at, (before, token) in enumerate(pairwise(found), 1)
        if token.kind is Kind.NUMBER and (before.kind is Kind.LETTERS or before.is_sign("°", "'"))
    ]
    if not starts or found[0].kind is not Kind.NUMBER:
        return None
    parts = [found[start:end] for start, end in pairwise((0, *starts, len(found)))]
    marks = ["".join(token.text for token in part[1:]) for part in parts]
    if marks in (["°", "'"], ["°", "'", "''"]):
        degrees = sum((part[0].value or 0) / 60**at for at, part in enumerate(parts))
        return Quantity(number(degrees), "degree")
    units = {unit_of(_unit_tail(part)[1]) for part in parts}
    if len(units) < len(parts) or not units <= MEASURES:
        return None
    return Series("+", tuple(read_quantity(part) for part in parts))


def _unit_tail(found: Sequence[Token]) -> tuple[Sequence[Token], str]:
    """The tokens before a unit, and the unit; "" if there is none."""
    for at, (token, depth) in enumerate(zip(found, depths(found), strict=True)):
        if depth or not at or not _may_begin_unit(token, found[at - 1]):
            continue
        if token.is_sign("°") and any(is_function(each) for each in found[:at]):
            # The angle's, and not the value's.
            continue
        tail = "".join((" " if each.space else "") + each.text for each in found[at:]).strip()
        letters = [each for each in found[at:] if each.kind is Kind.LETTERS]
        is_sentence = any(
            each.text.lower() in (NO_UNIT_WORDS if each.upright else NO_UNIT) for each in letters
        )
        # 5 cm * x is a product.
        has_factor = any(
            before.is_sign("*") and not each.upright for before, each in pairwise(found[at:])
        )
        if len(tail) > LONGEST_UNIT:
            break
        if _UNIT_TAIL.fullmatch(tail) and not is_sentence and not has_factor:
            return found[:at], tail
    return found, ""


def is_function(token: Token) -> bool:
    return token.text.removeprefix("\\") in FUNCTIONS


def _may_begin_unit(token: Token, before: Token) -> bool:
    if token.is_sign("%", "°", "¢", *CURRENCIES):
        return True
    if token.kind is not Kind.LETTERS or before.is_sign("_", "^", "-", "+", "*", "/", "("):
        return False
    if token.upright or not token.text.isascii():
        return True
    if token.space and before.kind is not Kind.LETTERS:
        if token.text in ("a", "p"):
            # Of "9 a.m."; alone it is a factor.
            return True
        known = token.text.lower() in UNITS and len(token.text) > 1
        return known or (len(token.text) > 2 and token.text not in NO_UNIT)
    return token.text in ATTACHED


def read_clock(hour: Token, minute: Token | None, half: str) -> Clock:
    for token in (hour, *((minute,) if minute else ())):
        if not token.text.isdigit():
            raise NotMathError("a time that is none")
    return Clock(int(hour.text), int(minute.text) if minute else 0, half)
