r"""The tokens of an answer: LaTeX, plain text and Unicode signs in one alphabet.

    \dfrac{1}{2}  ->  \frac { 1 } { 2 }          2√3, 2\sqrt3  ->  2 √ 3, 2 \sqrt 3
    5\text{ cm}   ->  5 cm (upright)             x \leq 3      ->  x <= 3

Numbers are read whole, with their digit groups, exponent and repeating digits. Where a comma
groups digits and where it separates is decided here, once: `1,100` is a number, `1, 100` a list,
and inside of brackets a comma separates unless others there are followed by a space.
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction


class NotMathError(Exception):
    """A text that is not read as mathematics; it is compared as a text."""


class Kind(StrEnum):
    """What a token is."""

    NUMBER = "number"
    LETTERS = "letters"
    """A run of letters: a word, a function's name, or a product."""
    COMMAND = "command"
    SIGN = "sign"


@dataclass(frozen=True, slots=True)
class Token:
    """One token. `text` is its one spelling, `space` whether a blank stands before it, `upright`
    whether its letters are words (of `\\text{}` and the like), `value` that of a number, and
    `decimals` its decimal places if it was written with a point, so that it may be rounded."""

    kind: Kind
    text: str
    space: bool = False
    upright: bool = False
    value: Fraction | None = None
    decimals: int | None = None

    def is_sign(self, *texts: str) -> bool:
        return self.kind is Kind.SIGN and self.text in texts

    def is_command(self, *texts: str) -> bool:
        return self.kind is Kind.COMMAND and self.text in texts


MOST_DIGITS = 4000
"""Digits of the longest number, those of its exponent included: `1e999999999` has no place in
memory."""

