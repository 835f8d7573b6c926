r"""Reading the answer out of a solution, and writing it in a form that can be compared.

Invariant: an answer is a non-empty string or None. An empty box, an unclosed box and a thought
that never ended (`<think>` without `</think>`) are no answer, so they can never win a vote.
"""

import html
import re
from collections.abc import Iterator
from fractions import Fraction

_THINK = re.compile(r"<(/?)think>")
_BOX = re.compile(r"\\(?:boxed|fbox|framebox)(?![A-Za-z])[ \t]*")
_CLOSING = re.compile(
    r"(?:final\s+answer|the\s+(?:correct\s+)?(?:answer|option|choice))(?:\s+to\s+th(?:e|is)\s+\w+)?\W{0,3}"
    r"(?:\s+(?:is|would\s+be|should\s+be)\b(?!\s+not\b)"
    r"(?:\s+(?:therefore|thus|hence|then|simply|indeed)\b)?\s*:?|\s*[:=])|\banswer\s*:"
    r"|\banswer\s{0,9}(?=\$|\\\[|\\\()"
    r"|答案(?:是|为)?\s{0,3}[:：]"
    # The last line of GSM8K's solutions.
    r"|^####[ \t]{0,3}(?=[-+$\d.,/%]{1,40}\s{0,9}\Z)"
    # A heading: a line of its own.
    r"|^[#*_\s]{0,9}(?:the\s+)?(?:final\s+)?answer[*_:\s]{0,9}$",
    re.IGNORECASE | re.MULTILINE,
)
_STATES = re.compile(r"\s(?:is|are|equals?|equal\s+to|will\s+be|would\s+be|must\s+be)(?:\s*:)?\s+")
_PROSE = re.compile(r"[A-Za-z]{2,}")
_MATH = re.compile(r"\$[^$]{1,200}\$|\\\([^$]{1,200}?\\\)")
_NUMERAL = re.compile(r"(?<![\w.,])-?\d{1,30}(?:[.,]\d{1,30}){0,9}(?![\w])")
_JOINT = re.compile(
    # A unit of one or two words, a separator, and the name of what follows.
    r"(?:(?!is\b|was\b|not\b|so\b|but\b)[a-z]+\s+){0,2}(?:\([a-z]\)\s+)?"
    r"(?:[,;&]|,?\s*(?:and|or)\b)(?:\s*(?:and|or)\b)?\s*(?:[A-Za-z][\w{}]{0,9}\s*=)?",
)
_CLOSINGS, _CLOSING_LENGTH = 20, 4000
"""Closing sentences that are looked at, from the end, and characters of each."""
_BETWEEN_BOXES = 80
"""Characters between two boxes of one answer at most."""
_NOT_BETWEEN = re.compile(
    r"\\(?:text|mathrm|textbf)(?![A-Za-z])|\\q?quad|\\[,;: \[\]()!]|[${}*~]|\s+"
)
_SENTENCE_END = re.compile(
    r"\.?\s{0,9}I hope it is correct|[.!][$*]*(?=\s|$)|\n"
    r"|,\s{1,9}(?=(?:as|since|because|which|where|so|when|for)\b)",
    re.IGNORECASE,
)
_WORD_BOXED = re.compile(r"[A-Za-z]{2}|[^\w\\(\[{$+-]")
_DISPLAY = re.compile(r"\\\[.+?\\\]|\$\$.+?\$\$", re.DOTALL)
_MATH_END = re.compile(r"(?<!\\)\$|\n|\\[)\]]")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_DELIMITER = re.compile(r"(?<!\\)\$|(?<!\\)\\[()\[\]]")
_WRAPPED = (
    *(("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")),
    *(("**", "**"), ("__", "__"), ("*", "*"), ("`", "`"), ('"', '"')),
)

_THIN_SPACE = re.compile(r"(?<!\\)\\[,;:> ]|~")
_DIGIT_GROUP = re.compile(r"(?<=\d)(?:\\,|\\ |\s?\{\s*,\s*\}|,\s*\\!)\s*(?=\d{3}(?!\d))")
_ESCAPED_TWICE = re.compile(r"\\\\(?=[A-Za-z])")
_SIZED = re.compile(r"\\(?:left|right|displaystyle)(?![A-Za-z])|\\(?:text)?color\s*\{[^{}]*\}")
_ENTITY = re.compile(r"&(?:lt|gt|le|ge|ne|amp|nbsp|times|minus|deg|pi|infin|radic|#\d{1,6});")
_WIDE = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)} | {0x3001: ",", 0x305: None}
"""Full-width characters and the East Asian comma as ASCII, and no line above a character."""
_FRACTION = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_AROUND_OPERATOR = re.compile(r"\s*([-+*/=<>;:^_(){}\[\]|]|,(?!\s*\d)|(?<!\d),)\s*")
_BETWEEN_NUMBERS = re.compile(r"(?<=\d)\s*,(\s?)\s*(?=\d)")
_GROUP_OR_NOT = re.compile(r"\d\s*,\s*\d{3}(?!\d)")
_PLAIN_NUMBER = re.compile(r"[-+]?(?=\.?\d)(?:[1-9]\d{0,2}(?:,\d{3})+|\d{0,1000})(?:\.\d{0,1000})?")


