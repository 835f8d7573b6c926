r"""Whether two answers are the same, and by which rule. Pure functions; they may take long.

docs/grading.md lists the conventions. Each rule is a sentence of `Rule`, so that a verdict can
always say why. What does not read as mathematics is compared as a text.
"""

import functools
import re
from dataclasses import dataclass
from fractions import Fraction

from tts_ray.grading.exact import exact_value
from tts_ray.grading.expression import Node, symbol, symbols
from tts_ray.grading.inequalities import FLIPPED, region_of
from tts_ray.grading.quantities import plain_text
from tts_ray.grading.ratios import same_clock_or_ratio, same_hour, same_quotient
from tts_ray.grading.reading import read
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
from tts_ray.grading.regions import Region, same_region
from tts_ray.grading.rules import Rule
from tts_ray.grading.value import decimal_of, is_rounded, same_value, sign_of_ratio


@dataclass(frozen=True)
class Form:
    """An answer as it is compared: its canonical form, that as a plain text, and what it says."""

    canonical: str
    plain: str
    reading: Reading


@functools.lru_cache(maxsize=4096)
def form_of(canonical: str) -> Form:
    return Form(canonical, plain_text(canonical), read(canonical))


def compare(reference: str, answer: str) -> Rule:
    """By which rule two canonical forms are the same answer, or why they are not.

    The sides differ in two things: a base may be left out of the answer but not be added to it, and
    an answer of `1,2` may be 1.2."""
    left, right = form_of(reference), form_of(answer)
    if left.plain == right.plain:
        return Rule.TEXT
    try:
        found = same(left.reading, right.reading)
    except RecursionError:
        found = None
    if found is not None:
        return found
    unread = any(isinstance(each.reading, Text) for each in (left, right))
    return Rule.UNREAD if unread else Rule.DIFFERENT


def same(left: Reading, right: Reading) -> Rule | None:
    """The rule by which two readings are the same; None if they are not."""
    if isinstance(left, Choice) or isinstance(right, Choice):
        return same_choice(left, right)
    if isinstance(left, Relation) or isinstance(right, Relation):
        return same_relation(left, right)
    if isinstance(left, Quantity) and isinstance(right, Quantity):
        return same_quantity(left, right)
    if isinstance(left, Series) and isinstance(right, Series):
        found = same_series(left, right)
        if found is not None or left.brackets == right.brackets:
            return found
        # [0, oo] is [0, oo), and {3} is [3, 3].
        one, two = region_of(left), region_of(right)
        is_it = one and two and one.pieces and same_region(one, two)
        return Rule.REGION if is_it else None
    if isinstance(left, Region) or isinstance(right, Region) or is_union(left) or is_union(right):
        one, two = region_of(left), region_of(right)
        return Rule.REGION if one and two and same_region(one, two) else None
    if isinstance(left, Based):
        return same_based(left, right)
    if isinstance(left, Clock | Ratio) and isinstance(right, Clock | Ratio):
        return same_clock_or_ratio(left, right)
    if isinstance(left, Ratio) or isinstance(right, Ratio):
        return same_quotient(left, right)
    if isinstance(left, Clock) or isinstance(right, Clock):
        return same_hour(left, right)
    for whole, other in ((left, right), (right, left)):
        if isinstance(whole, Series) and repeats(whole):
            return same(whole.items[0], other)
    if isinstance(left, Series) and isinstance(right, Quantity):
        return same_decimal_comma(left, right, is_answer=False)
    if isinstance(left, Quantity) and isinstance(right, Series):
        return same_decimal_comma(right, left, is_answer=True)
    letters = letters_of(left)
    return Rule.TEXT if left == right or (letters and letters == letters_of(right)) else None


def letters_of(found: Reading) -> str:
    """The letters of a word, or of a product of symbols, which a word of plain letters is read as;
    "" if it is something else."""
    if isinstance(found, Text):
        return found.text
    if not isinstance(found, Quantity) or found.unit:
        return ""
    text = product_of_letters(found.value)
    return plain_text(text) if text else ""


def product_of_letters(node: Node) -> str:
    if node.op in ("symbol", "constant") and len(node.name) == 1:
        return node.name
    parts = [product_of_letters(each) for each in node.args] if node.op == "*" else []
    return "".join(parts) if all(parts) else ""


