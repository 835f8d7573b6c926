r"""What an answer is: a quantity, a tuple, a list, a set, an interval, an equation, a time, a text.

The structure is read first (separators, relation signs, brackets, units), then the expressions in
it. An answer of which any part does not read is a text as a whole: no fragment is ever compared.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import mpmath

from tts_ray.grading.expression import Node, any_node, number, read_expression, symbols
from tts_ray.grading.latex import FUNCTIONS, Kind, NotMathError, Token, tokens
from tts_ray.grading.regions import Piece, Region, end_of, region, without
from tts_ray.grading.units import ATTACHED, CURRENCIES, MAGNITUDES, NO_UNIT, UNITS, unit_of
from tts_ray.grading.value import DIGITS, is_real, value_or_none


@dataclass(frozen=True)
class Text:
    """Words, or what is not read as mathematics, in one spelling."""

    text: str


@dataclass(frozen=True)
class Quantity:
    """An expression, in a unit or without one ("")."""

    value: Node
    unit: str = ""


@dataclass(frozen=True)
class Based:
    """Digits in a base other than what the answer's reader expects: 204_5."""

    digits: str
    base: int


@dataclass(frozen=True)
class Clock:
    """A time of day. `half` is "am", "pm" or ""."""

    hour: int
    minute: int
    half: str


@dataclass(frozen=True)
class Ratio:
    """a:b or a:b:c. `text` is what stands there, which may be a time of day."""

    parts: tuple["Reading", ...]
    text: str


@dataclass(frozen=True)
class Series:
    """Several things. `brackets` are those around them: "()", "[)", "⟨⟩", "{}" for a set, "" for a
    list, "∪" for a union; `text` is how it is written."""

    brackets: str
    items: tuple["Reading", ...]
    text: str = ""

    @property
    def is_ordered(self) -> bool:
        return self.brackets not in ("", "{}", "∪")


@dataclass(frozen=True)
class Relation:
    """Sides and the relation signs between them. `names` says that the first side only gives a name
    to what follows: x, f(x), AB, (x, y)."""

    sides: tuple["Reading", ...]
    signs: tuple[str, ...]
    names: bool = False


@dataclass(frozen=True)
class Dots:
    """The dots of a list that goes on."""


Reading = Text | Quantity | Based | Clock | Ratio | Series | Relation | Region | Dots

EVERYTHING = Piece(-mpmath.inf, mpmath.inf, has_low=False, has_high=False)
OPENING = {"(": "(", "[": "[", "\\{": "{", "⟨": "⟨", "{": "{"}
CLOSING = {")": ")", "]": "]", "\\}": "}", "⟩": "⟩", "}": "}"}
RELATIONS = ("=", "<", ">", "<=", ">=", "!=", "≈")
FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}
_NAMING = {",", ":", "|", "'", "(", ")", "[", "]", "{", "}", "/"}
HALVES = {"am": "am", "pm": "pm", "a.m.": "am", "p.m.": "pm", "a.m": "am", "p.m": "pm"}
MODES = {"and", "or"}

_BASED = re.compile(r"\(?([0-9][0-9A-Z]*)\)?_(?:\{\(?(\d{1,2})\)?\}|(\d{1,2}))")
_UNIT_TAIL = re.compile(
    r"(?:[^\W\d_]{2,}\.?|[a-zA-Z]\.[a-zA-Z]\.?|[%°¢][CF]?|[CFmsghLlN$€£¥₹])"
    r"(?:\^\{?-?\d\}?|[. /*%°-]|[^\W\d_])*"
)
LONGEST_UNIT = 40
"""Characters of what may be a unit; beyond, words behind a number are a sentence."""
MOST_PLUS_MINUS = 3
"""Signs of plus-minus in one answer: each doubles it."""


def read(form: str) -> Reading:
    """What a canonical form says; a Text if it does not read as a whole. Costs time in proportion
    to its length: nothing is evaluated but the ends of intervals."""
    try:
        return read_list(_without_marks(tokens(form)), form)
    except (NotMathError, RecursionError):
        return Text(plain_text(form))


