r"""What an answer is: a quantity, a tuple, a list, a set, an interval, an equation, a time, a text.

The structure is read first (separators, relation signs, brackets, units), then the expressions in
it. An answer of which any part does not read is a text as a whole: no fragment is ever compared.
"""

import functools
import re
from collections.abc import Sequence

from tts_ray.grading.brackets import CLOSING, OPENING, depths, match, split
from tts_ray.grading.expression import Node, constant, number, symbols
from tts_ray.grading.inequalities import is_name, limits, plain_name, region_of
from tts_ray.grading.latex import Kind, NotMathError, Token, tokens
from tts_ray.grading.quantities import (
    HALVES,
    plain_text,
    read_clock,
    read_mixed_units,
    read_quantity,
    read_words,
)
from tts_ray.grading.readings import (
    Based,
    Choice,
    Dots,
    Quantity,
    Ratio,
    Reading,
    Relation,
    Series,
    Text,
)
from tts_ray.grading.regions import EVERYTHING, Piece, Region, common, end_of, region, without

RELATIONS = ("=", "<", ">", "<=", ">=", "!=", "≈")
MODES = {"and", "or"}
NUMERALS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen"),
)
NOTHING = Series("{}", ())
MEANINGS: dict[str, Reading] = {
    **dict.fromkeys(
        ("all real numbers", "all reals", "all real", "real numbers", "reals"),
        Region((EVERYTHING,)),
    ),
    **dict.fromkeys(
        ("no solution", "no solutions", "no real solution", "no real solutions", "empty set"),
        NOTHING,
    ),
    **{word: Quantity(number(value)) for value, word in enumerate(NUMERALS)},
    "infinity": Quantity(constant("oo")),
}
"""Words that are another spelling of a number or a set."""

_BASED = re.compile(
    r"\(?([0-9][0-9A-Z]*|[A-F][0-9A-F]+)\)?"
    r"(?:_\{?\(?(\d{1,2}|[a-z]{3,8})\)?\}?|\(?base(\d{1,2}|[a-z]{3,8})\)?)"
)
MOST_PLUS_MINUS = 3
"""Signs of plus-minus in one answer: each doubles it."""


def read(form: str) -> Reading:
    """What a canonical form says; a Text if it does not read as a whole. Costs time in proportion
    to its length: nothing is evaluated but the ends of intervals."""
    try:
        return read_list(_without_marks(tokens(form)), form)
    except (NotMathError, RecursionError):
        return Text(plain_text(form))


def _without_marks(found: list[Token]) -> list[Token]:
    """The tokens without a trailing full stop, and without braces around it all."""
    while found and found[-1].is_sign(".", ",", ";"):
        found = found[:-1]
    while len(found) > 2 and found[0].is_sign("{") and match(found, 0) == len(found) - 1:
        found = found[1:-1]
    if not found:
        raise NotMathError("nothing is left")
    if found[0].is_sign("]") or found[-1].is_sign("["):
        return _turned(found)
    return found


def _turned(found: list[Token]) -> list[Token]:
    """Intervals as ]0, 1[ with the brackets (0, 1)."""
    squares = [at for at, token in enumerate(found) if token.is_sign("[", "]")]
    turned = list(found)
    for nth, at in enumerate(squares):
        if found[at].is_sign("]") and nth % 2 == 0:
            turned[at] = Token(Kind.SIGN, "(")
        elif found[at].is_sign("[") and nth % 2 == 1:
            turned[at] = Token(Kind.SIGN, ")")
    return turned