def same_choice(left: Reading, right: Reading) -> Rule | None:
    """(C) 12 is C, and it is 12."""
    choice, other = (left, right) if isinstance(left, Choice) else (right, left)
    assert isinstance(choice, Choice)
    if isinstance(other, Choice):
        is_it = choice.letter == other.letter and same(choice.says, other.says) is not None
    else:
        is_letter = isinstance(other, Quantity) and other.value == symbol(choice.letter)
        is_it = is_letter or same(choice.says, other) is not None
    return Rule.CHOICE if is_it else None


def is_union(found: Reading) -> bool:
    return isinstance(found, Series) and found.brackets == "∪"


def same_expression(left: Node, right: Node) -> Rule | None:
    if same_value(left, right):
        return Rule.VALUE
    return Rule.ROUNDED if is_rounded(left, right) else None


def same_quantity(left: Quantity, right: Quantity) -> Rule | None:
    """A unit may be left out, but not be another. A percentage is also its number."""
    if left.unit == right.unit:
        return same_expression(left.value, right.value)
    if left.unit and right.unit:
        return None
    found = same_expression(left.value, right.value)
    if "%" not in (left.unit, right.unit):
        return found and Rule.UNIT
    if found:
        return Rule.PERCENT
    hundred = Node("number", value=Fraction(1, 100))
    values = [
        Node("*", (each.value, hundred)) if each.unit == "%" else each.value
        for each in (left, right)
    ]
    return Rule.PERCENT if same_value(*values) else None


def same_series(left: Series, right: Series) -> Rule | None:
    """Sets and lists without brackets in any order, all others in theirs. Angle brackets are round
    ones, and a list without brackets may stand for any."""
    one, two = (each.brackets.replace("⟨⟩", "()") for each in (left, right))
    if not left.is_ordered and not right.is_ordered:
        if "∪" in (one, two) and one != two:
            return None
        return Rule.ANY_ORDER if matched(distinct(left), distinct(right)) else None
    free = "" in (one, two) and "{}" not in (one, two) and "∪" not in (one, two)
    ends = free and {one, two} & {"(]", "[)"}
    # More than two numbers in square brackets are no interval.
    free = free or ({one, two} == {"()", "[]"} and len(left.items) > 2)
    if (one != two and not free) or ends:
        return None
    if len(left.items) != len(right.items):
        return None
    pairs = zip(left.items, right.items, strict=True)
    return Rule.IN_ORDER if all(same(a, b) for a, b in pairs) else None


def repeats(found: Series) -> bool:
    """Whether a set has one element, or a list one thing in several spellings."""
    if found.brackets == "":
        return all(same(found.items[0], item) for item in found.items)
    return found.brackets == "{}" and len(found.items) == 1


def distinct(found: Series) -> tuple[Reading, ...]:
    """The items of a set, or of a list of tuples, without those that stand there again; a list of
    numbers keeps its repetitions."""
    if found.brackets == "" and not all(isinstance(item, Series) for item in found.items):
        return found.items
    kept: list[Reading] = []
    for item in found.items:
        if not any(same(each, item) for each in kept):
            kept.append(item)
    return tuple(kept)


def matched(left: tuple[Reading, ...], right: tuple[Reading, ...]) -> bool:
    """Whether the items of two series can be paired. Dots keep their place among them."""
    if len(left) != len(right):
        return False
    if any(isinstance(item, Dots) for item in left):
        return all(same(a, b) for a, b in zip(left, right, strict=True))
    rest = list(right)
    for item in left:
        at = next((i for i, other in enumerate(rest) if same(item, other)), None)
        if at is None:
            return False
        del rest[at]
    return True


def same_relation(left: Reading, right: Reading) -> Rule | None:
    """Two relations, or a value and an equation that names it."""
    if isinstance(left, Relation) and isinstance(right, Relation):
        one, two = stated(left), stated(right)
        if one and two and same_name(left.sides[0], right.sides[0]):
            return same(one, two)
        return same_up_to_a_factor(left, right)
    relation, other = (left, right) if isinstance(left, Relation) else (right, left)
    assert isinstance(relation, Relation)
    if relation.names:
        if (
            isinstance(other, Region)
            and other.variable
            and Text(other.variable) != relation.sides[0]
        ):
            return None
        value = stated(relation)
        return Rule.NAMED if value and same(value, other) else None
    return Rule.VALUE if is_calculation(relation) and same(relation.sides[0], other) else None