def extract_answer(text: str) -> str | None:
    r"""The final answer of a solution, or None if it states none.

    After the last `</think>` if there is one: the last `\boxed{...}`; else what follows the last
    closing sentence ("The final answer is: ...", "The answer is ...", "Answer: ...") or heading
    ("## Final Answer"). Boxes that only a separator or "and" and "or" stand between, with a unit
    or a name, are one answer: "$\boxed{3}$ and $\boxed{-4}$" is "3, -4". Of a sentence it is what
    "is" or "are" states. Math delimiters around it and a trailing period are dropped.
    """
    text = _after_thinking(text)
    boxed = _last_boxes(text)
    return boxed if boxed is not None else _closing_answer(text)


def canonical_form(answer: str) -> str:
    """The answer with typography removed: two answers of one form are the same answer.

    Only spacing, sizes and digit grouping go; nothing is evaluated. The spaces behind commas stay
    where they matter: `1,100` is a number, and `1, 100` are two.
    """
    form = _ENTITY.sub(lambda found: html.unescape(found[0]), answer.translate(_WIDE))
    form = _unwrap(form)
    if "\\begin" not in form:
        # \\\\frac, as a text that was escaped for JSON has it.
        form = _ESCAPED_TWICE.sub(r"\\", form)
    form = _DIGIT_GROUP.sub("", form)
    form = form.replace(r"\!", "").replace("\N{MINUS SIGN}", "-")
    form = _FRACTION.sub(r"\\frac", _SIZED.sub("", _THIN_SPACE.sub(" ", form)))
    form = _AROUND_OPERATOR.sub(r"\1", " ".join(form.split()))
    kept = r",\1" if _GROUP_OR_NOT.search(form) else ","
    return _unwrap(_BETWEEN_NUMBERS.sub(kept, form))


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


def _last_boxes(text: str) -> str | None:
    """What the last box holds, and the boxes that belong to it."""
    found: list[str] = []
    first = len(text)
    for start, end, content in _boxes_from_the_end(text):
        if end > first:
            # It holds the one that was read.
            continue
        if found and not _belong_together(text[end:first]):
            break
        if content not in found:
            found.append(content)
        first = start
    return ", ".join(reversed(found)) if found else None


def _boxes_from_the_end(text: str) -> Iterator[tuple[int, int, str]]:
    """The boxes that are closed and filled, the last one first: where each begins and ends."""
    closing = _brace_pairs(text)
    for box in reversed(list(_BOX.finditer(text))):
        start = box.end()
        if text.startswith("{", start):
            if start not in closing:
                continue
            end = closing[start] + 1
            content = text[start + 1 : end - 1]
        else:
            math_end = _MATH_END.search(text, start)
            end = math_end.start() if math_end else len(text)
            content = text[start:end]
            if _WORD_BOXED.match(content):
                # The word \\boxed in a sentence.
                continue
        # \\boxed{} alone is an instruction, not an answer.
        if content := _unwrap(content):
            yield box.start(), end, content


def _belong_together(between: str) -> bool:
    """Whether the boxes before and behind a text are one answer."""
    if len(between) > _BETWEEN_BOXES:
        return False
    plain = " ".join(_NOT_BETWEEN.sub(" ", between).split())
    return (not plain and "\n" not in between) or _JOINT.fullmatch(plain) is not None


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
    for sentence in reversed(list(_CLOSING.finditer(text))[-_CLOSINGS:]):
        rest = text[sentence.end() : sentence.end() + _CLOSING_LENGTH].lstrip("*_: \t\n")
        display = _DISPLAY.match(rest)
        stated = _stated(display[0] if display else _SENTENCE_END.split(rest, maxsplit=1)[0])
        if answer := _unwrap(_DELIMITER.sub("", stated).strip("* \t")):
            return answer
    return None


def _stated(sentence: str) -> str:
    """What a sentence says that something is, or the one formula or number in it; all of a text
    that is no such sentence."""
    if len(_PROSE.findall(_MATH.sub("", sentence))) < 3:
        return sentence
    stated = _STATES.split(sentence)[-1]
    if len(_PROSE.findall(_MATH.sub("", stated))) > 1:
        for pattern in (_MATH, _NUMERAL):
            found = pattern.findall(stated)
            if len(found) == 1:
                return str(found[0])
    return stated


def _unwrap(answer: str) -> str:
    """Strip blanks, trailing periods, and math delimiters, bold marks or a box that enclose it."""
    before = None
    while answer != before:
        before = answer
        answer = answer.strip().rstrip(".\t\n\r ").removesuffix("\\\\")
        if answer.endswith(r"\right"):
            answer += "."
        for opening, closing in _WRAPPED:
            inner = answer[len(opening) : -len(closing)]
            enclosed = answer.startswith(opening) and answer.endswith(closing)
            if enclosed and len(answer) >= len(opening + closing) and opening not in inner:
                answer = inner
        box = _BOX.match(answer)
        if box and _brace_pairs(answer).get(box.end()) == len(answer) - 1:
            answer = answer[box.end() + 1 : -1]
    return answer