def read_list(found: list[Token], form: str) -> Reading:
    """Things separated by semicolons, commas and words, or one of them."""
    logical = split(found, "∧", "∨")
    if len(logical) > 1:
        items = [read_relation(part) for part in _separated(logical)]
        if not all(isinstance(item, Relation | Region) for item in items):
            raise NotMathError("a logical formula")
        return _combined(found, items) or _series(items, form)
    outer = _separated(split(found, ";"))
    groups = [_separated(split(part, ",", words=MODES)) for part in outer]
    flat = all(len(group) == 1 for group in groups) or len(groups) == 1
    if flat:
        items = [each for group in groups for item in group for each in read_item(item)]
        return _combined(found, items) or _series(items, form)
    return Series(
        "", tuple(_series([e for i in g for e in read_item(i)], "") for g in groups), form
    )


def _combined(found: Sequence[Token], items: Sequence[Reading]) -> Region | None:
    """The values of one name that inequalities allow together. Without "or", they all hold, unless
    that leaves nothing: x < 1, x > 2 are the two parts of a set."""
    if len(items) < 2 or not any(isinstance(item, Region) for item in items):
        return None
    regions = [each for each in map(_values, items) if each is not None]
    if len(regions) != len(items) or len({each.variable for each in regions}) > 1:
        return None
    union = region((p for each in regions for p in each.pieces), regions[0].variable)
    words = {token.text.lower() for token in found}
    if words & {"or", "∨"}:
        if words & {"and", "∧"}:
            raise NotMathError("and beside or")
        return union
    intersection = functools.reduce(common, regions)
    return intersection if intersection.pieces else union


def _values(found: Reading) -> Region | None:
    """The values that an inequality, or x = 3, allows for a name; None if it is neither."""
    names = isinstance(found, Relation) and found.names and len(found.sides) == 2
    if names and isinstance(found, Relation) and isinstance(found.sides[0], Text):
        points = region_of(Series("{}", found.sides[1:]))
        return points and Region(points.pieces, found.sides[0].text)
    return found if isinstance(found, Region) else None


def _separated(parts: list[list[Token]]) -> list[list[Token]]:
    if not all(parts):
        raise NotMathError("nothing between two separators")
    return parts


def _series(items: Sequence[Reading], form: str) -> Reading:
    return items[0] if len(items) == 1 else Series("", tuple(items), form)


def read_item(found: Sequence[Token]) -> list[Reading]:
    """One thing; the two of a plus-minus sign."""
    at = next((i for i, token in enumerate(found) if token.is_sign("±")), None)
    if at is None:
        return [read_relation(found)]
    if sum(token.is_sign("±", "∓") for token in found) > MOST_PLUS_MINUS:
        raise NotMathError("too many signs of plus-minus")
    signs = {"+": "-", "-": "+"}
    both: list[Reading] = []
    for plus, minus in signs.items():
        swap = {"±": plus, "∓": minus}
        both.append(
            read_relation(
                [Token(Kind.SIGN, swap[t.text]) if t.is_sign("±", "∓") else t for t in found]
            )
        )
    if any(isinstance(each, Region) for each in both):
        raise NotMathError("an interval with plus-minus")
    return both


def read_relation(found: Sequence[Token]) -> Reading:
    """Sides with relation signs between them, or one side."""
    at_in = split(found, "∈")
    if len(at_in) == 2 and is_name(at_in[0]):
        within = read_relation(at_in[1])
        variable = plain_name(at_in[0])
        if isinstance(within, Region):
            return Region(within.pieces, variable)
        return Relation((Text(variable), within), ("=",), names=True)
    sides, signs = _without_approximation(*_sides(found))
    if not signs:
        return read_union(sides[0])
    if not all(sides):
        raise NotMathError("a relation without a side")
    names = is_name(sides[0])
    if names and set(signs) == {"="}:
        values = [read_union(side) for side in sides[1:]]
        if all(isinstance(each, Quantity) and not symbols(each.value) for each in values):
            # x = 5 + 6 = 11: of a calculation its end.
            values = values[-1:]
        name = Text(plain_name(sides[0]))
        return Relation((name, *values), tuple(signs[: len(values)]), names=True)
    region_found = limits(sides, signs) or (_all_but(sides) if signs == ["!="] else None)
    return region_found or Relation(tuple(read_union(side) for side in sides), tuple(signs))