def stated(relation: Relation) -> Reading | None:
    """What x = ... says that a name is; None if it names nothing, or the rest of its sides are not
    the same."""
    *others, last = relation.sides[1:]
    return last if relation.names and all(same(each, last) for each in others) else None


def is_calculation(relation: Relation) -> bool:
    """Whether it says of numbers that they are equal, and they are: 2^5 = 32."""
    return (
        set(relation.signs) == {"="}
        and is_numeric(relation)
        and all(same(relation.sides[0], side) for side in relation.sides[1:])
    )


def is_numeric(relation: Relation) -> bool:
    return all(isinstance(side, Quantity) and not symbols(side.value) for side in relation.sides)


def same_name(left: Reading, right: Reading) -> bool:
    """Whether two names are one; y is also f(x)."""
    if left == right:
        return True
    texts = {each.text for each in (left, right) if isinstance(each, Text)}
    return "y" in texts and any(re.fullmatch(r"[a-zA-Z]\(x\)", text) for text in texts)


def same_up_to_a_factor(left: Relation, right: Relation) -> Rule | None:
    """Equations a = b and c = d of which a - b is c - d times a number other than 0, and
    inequalities likewise; a negative factor turns the sign around."""
    if len(left.sides) != 2 or len(right.sides) != 2 or is_numeric(left) or is_numeric(right):
        turned = Relation(right.sides[::-1], tuple(FLIPPED.get(s, "") for s in right.signs[::-1]))
        for each in (right, turned):
            if (
                left.signs == each.signs
                and len(left.sides) == len(each.sides)
                and all(map(same, left.sides, each.sides))
            ):
                return Rule.IN_ORDER
        return None
    one, two = difference(left), difference(right)
    factor = sign_of_ratio(one, two) if one and two else None
    if factor is None:
        return None
    sign, aim = left.signs[0], right.signs[0]
    if sign in ("=", "!="):
        return Rule.EQUATION if sign == aim else None
    return Rule.INEQUALITY if sign == (aim if factor > 0 else FLIPPED.get(aim)) else None


def difference(relation: Relation) -> Node | None:
    """Its left side less its right one; None if they are no expressions."""
    left, right = map(as_node, relation.sides)
    return Node("+", (left, Node("neg", (right,)))) if left and right else None


def as_node(found: Reading) -> Node | None:
    """The expression of one side of an equation."""
    if isinstance(found, Quantity):
        return None if found.unit else found.value
    if isinstance(found, Text):
        return name_node(found.text)
    return None


@functools.lru_cache(maxsize=1024)
def name_node(name: str) -> Node | None:
    reading = read(name)
    return reading.value if isinstance(reading, Quantity) else Node("symbol", name=name)


def same_based(left: Based, right: Reading) -> Rule | None:
    if isinstance(right, Based):
        return Rule.BASE if (left.digits, left.base) == (right.digits, right.base) else None
    if isinstance(right, Text):
        return Rule.BASE if right.text.replace(" ", "").upper() == left.digits else None
    if isinstance(right, Quantity) and not right.unit and right.value.op == "number":
        is_it = left.digits.isdecimal() and int(left.digits) == right.value.value
        return Rule.BASE if is_it else None
    return None


def same_decimal_comma(series: Series, other: Quantity, *, is_answer: bool) -> Rule | None:
    """`1,22` beside `1.22`. A reference of `1,2` is a list; an answer of it may be 1.2."""
    whole, comma, part = series.text.partition(",")
    if series.brackets or not comma or not part.isdecimal() or not whole.lstrip("-").isdecimal():
        return None
    if decimal_of(other.value) is None or (len(part) < 2 and not is_answer):
        return None
    is_it = exact_value(other.value) == Fraction(f"{whole}.{part}")
    return Rule.DECIMAL_COMMA if is_it else None