def plain_text(form: str) -> str:
    """One spelling of a text: without fonts, blanks, and braces around one thing; words without
    their case."""
    try:
        words = [token.text for token in tokens(form)]
    except NotMathError:
        words = [form]
    kept: list[str] = []
    for word in words:
        if word == "}" and len(kept) > 1 and kept[-2] == "{":
            kept[-2:] = kept[-1:]
        else:
            kept.append(word)
    text = "".join(f" {word}" if word[:1].isalnum() else word for word in kept).strip()
    text = text.rstrip(" .,;:!")
    letters = [letter for letter in text if letter.isalpha()]
    return text.casefold() if len(letters) > 1 and "\\" not in text else text


def _without_marks(found: list[Token]) -> list[Token]:
    """The tokens without a trailing full stop, and without braces around it all."""
    while found and found[-1].is_sign(".", ",", ";"):
        found = found[:-1]
    while len(found) > 2 and found[0].is_sign("{") and _match(found, 0) == len(found) - 1:
        found = found[1:-1]
    if not found:
        raise NotMathError("nothing is left")
    return found


def _match(found: Sequence[Token], start: int) -> int:
    """Where the bracket that opens at `start` is closed; len(found) if nowhere."""
    depth = 0
    for at in range(start, len(found)):
        if found[at].kind is Kind.SIGN:
            depth += (found[at].text in OPENING) - (found[at].text in CLOSING)
            if depth <= 0:
                return at
    return len(found)