SIGNS = {
    **dict.fromkeys(("\\le", "\\leq", "\\leqslant", "≤", "=<"), "<="),
    **dict.fromkeys(("\\ge", "\\geq", "\\geqslant", "≥"), ">="),
    **dict.fromkeys(("\\ne", "\\neq", "≠", "/="), "!="),
    "\\lt": "<",
    "\\gt": ">",
    **dict.fromkeys(("\\times", "\\cdot", "\\ast", "×", "·", "⋅", "∗", "∙"), "*"),
    **dict.fromkeys(("\\div", "÷", "⁄", "\\slash"), "/"),
    **dict.fromkeys(("−", "‐", "‑"), "-"),
    **dict.fromkeys(("\\pm", "±", "+-", "+/-"), "±"),
    **dict.fromkeys(("\\mp", "∓"), "∓"),
    **dict.fromkeys(("\\approx", "≈", "\\simeq"), "≈"),
    **dict.fromkeys(("\\cup", "\\bigcup", "∪"), "∪"),
    **dict.fromkeys(("\\setminus", "\\backslash", "∖"), "∖"),
    **dict.fromkeys(("\\in", "∈"), "∈"),
    **dict.fromkeys(("\\{", "\\lbrace"), "\\{"),
    **dict.fromkeys(("\\}", "\\rbrace"), "\\}"),
    **dict.fromkeys(("\\langle", "⟨", "〈"), "⟨"),
    **dict.fromkeys(("\\rangle", "⟩", "〉"), "⟩"),
    **dict.fromkeys(("\\lbrack",), "["),
    **dict.fromkeys(("\\rbrack",), "]"),
    **dict.fromkeys(("\\lvert", "\\rvert", "\\vert", "\\mid", "∣"), "|"),
    **dict.fromkeys(("\\colon", "∶"), ":"),
    **dict.fromkeys(("\\dots", "\\ldots", "\\cdots", "\\dotsc", "…", "⋯", "..."), "..."),
    **dict.fromkeys(("\\degree", "°", "º", "˚"), "°"),
    **dict.fromkeys(("\\%", "%", "٪"), "%"),
    **dict.fromkeys(("\\$", "$"), "$"),
    **dict.fromkeys(("€", "\\euro"), "€"),
    **dict.fromkeys(("£", "\\pounds"), "£"),
    **dict.fromkeys(("¥", "\\yen"), "¥"),
    **dict.fromkeys(("₹", "\\rupee"), "₹"),
    **dict.fromkeys(("**",), "^"),
    **dict.fromkeys(("\\land", "\\wedge"), "∧"),
    **dict.fromkeys(("\\lor", "\\vee"), "∨"),
    **dict.fromkeys(("\\prime", "′", "’"), "'"),
}
COMMANDS = {
    **dict.fromkeys(("\\dfrac", "\\tfrac", "\\cfrac"), "\\frac"),
    **dict.fromkeys(("\\dbinom", "\\tbinom"), "\\binom"),
    **dict.fromkeys(("\\varnothing", "∅"), "\\emptyset"),
    **dict.fromkeys(("∞",), "\\infty"),
    **dict.fromkeys(("ℝ", "\\R", "\\reals"), "\\mathbb{R}"),
    "ℤ": "\\mathbb{Z}",
    "ℕ": "\\mathbb{N}",
    "ℚ": "\\mathbb{Q}",
    "ℂ": "\\mathbb{C}",
    "√": "√",
    "∛": "∛",
    "⌊": "\\lfloor",
    "⌋": "\\rfloor",
    "⌈": "\\lceil",
    "⌉": "\\rceil",
    "\\arctg": "\\arctan",
    "\\tg": "\\tan",
    "\\ctg": "\\cot",
    "\\cosec": "\\csc",
    "\\varphi": "\\phi",
    "\\varepsilon": "\\epsilon",
    "\\vartheta": "\\theta",
    "\\overrightarrow": "\\vec",
    "\\lg": "\\log",
}
GREEK = dict(
    zip(
        "αβγδεζηθικλμνξπρσςτυφχψωΓΔΘΛΞΠΣΦΨΩ",
        (
            *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota"),
            *("kappa", "lambda", "mu", "nu", "xi", "pi", "rho", "sigma", "sigma", "tau"),
            *("upsilon", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda"),
            *("Xi", "Pi", "Sigma", "Phi", "Psi", "Omega"),
        ),
        strict=True,
    )
)
COMMANDS |= {letter: f"\\{name}" for letter, name in GREEK.items()}
BLANKS = {"\\quad", "\\qquad", "\\,", "\\;", "\\:", "\\>", "\\ ", "\\!", "~", "\\nobreak"}
NOTHING = {
    *("\\left", "\\right", "\\big", "\\Big", "\\bigg", "\\Bigg", "\\bigl", "\\bigr", "\\Bigl"),
    *("\\Bigr", "\\biggl", "\\biggr", "\\displaystyle", "\\textstyle", "\\limits", "\\mathstrut"),
    *("\\nolimits", "\\middle", "\\strut", "\\bf", "\\rm", "\\it", "\\boldmath"),
}
WORDS = {
    *("\\text", "\\textbf", "\\textit", "\\textrm", "\\texttt", "\\textsf", "\\textnormal"),
    *("\\mbox", "\\hbox", "\\textsc", "\\textup", "\\emph"),
}
FONTS = {
    *("\\mathrm", "\\mathbf", "\\mathit", "\\mathsf", "\\mathtt", "\\operatorname", "\\bm"),
    *("\\boldsymbol", "\\pmb", "\\mathnormal", "\\underline"),
}
FUNCTIONS = {
    *("sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "arccot"),
    *("arcsec", "arccsc", "sinh", "cosh", "tanh", "coth", "arsinh", "arcosh", "artanh"),
    *("arcsinh", "arccosh", "arctanh", "log", "ln", "exp", "cis", "max", "min", "gcd", "lcm"),
}
"""Functions by name, with or without a backslash."""
NAMES = FUNCTIONS | {"sqrt", "cbrt", "abs", "pi", "infinity", "infty", "inf", "oo", "floor", "ceil"}
"""Words of plain text that mean what a command or a sign does."""

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ", "0123456789+-()n")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₙ", "0123456789+-()n")
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ]+")
_LOWERED = re.compile("[₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₙ]+")
_VULGAR = {
    letter: f" {over}/{under}"
    for letter, over, under in zip(
        "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞", "112131234151357", "233445555668888", strict=True
    )
}
_DIGITS = re.compile(r"\d+")
_DASH = re.compile(r"(^|[^\w\s)\]}])\s*–")
_DEGREE = re.compile(
    r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))|(?<=\d)\^(?:o(?![A-Za-z])|\{\s*o\s*\})"
)
_PRIME = re.compile(r"\^\s*(?:\{\s*\\prime\s*\}|\\prime(?![A-Za-z]))")
_NOT_EQUAL = re.compile(r"\\not\s*=")
_ROW_GAP = re.compile(r"(?<=\\\\)\s*\[-?[\d.]+\s*[a-z]{2}\]")
_TIMES_TEN = re.compile(r"(?<=\d)\s*(?:[xX]|\\text\{\s*[xX]\s*\})\s*(?=10\s*\^)")
_TOKEN = re.compile(
    r"(?P<blank>\s+)"
    r"|(?P<repeating>\d*\.\d*?\\dot\s*(?:\d|\{\d\})\d*\\dot\s*(?:\d|\{\d\})"
    r"|\d*\.\d*?\\(?:overline|bar|dot)\s*\{\d+\}|\d+\.\d*\(\d+\)"
    r"|\d*\.\d*?(?P<period>\d{1,6}?)(?P=period){2,}\s*(?:\.\.\.|…|\\[lc]?dots(?![A-Za-z])))"
    r"|(?P<number>(?:(?P<grouped>(?<![\d,.])[1-9]\d{0,2}(?:,\d{3})+(?!,?\d))"
    r"|[1-9]\d{0,2}(?: \d{3})+(?! ?[\d/])|\d+)(?:\.\d+|\.(?=\s*(?:$|[,;)\]}&]|\\\\)))?|\.\d+)"
    r"(?P<exponent>[eE][+-]?\d+(?![A-Za-z\d.]))?"
    r"|(?P<command>\\(?:[A-Za-z]+|.))"
    r"|(?P<letters>[^\W\d_ℝℤℕℚℂα-ωΓΔΘΛΞΠΣΦΨΩªºⁿ]+)"
    r"|(?P<sign>\.\.\.|<=|>=|=<|!=|/=|\*\*|\+/-|\+-|.)",
    re.DOTALL,
)
_OPENING = {"(", "[", "\\{", "\\langle", "⟨"}
_CLOSING = {")", "]", "\\}", "\\rangle", "⟩"}


