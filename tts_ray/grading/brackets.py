"""Brackets among tokens: what stands outside of them all."""

from collections.abc import Sequence, Set

from tts_ray.grading.latex import Kind, NotMathError, Token

OPENING = {"(": "(", "[": "[", "\\{": "{", "⟨": "⟨", "{": "{"}
CLOSING = {")": ")", "]": "]", "\\}": "}", "⟩": "⟩", "}": "}"}
"""Brackets and how they are called; the braces of LaTeX, which only group, like those of sets."""


def depths(found: Sequence[Token]) -> list[int]:
    """In how many brackets and environments each token stands; a bracket stands in itself.

    Raises:
        NotMathError: they do not pair.
    """
    depth = 0
    each: list[int] = []
    for token in found:
        opens = token.is_command("\\begin") or (token.kind is Kind.SIGN and token.text in OPENING)
        closes = token.is_command("\\end") or (token.kind is Kind.SIGN and token.text in CLOSING)
        depth += opens
        each.append(depth)
        depth -= closes
        if depth < 0:
            break
    if depth:
        raise NotMathError("brackets that do not pair")
    return each


def match(found: Sequence[Token], start: int) -> int:
    """Where the bracket that opens at `start` is closed; len(found) if nowhere."""
    depth = 0
    for at in range(start, len(found)):
        if found[at].kind is Kind.SIGN:
            depth += (found[at].text in OPENING) - (found[at].text in CLOSING)
            if depth <= 0:
                return at
    return len(found)


def split(found: Sequence[Token], *signs: str, words: Set[str] = frozenset()) -> list[list[Token]]:
    """The stretches between signs or words that stand outside of all brackets.

    Raises:
        NotMathError: the brackets do not pair.
    """
    parts: list[list[Token]] = [[]]
    for token, depth in zip(found, depths(found), strict=True):
        is_word = token.kind is Kind.LETTERS and token.text.lower() in words
        if depth or not (token.is_sign(*signs) or is_word):
            parts[-1].append(token)
        elif parts[-1] or not is_word:
            # "1, 2, and 3": one separator in several signs.
            parts.append([])
    return parts