def _sides(found: Sequence[Token]) -> tuple[list[list[Token]], list[str]]:
    """What stands between relation signs, and those."""
    signs: list[str] = []
    sides: list[list[Token]] = [[]]
    for token, depth in zip(found, depths(found), strict=True):
        if depth == 0 and token.is_sign(*RELATIONS):
            signs.append(token.text)
            sides.append([])
        else:
            sides[-1].append(token)
    return sides, signs


def _without_approximation(
    sides: list[list[Token]], signs: list[str]
) -> tuple[list[list[Token]], list[str]]:
    """Only what a value is, where that is said beside what it is about; `x ≈ 11` says x is 11."""
    if "≈" not in signs:
        return sides, signs
    cut = signs.index("≈")
    if cut == 0 and not sides[0]:
        return sides[1:], signs[1:]
    if cut == 0 and is_name(sides[0]):
        return sides, ["=" if sign == "≈" else sign for sign in signs]
    return sides[: cut + 1], signs[:cut]


def _all_but(sides: list[list[Token]]) -> Region | None:
    """All values of a name but one; None if it is no number."""
    hole = read_union(sides[1])
    if not is_name(sides[0]) or not isinstance(hole, Quantity) or hole.unit or symbols(hole.value):
        return None
    point = end_of(hole.value)
    holes = region([Piece(point, point, has_low=True, has_high=True)])
    return without(Region((EVERYTHING,), plain_name(sides[0])), holes)


def read_union(found: Sequence[Token]) -> Reading:
    """Sets joined by a union sign, a set without another, or one thing."""
    if len(found) > 1 and found[0].is_command("\\mathbb{R}") and found[1].is_sign("-"):
        found = [found[0], Token(Kind.SIGN, "∖"), *found[2:]]
    minus = split(found, "∖")
    if len(minus) == 2 and all(minus):
        whole, part = map(region_of, map(read_union, minus))
        if whole is None or part is None:
            raise NotMathError("a difference of sets that are no intervals")
        return without(whole, part)
    parts = split(found, "∪")
    if len(parts) == 1:
        return read_thing(found)
    if not all(parts):
        raise NotMathError("a union without a set")
    sets = [read_relation(part) for part in parts]
    regions = [region_of(each) for each in sets]
    known = [each for each in regions if each is not None]
    if len(known) == len(sets):
        return region(piece for each in known for piece in each.pieces)
    return Series("∪", tuple(sets))


def read_thing(found: Sequence[Token]) -> Reading:
    """What has no separator, relation or union sign outside of brackets."""
    if not found:
        raise NotMathError("nothing is there")
    if len(found) == 1 and found[0].is_sign("..."):
        return Dots()
    if len(found) == 1 and found[0].is_command("\\mathbb{R}"):
        return Region((EVERYTHING,))
    if len(found) == 1 and found[0].text in ("\\mathbb{Z}", "\\mathbb{N}", "\\mathbb{Q}"):
        return Text(found[0].text)
    if len(found) == 1 and found[0].is_command("\\emptyset"):
        return NOTHING
    text = "".join(token.text for token in found)
    based = _BASED.fullmatch(text)
    base = _base(based[2] or based[3]) if based else None
    if based and base and (base > 10 or based[1].isdecimal()):
        return Based(based[1], base)
    if found[0].kind is Kind.SIGN and found[0].text in OPENING:
        if match(found, 0) == len(found) - 1:
            return read_brackets(found)
        if _is_choice(found):
            return Choice(found[1].text, read_relation(found[3:]))
    parts = split(found, ":", words={"to"})
    if len(parts) > 1:
        return read_ratio(parts, text)
    words = read_words(found)
    if words is not None:
        return MEANINGS.get(words.text, words)
    return read_mixed_units(found) or read_quantity(found)