def tokens(form: str) -> list[Token]:
    """The tokens of a canonical form.

    Raises:
        NotMathError: braces that do not pair, or a number too long to compute with.
    """
    for letter, fraction in _VULGAR.items():
        form = form.replace(letter, fraction)
    form = _RAISED.sub(lambda found: f"^{{{found[0].translate(_SUPERSCRIPTS)}}}", form)
    # A dash before a number is its sign; between two it is a range.
    form = _DASH.sub(r"\1-", form)
    form = _LOWERED.sub(lambda found: f"_{{{found[0].translate(_SUBSCRIPTS)}}}", form)
    form = _PRIME.sub("'", _DEGREE.sub("°", _NOT_EQUAL.sub("≠", form)))
    return _lex(_TIMES_TEN.sub("×", _ROW_GAP.sub("", form)), upright=False)


def _lex(form: str, *, upright: bool) -> list[Token]:
    found: list[Token] = []
    spaced_commas = re.search(r",(?:\s|\\[ ,;:]|\\q?quad)", form) is not None
    at, depth, space = 0, 0, upright
    while at < len(form):
        match = _TOKEN.match(form, at)
        assert match is not None
        kind, text = match.lastgroup, match[0]
        if match["grouped"] and depth and not spaced_commas and ",0" not in text:
            # A comma of a tuple: its first element is the digits before it.
            match = _DIGITS.match(form, at)
            assert match is not None
            text = match[0]
            found.append(_number(text, space=space))
        elif match["number"]:
            found.append(_number(text, space=space))
        elif match["repeating"]:
            found.append(_repeating(text, space=space))
        elif match["blank"] or text in BLANKS:
            space, at = True, match.end()
            continue
        elif text in NOTHING:
            at = match.end()
            # The invisible bracket of "\left.".
            if text in ("\\left", "\\right") and form.startswith(".", at):
                at += 1
            continue
        elif text in WORDS or text in FONTS or text == "\\mathbb":
            content, end = _argument(form, match.end())
            if text == "\\mathbb":
                found.append(Token(Kind.COMMAND, f"\\mathbb{{{content.strip()}}}", space))
            else:
                found += _worded(content, is_text=text in WORDS, space=space)
            space, at = text in WORDS, end
            continue
        elif match["letters"]:
            found.append(Token(Kind.LETTERS, text, space, upright))
        else:
            depth += (text in _OPENING) - (text in _CLOSING)
            if text in SIGNS:
                found.append(Token(Kind.SIGN, SIGNS[text], space))
            elif text in COMMANDS or kind == "command":
                text = COMMANDS.get(text, text)
                found.append(Token(Kind.COMMAND, text, space))
            else:
                found.append(Token(Kind.SIGN, text, space))
        space, at = False, match.end()
    return found


