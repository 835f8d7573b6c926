"""The rules of grading by name: by which two answers are the same, and why they are not."""

from enum import StrEnum


class Rule(StrEnum):
    """Why two answers are the same, or are not."""

    TEXT = "the same text"
    VALUE = "the same value"
    ROUNDED = "the decimal states the value to six digits or more"
    UNIT = "the same value, with a unit on one side only"
    PERCENT = "the same percentage, or the same number without its percent sign"
    NAMED = "the value of an equation whose left side only names it"
    EQUATION = "the same equation up to a factor"
    INEQUALITY = "the same inequality up to a factor"
    IN_ORDER = "the same elements in the same order"
    ANY_ORDER = "the same elements, in whatever order"
    REGION = "the same set of real numbers"
    CHOICE = "the same choice, or its letter or what it says alone"
    CLOCK = "the same time of day"
    RATIO = "the same ratio"
    BASE = "the same digits in the same base, or without their base"
    DECIMAL_COMMA = "a decimal comma"
    DIFFERENT = "different"
    UNREAD = "different texts, of which one at least does not read as mathematics"


EQUAL = frozenset(Rule) - {Rule.DIFFERENT, Rule.UNREAD}