def _is_choice(found: Sequence[Token]) -> bool:
    """Whether a thing begins with the letter of a choice: (C) 12."""
    letters = ("A", "B", "C", "D", "E")
    if not (found[0].is_sign("(") and found[1].text in letters and found[2].is_sign(")")):
        return False
    return found[1].upright or found[3].kind is Kind.NUMBER


def _base(text: str) -> int | None:
    """A base in digits or in words; None if it is none."""
    if text.isdecimal():
        return int(text)
    return NUMERALS.index(text) if text in NUMERALS else None


def read_brackets(found: Sequence[Token]) -> Reading:
    """A tuple, interval, set or vector; one thing in round brackets is that thing."""
    opening, closing = OPENING[found[0].text], CLOSING[found[-1].text]
    inside = list(found[1:-1])
    plain_braces = found[0].text == "{" and found[-1].text == "}"
    if not inside:
        if opening + closing == "{}" and not plain_braces:
            return Series("{}", ())
        raise NotMathError("empty brackets")
    if opening + closing == "{}" and not plain_braces:
        condition = split(inside, "|", ":")
        if len(condition) == 2 and all(condition) and is_name(split(condition[0], "∈")[0]):
            return _fulfilling(*condition)
    parts = _separated(split(inside, ",", ";"))
    if len(parts) == 1:
        if opening + closing == "{}" and not plain_braces:
            return Series("{}", tuple(read_item(inside)))
        if opening + closing in ("()", "[]", "{}"):
            words = read_words(inside)
            if words is not None:
                return words
            if plain_braces or opening == "(":
                return read_relation(inside)
            within = read_relation(inside)
            is_matrix = isinstance(within, Quantity) and within.value.op == "matrix"
            return within if is_matrix else Series("[]", (within,))
        raise NotMathError("brackets that do not pair")
    items = tuple(each for part in parts for each in read_item(part))
    if plain_braces:
        return Series("", items, "".join(token.text for token in inside))
    pair = opening + closing
    if pair not in ("()", "[]", "(]", "[)", "{}", "⟨⟩"):
        raise NotMathError("brackets that do not pair")
    if pair in ("(]", "[)") and len(items) != 2:
        raise NotMathError("an interval of more than two ends")
    matrix = _rows(items) if pair == "[]" else None
    return matrix or Series(pair, items)


def _rows(items: tuple[Reading, ...]) -> Quantity | None:
    """The matrix [[1, 2], [3, 4]]; None if it is none."""
    rows = [item.items for item in items if isinstance(item, Series) and item.brackets == "[]"]
    entries = [entry for row in rows for entry in row if isinstance(entry, Quantity)]
    if len(rows) != len(items) or len({len(row) for row in rows}) != 1:
        return None
    if len(entries) != len(rows) * len(rows[0]) or any(entry.unit for entry in entries):
        return None
    values = tuple(entry.value for entry in entries)
    return Quantity(Node("matrix", values, name=f"{len(rows)}x{len(rows[0])}"))


def _fulfilling(element: list[Token], condition: list[Token]) -> Region:
    """The real numbers of a set {x | condition} or {x in R | condition}."""
    name, *domain = split(element, "∈")
    within = region_of(read_list(condition, ""))
    if within is None or within.variable not in ("", plain_name(name)):
        raise NotMathError("a condition that is no inequality of the element")
    if domain and not (len(domain) == 1 and read_relation(domain[0]) == Region((EVERYTHING,))):
        raise NotMathError("a set of other than real numbers")
    return within


def read_ratio(parts: list[list[Token]], text: str) -> Reading:
    """A ratio; with am or pm behind it, a time of day."""
    if not all(parts):
        raise NotMathError("a ratio without a part")
    last = parts[-1]
    half = HALVES.get("".join(t.text for t in last[1:]).lower())
    if half and len(parts) == 2 and len(parts[0]) == 1:
        return read_clock(parts[0][0], last[0], half)
    return Ratio(tuple(read_quantity(part) for part in parts), text)