def _worded(content: str, *, is_text: bool, space: bool) -> list[Token]:
    """The tokens inside of \\text{}, \\mathrm{} and the like."""
    name = content.strip()
    if name in FUNCTIONS and name != "min":
        return [Token(Kind.COMMAND, f"\\{name}", space)]
    found = _lex(content, upright=True)
    is_unit = len(found) > 1 and found[0].kind is Kind.LETTERS
    if not is_text and not is_unit and all(len(token.text) == 1 for token in found):
        # \mathrm{e}, \mathbf{v}: a symbol in another font; \mathrm{m/s} is a unit.
        found = [replace(token, upright=False) for token in found]
    return [replace(found[0], space=space or is_text), *found[1:]] if found else []


def _argument(form: str, at: int) -> tuple[str, int]:
    """The content of the braces at a position, or the one character there; where it ends."""
    while at < len(form) and form[at].isspace():
        at += 1
    if not form.startswith("{", at):
        return form[at : at + 1], at + 1
    depth = 0
    for end in range(at, len(form)):
        if form[end] == "\\":
            continue
        if form[end - 1] == "\\" and form[end] in "{}":
            continue
        depth += (form[end] == "{") - (form[end] == "}")
        if not depth:
            return form[at + 1 : end], end + 1
    raise NotMathError("braces that do not pair")


def _number(text: str, *, space: bool) -> Token:
    plain = text.replace(",", "").replace(" ", "")
    mantissa, _, exponent = plain.replace("E", "e").partition("e")
    if len(mantissa) > MOST_DIGITS or len(exponent) > 5 or abs(int(exponent or 0)) > MOST_DIGITS:
        raise NotMathError("a number too long to compute with")
    value = Fraction(mantissa.removesuffix(".") or "0") * Fraction(10) ** int(exponent or 0)
    decimals = len(mantissa.partition(".")[2]) - int(exponent or 0) if "." in mantissa else None
    return Token(Kind.NUMBER, plain.removesuffix("."), space, value=value, decimals=decimals)


def _repeating(text: str, *, space: bool) -> Token:
    r"""0.1\overline{6}, 0.1(6), and 0.1666... with its digits three times at least."""
    if text.count("\\dot") == 2:
        # The first and the last digit of the period are marked.
        head, first, last = re.split(r"\\dot\s*", re.sub(r"[{}]", "", text))
        text = f"{head}({first}{last})"
    marked = re.fullmatch(r"(\d*)\.(\d*?)(?:\\[a-z]+\s*\{|\()(\d+)[})]", text)
    dotted = re.match(r"(\d*)\.(\d*?)(\d{1,6}?)\3{2,}(?!\d)", text)
    found = marked or dotted
    assert found is not None
    whole, head, period = found[1] or "0", found[2], found[3]
    scale = 10 ** len(head)
    value = Fraction(int(whole + head), scale) + Fraction(
        int(period), scale * (10 ** len(period) - 1)
    )
    return Token(Kind.NUMBER, f"{whole}.{head}({period})", space, value=value)
