r"""Reading the answer out of a solution, and writing it in a form that can be compared.

Invariant: an answer is a non-empty string or None. An empty box, an unclosed box and a thought
that never ended (`<think>` without `</think>`) are no answer, so they can never win a vote.
"""

import re
from fractions import Fraction

_THINK = re.compile(r"<(/?)think>")
_BOX = re.compile(r"\\(?:boxed|fbox|framebox)(?![A-Za-z])[ \t]*")
_CLOSING = re.compile(
    r"(?:final\s+answer|the\s+answer)\W{0,3}(?:\s+is\b(?!\s+not\b)\s*:?|\s*[:=])|\banswer\s*:",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"\.?\s{0,9}I hope it is correct|[.!][$*]*(?=\s|$)|\n", re.IGNORECASE)
_DISPLAY = re.compile(r"\\\[.+?\\\]|\$\$.+?\$\$", re.DOTALL)
_MATH_END = re.compile(r"(?<!\\)\$|\n|\\[)\]]")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_DELIMITER = re.compile(r"(?<!\\)\$|(?<!\\)\\[()\[\]]")
_WRAPPED = (("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]"), ("**", "**"))

_THIN_SPACE = re.compile(r"(?<!\\)\\[,;:> ]|~")
_DIGIT_GROUP = re.compile(r"(?<=\d)(?:\\,|\\ |\{,\}|,\s*\\!)\s*(?=\d{3}(?!\d))")
_SIZED = re.compile(r"\\(?:left|right|displaystyle)(?![A-Za-z])")
_FRACTION = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_AROUND_OPERATOR = re.compile(r"\s*([-+*/=<>,;:^_(){}\[\]|])\s*")
_FONT_NUMBER = re.compile(
    r"\\(?:text|mbox|math)(?:bf|rm|it|sf|tt|normal)?\{\s*\(?\s*([-+]?[\d.,]+)\s*\)?\s*\.?\s*\}"
)
_MONEY_OR_DEGREES = re.compile(
    r"\A\\\$\s*(?=[\d.])|(?<=\d)(?:\s*(?:\\text\{)?dollars?\}?|\^\{?\\circ\}?|°)\Z"
)
_PLAIN_NUMBER = re.compile(r"[-+]?(?=\.?\d)(?:\d{1,3}(?:,\d{3})+|\d{0,1000})(?:\.\d{0,1000})?")


def extract_answer(text: str) -> str | None:
    r"""The final answer of a solution, or None if it states none.

    After the last `</think>` if there is one: the last `\boxed{...}`; else what follows the last
    closing sentence ("The final answer is: ...", "The answer is ...", "Answer: ..."). Math
    delimiters around it and a trailing period are dropped.
    """
    text = _after_thinking(text)
    boxed = _last_box(text)
    return boxed if boxed is not None else _closing_answer(text)


def canonical_form(answer: str) -> str:
    """The answer with typography removed: two answers of one form are the same answer.

    Only spacing, sizes, digit grouping, and what surrounds a number (its font, a dollar or degree
    sign) go; nothing is evaluated.
    """
    form = _DIGIT_GROUP.sub("", _unwrap(answer))
    form = form.replace(r"\!", "").replace("\N{MINUS SIGN}", "-")
    form = _FRACTION.sub(r"\\frac", _SIZED.sub("", _THIN_SPACE.sub(" ", form)))
    form = _AROUND_OPERATOR.sub(r"\1", " ".join(form.split()))
    number = _FONT_NUMBER.fullmatch(form)
    return _unwrap(number[1]) if number else _MONEY_OR_DEGREES.sub("", form)


def plain_number(form: str) -> Fraction | None:
    """The value of a canonical form that is a numeral ("025", "27.0", "58,500"), else None."""
    if not _PLAIN_NUMBER.fullmatch(form):
        return None
    return Fraction(form.replace(",", "").removesuffix("."))


def _after_thinking(text: str) -> str:
    tags = list(_THINK.finditer(text))
    if not tags:
        return text
    return text[tags[-1].end() :] if tags[-1][1] else ""


def _last_box(text: str) -> str | None:
    closing = _brace_pairs(text)
    for box in reversed(list(_BOX.finditer(text))):
        start = box.end()
        if start not in closing and text.startswith("{", start):
            continue
        if end := closing.get(start):
            content = text[start + 1 : end]
        else:
            math_end = _MATH_END.search(text, start)
            content = text[start : math_end.start() if math_end else None]
        # \boxed{} alone is an instruction, not an answer.
        if content := _unwrap(content):
            return content
    return None


def _brace_pairs(text: str) -> dict[int, int]:
    """Where each opening brace is closed; escaped and unbalanced braces do not count."""
    pairs, opened = {}, []
    for token in _BRACE.finditer(text):
        if token[0] == "{":
            opened.append(token.start())
        elif token[0] == "}" and opened:
            pairs[opened.pop()] = token.start()
    return pairs


def _closing_answer(text: str) -> str | None:
    for sentence in reversed(list(_CLOSING.finditer(text))):
        rest = text[sentence.end() :].lstrip("*: \t\n")
        display = _DISPLAY.match(rest)
        answer = display[0] if display else _SENTENCE_END.split(rest, maxsplit=1)[0]
        if answer := _unwrap(_DELIMITER.sub("", answer).strip("* \t")):
            return answer
    return None


def _unwrap(answer: str) -> str:
    """Strip blanks, trailing periods, and math delimiters or bold marks that enclose it all."""
    before = None
    while answer != before:
        before = answer
        answer = answer.strip().rstrip(".\t\n\r ")
        if answer.endswith(r"\right"):
            answer += "."
        for opening, closing in _WRAPPED:
            inner = answer[len(opening) : -len(closing)]
            enclosed = answer.startswith(opening) and answer.endswith(closing)
            if enclosed and len(answer) >= len(opening + closing) and opening not in inner:
                answer = inner
    return answer