def split(found: Sequence[Token], *signs: str, words: bool = False) -> list[list[Token]]:
    """The stretches between signs that stand outside of all brackets and environments; with
    `words`, "and" and "or" separate too."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in found:
        if token.is_command("\\begin"):
            depth += 1
        elif token.is_command("\\end"):
            depth -= 1
        elif token.kind is Kind.SIGN:
            depth += (token.text in OPENING) - (token.text in CLOSING)
        is_word = words and token.kind is Kind.LETTERS and token.text.lower() in MODES
        if depth == 0 and (token.is_sign(*signs) or is_word):
            # "1, 2, and 3": one separator in several signs.
            if parts[-1] or not is_word:
                parts.append([])
        elif depth < 0:
            raise NotMathError("brackets that do not pair")
        else:
            parts[-1].append(token)
    if depth:
        raise NotMathError("brackets that do not pair")
    return parts


def read_list(found: list[Token], form: str) -> Reading:
    """Things separated by semicolons, commas and words, or one of them."""
    outer = _separated(split(found, ";"))
    groups = [_separated(split(part, ",", words=True)) for part in outer]
    flat = all(len(group) == 1 for group in groups) or len(groups) == 1
    if flat:
        items = [item for group in groups for item in group]
        return _series([each for item in items for each in read_item(item)], form)
    return Series("", tuple(_series([e for i in g for e in read_item(i)], "") for g in groups), form)


def _separated(parts: list[list[Token]]) -> list[list[Token]]:
    if len(parts) > 1 and not parts[-1]:
        parts = parts[:-1]
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
    return both


def read_relation(found: Sequence[Token]) -> Reading:
    """Sides with relation signs between them, or one side."""
    at_in = split(found, "∈")
    if len(at_in) == 2 and is_name(at_in[0]):
        within = read_relation(at_in[1])
        variable = "".join(token.text for token in at_in[0])
        return Region(within.pieces, variable) if isinstance(within, Region) else within
    signs = []
    sides: list[list[Token]] = [[]]
    depth = 0
    for token in found:
        if token.is_command("\\begin"):
            depth += 1
        elif token.is_command("\\end"):
            depth -= 1
        elif token.kind is Kind.SIGN:
            depth += (token.text in OPENING) - (token.text in CLOSING)
        if depth == 0 and token.is_sign(*RELATIONS):
            signs.append(token.text)
            sides.append([])
        else:
            sides[-1].append(token)
    if not signs:
        return read_union(found)
    if not all(sides):
        raise NotMathError("a relation without a side")
    names = is_name(sides[0])
    if "≈" in signs:
        # What is only about the value is left out where the value itself is there.
        cut = signs.index("≈")
        if cut or not names:
            sides, signs = sides[: cut + 1], signs[:cut]
            if not signs:
                return read_union(sides[0])
        else:
            signs = ["=" if sign == "≈" else sign for sign in signs]
    if names and set(signs) == {"="}:
        values = [read_union(side) for side in sides[1:]]
        return Relation((_name(sides[0]), values[-1]), ("=",), names=True)
    if all(sign in FLIPPED and sign not in "=!=" for sign in signs):
        limited = _limits(sides, signs)
        if limited is not None:
            return limited
    if signs == ["!="] and names:
        hole = read_union(sides[1])
        if isinstance(hole, Quantity) and not hole.unit and not any_symbol(hole.value):
            point = end_of(hole.value)
            holes = region([Piece(point, point, has_low=True, has_high=True)])
            return without(Region((EVERYTHING,), _plain(sides[0])), holes)
    return Relation(tuple(read_union(side) for side in sides), tuple(signs))


def any_symbol(node: Node) -> bool:
    return any_node(node, lambda each: each.op == "symbol")


def is_name(found: Sequence[Token]) -> bool:
    """Whether tokens only name something: letters, a function of anything, brackets of letters. A
    number may stand in a subscript."""
    letters = at = 0
    while at < len(found):
        token = found[at]
        if token.is_sign("_"):
            at += 1
            is_group = at < len(found) and found[at].is_sign("{")
            at = _match(found, at) if is_group else at
        elif token.is_sign("(") and at and found[at - 1].kind is Kind.LETTERS:
            at = _match(found, at)
        elif token.kind is Kind.NUMBER or (token.kind is Kind.SIGN and token.text not in _NAMING):
            return False
        else:
            letters += token.kind is not Kind.SIGN
        at += 1
    return letters > 0


def _plain(found: Sequence[Token]) -> str:
    return "".join(token.text for token in found if not token.is_sign("{", "}", "|"))


def _name(found: Sequence[Token]) -> Text:
    return Text(_plain(found))


def _limits(sides: list[list[Token]], signs: list[str]) -> Region | None:
    """The values of a name between limits: x > 2, 2 <= x < 5, |x| < 3, 1 - x > 0. None if it is
    another inequality."""
    at = [i for i, side in enumerate(sides) if is_name(side)]
    if len(sides) == 2 and not at:
        return _half_line([read_expression(side) for side in sides], signs[0])
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
    return region(pieces, _plain(name))


def _half_line(sides: list[Node], sign: str) -> Region | None:
    """The solutions of an inequality that is linear in its one symbol; None if it is not."""
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
        if abs(at_2 - at_1 - slope) > abs(slope) * mpmath.mpf(10) ** -30:
            return None
        end = -at_0 / slope
    above = (slope > 0) == sign.startswith(">")
    has = sign.endswith("=")
    piece = Piece(end, mpmath.inf, has, has_high=False)
    return region([piece if above else Piece(-mpmath.inf, end, has_low=False, has_high=has)], name)


def read_union(found: Sequence[Token]) -> Reading:
    """Sets joined by a union sign, a set without another, or one thing."""
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


def region_of(found: Reading) -> Region | None:
    """The set of reals that a reading is: an interval, a set of numbers, a region; None if none."""
    if isinstance(found, Region):
        return found
    if not isinstance(found, Series):
        return None
    if found.brackets == "" and all(isinstance(item, Region) for item in found.items):
        regions = [item for item in found.items if isinstance(item, Region)]
        variables = {item.variable for item in regions}
        if len(variables) != 1:
            return None
        return region((p for item in regions for p in item.pieces), variables.pop())
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


def read_thing(found: Sequence[Token]) -> Reading:
    """What has no separator, relation or union sign outside of brackets."""
    if not found:
        raise NotMathError("nothing is there")
    if len(found) == 1 and found[0].is_sign("..."):
        return Dots()
    if len(found) == 1 and found[0].is_command("\\mathbb{R}"):
        return Region((EVERYTHING,))
    if len(found) == 1 and found[0].is_command("\\emptyset"):
        return Series("{}", ())
    text = "".join(token.text for token in found)
    if based := _BASED.fullmatch(text):
        return Based(based[1], int(based[2] or based[3]))
    if found[0].kind is Kind.SIGN and found[0].text in OPENING:
        end = _match(found, 0)
        if end == len(found) - 1:
            return read_brackets(found)
        # f: a sign before a bracket with a unit behind it is a quantity, read below.
    parts = split(found, ":")
    if len(parts) > 1:
        return read_ratio(parts, text)
    return read_words(found) or read_quantity(found)


def read_brackets(found: Sequence[Token]) -> Reading:
    """A tuple, interval, set or vector; one thing in round brackets is that thing."""
    opening, closing = OPENING[found[0].text], CLOSING[found[-1].text]
    inside = list(found[1:-1])
    plain_braces = found[0].text == "{" and found[-1].text == "}"
    if not inside:
        if opening + closing == "{}":
            return Series("{}", ())
        raise NotMathError("empty brackets")
    if opening + closing == "{}" and not plain_braces:
        condition = split(inside, "|", ":")
        if len(condition) == 2 and all(condition) and is_name(split(condition[0], "∈")[0]):
            within = read_list(condition[1], "")
            if region_of(within) is None:
                raise NotMathError("a condition that is no inequality")
            return within
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
    return Series(pair, items)


def read_ratio(parts: list[list[Token]], text: str) -> Reading:
    """A ratio; with am or pm behind it, a time of day."""
    if not all(parts):
        raise NotMathError("a ratio without a part")
    last = parts[-1]
    half = HALVES.get("".join(t.text for t in last[1:]).lower())
    if half and len(parts) == 2 and len(parts[0]) == 1:
        return _clock(parts[0][0], last[0], half)
    return Ratio(tuple(read_quantity(part) for part in parts), text)


def _clock(hour: Token, minute: Token | None, half: str) -> Clock:
    for token in (hour, *((minute,) if minute else ())):
        if not token.text.isdigit():
            raise NotMathError("a time that is none")
    return Clock(int(hour.text), int(minute.text) if minute else 0, half)


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
    if not words or (len(words) == 1 and len(words[0].text) == 1):
        return None
    if len(words) == 1:
        (word,) = words
        is_word = word.upright or len(word.text) > 3 or word.text.isupper()
        if not is_word or (word.text in NO_UNIT and not word.upright):
            return None
    return Text(plain_text("".join((" " if t.space else "") + t.text for t in found)))


def read_quantity(found: Sequence[Token]) -> Reading:
    """An expression with a currency sign before it, or a unit behind it."""
    unit = ""
    if found[0].is_sign(*CURRENCIES):
        unit, found = found[0].text, found[1:]
    elif len(found) > 1 and found[0].is_sign("-") and found[1].is_sign(*CURRENCIES):
        unit, found = found[1].text, [found[0], *found[2:]]
    head, tail = _unit_tail(found)
    if tail and head:
        words = tail.lower().split()
        half = HALVES.get(tail.lower().strip())
        if half and len(head) == 1:
            return _clock(head[0], None, half)
        if words[0] in MAGNITUDES:
            scale = number(Fraction(10) ** MAGNITUDES[words[0]])
            value = Node("*", (read_expression(head), scale))
            return Quantity(value, unit or unit_of(" ".join(words[1:])))
        if unit and unit_of(tail) != unit:
            raise NotMathError("two units")
        return Quantity(read_expression(head), unit_of(tail))
    return Quantity(read_expression(found), unit)


def _unit_tail(found: Sequence[Token]) -> tuple[Sequence[Token], str]:
    """The tokens before a unit, and the unit; "" if there is none."""
    depth = 0
    for at, token in enumerate(found):
        if token.is_command("\\begin"):
            depth += 1
        elif token.is_command("\\end"):
            depth -= 1
        elif token.kind is Kind.SIGN:
            depth += (token.text in OPENING) - (token.text in CLOSING)
        if depth or not at or not _may_begin_unit(token, found[at - 1]):
            continue
        if token.is_sign("°") and any(is_function(each) for each in found[:at]):
            # The angle's, and not the value's.
            continue
        tail = "".join((" " if each.space else "") + each.text for each in found[at:]).strip()
        plain = [each.text for each in found[at:] if each.kind is Kind.LETTERS and not each.upright]
        if len(tail) > LONGEST_UNIT:
            break
        if _UNIT_TAIL.fullmatch(tail) and not any(word in NO_UNIT for word in plain):
            return found[:at], tail
    return found, ""


def is_function(token: Token) -> bool:
    return token.text.removeprefix("\\") in FUNCTIONS


def _may_begin_unit(token: Token, before: Token) -> bool:
    if token.is_sign("%", "°", "¢", *CURRENCIES):
        return True
    if token.kind is not Kind.LETTERS or before.is_sign("_", "^", "-", "+", "*", "/", "("):
        return False
    if token.upright:
        return True
    if token.space and before.kind is not Kind.LETTERS:
        known = token.text.lower() in UNITS and len(token.text) > 1
        return known or (len(token.text) > 2 and token.text not in NO_UNIT)
    return token.text in ATTACHED


def neighbours(items: Sequence[Reading]) -> bool:
    """Whether all items of a series are of one kind."""
    return all(type(a) is type(b) for a, b in pairwise(items))
