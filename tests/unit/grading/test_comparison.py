"""The rules of docs/grading.md, on pairs of answers: as many that differ as that do not."""

import json
import random
import time
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_ray.grading.answers import canonical_form
from tts_ray.grading.comparison import compare, form_of
from tts_ray.grading.latex import FUNCTIONS
from tts_ray.grading.readings import Text
from tts_ray.grading.rules import EQUAL, Rule

PAIRS = [
    json.loads(line)
    for line in (Path(__file__).parent / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
]
ONE_SIDED = {"bases", "decimal comma"}
"""Kinds in which a reference may say more than an answer."""


def rule(reference, answer):
    return compare(canonical_form(reference), canonical_form(answer))


@pytest.mark.parametrize("pair", PAIRS, ids=lambda p: f"{p['kind']}: {p['gold']} | {p['answer']}")
def test_answers_are_the_same_or_not(pair):
    found = rule(pair["gold"], pair["answer"])
    assert (found in EQUAL) == pair["equal"], found
    if pair["kind"] not in ONE_SIDED:
        assert (rule(pair["answer"], pair["gold"]) in EQUAL) == pair["equal"]


def test_as_many_pairs_differ_as_do_not():
    equal = sum(pair["equal"] for pair in PAIRS)
    assert 0.45 < equal / len(PAIRS) < 0.55


@pytest.mark.parametrize(
    ("reference", "answer", "expected"),
    [
        ("east", r"\text{East}", Rule.TEXT),
        (r"\frac12", "0.5", Rule.VALUE),
        (r"\frac13", "0.33333333", Rule.ROUNDED),
        ("10", r"10\text{ cm}", Rule.UNIT),
        (r"7.2\%", "0.072", Rule.PERCENT),
        ("5", "x=5", Rule.NAMED),
        ("y=2x", "2x-y=0", Rule.EQUATION),
        ("x+y<2", "-2x-2y>-4", Rule.INEQUALITY),
        ("(1,2)", r"(1, \frac42)", Rule.IN_ORDER),
        ("1, 2", "2, 1", Rule.ANY_ORDER),
        (r"(2,\infty)", "x>2", Rule.REGION),
        (r"\textbf{(C)}\ 12", "C", Rule.CHOICE),
        ("9 a.m.", "9:00 AM", Rule.CLOCK),
        ("1:2", "2:4", Rule.RATIO),
        ("204_5", "204_{5}", Rule.TEXT),
        ("204_5", "204", Rule.BASE),
        ("1.25", "1,25", Rule.DECIMAL_COMMA),
        ("1", "2", Rule.DIFFERENT),
        ("1", "the first one", Rule.UNREAD),
    ],
)
def test_a_verdict_names_its_rule(reference, answer, expected):
    assert rule(reference, answer) is expected


@pytest.mark.parametrize("text", ["x-x>1", "|x-x|<1", "2*" * 400 + "2", "x/" * 400 + "x"])
def test_an_answer_that_solves_for_nothing_or_is_very_deep_is_compared(text):
    form = canonical_form(text)
    assert compare(form, form) is Rule.TEXT
    assert compare(form, canonical_form(text + "+1")) not in EQUAL


@pytest.mark.parametrize(
    "text",
    ["2+", "x=", "(1,2", "1 2", r"\frac{1}{", "5 and", r"3 \forall x", "2 x 3", ")(", "a:", "{}"],
)
def test_what_does_not_read_as_a_whole_is_a_text(text):
    assert isinstance(form_of(canonical_form(text)).reading, Text)


NUMBERS = st.fractions(min_value=-1000, max_value=1000, max_denominator=400)


def latex(value):
    sign = "-" if value < 0 else ""
    if value.denominator == 1:
        return f"{value}"
    return rf"{sign}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


@given(NUMBERS, NUMBERS)
def test_numbers_are_the_same_exactly_if_their_values_are(one, two):
    assert (rule(latex(one), f"{two.numerator}/{two.denominator}") in EQUAL) == (one == two)


@given(st.integers(0, 10**40), st.integers(0, 39), st.integers(1, 9))
def test_a_number_with_one_other_digit_is_another_number(value, at, shift):
    digits = list(str(value))
    at %= len(digits)
    digits[at] = str((int(digits[at]) + shift) % 10)
    other = int("".join(digits))
    assert rule(str(value), str(other)) not in EQUAL
    assert rule(f"{value}\\sqrt{{2}}", f"{other}\\sqrt{{2}}") not in EQUAL
    assert rule(f"(1,{value})", f"(1,{other})") not in EQUAL


@given(st.lists(NUMBERS, min_size=2, max_size=4, unique=True), st.randoms())
def test_tuples_keep_their_order_and_sets_do_not(values, order):
    shuffled = list(values)
    order.shuffle(shuffled)
    one, two = (", ".join(map(latex, each)) for each in (values, shuffled))
    assert rule(rf"\{{{one}\}}", rf"\{{{two}\}}") in EQUAL
    assert (rule(f"({one})", f"({two})") in EQUAL) == (values == shuffled)


PIECES = [
    *"\\{}$.,()[] \n-+01259axefi^_|:;<>=!%&'/*",
    *(r"\frac", r"\sqrt", r"\text{", r"\begin{pmatrix}", r"\end{pmatrix}", r"\\", r"\cup", r"\in"),
    *(r"\pm", r"\le", r"\{", r"\}", r"\infty", r"\log", r"\sin", "°", "√", "½", " cm", " and "),
    *(r"\mathbb{R}", r"\setminus", r"\binom", r"\over", r"\left", r"\right.", "1,000", "0.5"),
    *("2e5", r"\overline{3}", r"\circ", r"\ne", "gcd(", "floor(", r"\mathrm{", "∪", " to ", "PM"),
]
ANY = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)


@given(ANY, ANY)
def test_any_two_texts_are_compared(one, two):
    left, right = canonical_form(one), canonical_form(two)
    assert isinstance(compare(left, right), Rule)
    assert compare(left, left) in EQUAL


@pytest.mark.parametrize(
    "piece", [*PIECES, "(1+", "x^", "1:", "-", "cm ", r"\frac12", "{", r"\{1,", "1,", r"\sin "]
)
def test_the_longest_answer_is_read_in_little_time(piece):
    form = canonical_form("3" + (piece * 1000)[:990])
    began = time.process_time()
    form_of(form)
    # CPU time of this process, with a bound of a thousand times what it takes.
    assert time.process_time() - began < 20


def test_the_value_of_an_expression_does_not_depend_on_how_it_is_written():
    draw = random.Random(0)
    for _ in range(50):
        a, b, c = (draw.randint(1, 30) for _ in range(3))
        value = Fraction(a, b) + c
        forms = [rf"{c}+\frac{{{a}}}{{{b}}}", rf"\frac{{{a}+{b * c}}}{{{b}}}", str(value)]
        for one in forms:
            for two in forms:
                assert rule(one, two) in EQUAL, (one, two)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_that_is_read_has_a_value(name):
    assert rule(f"\\operatorname{{{name}}}(0.5)", "\\sqrt{17}") is Rule.DIFFERENT
    assert rule(f"\\operatorname{{{name}}}(x)", "\\sqrt{17}x") is Rule.DIFFERENT
