import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_ray.grading.answers import canonical_form, extract_answer, plain_number


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"First \boxed{1}, then \boxed{2}.", "2"),
        (r"so $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}"),
        (r"\fbox{7}", "7"),
        (r"\framebox{204}", "204"),
        (r"$\boxed 5$ apples", "5"),
        (r"\boxed { 3 }", "3"),
        (r"\boxed{$12$.}", "12"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\left\{ x \right.}", r"\left\{ x \right."),
        (r"\boxed{\boxed{8}}", "8"),
        (r"\boxed{4} and then \boxed{5", "4"),
        (r"\boxed{6}. I put it in \boxed{}.", "6"),
    ],
)
def test_the_last_closed_and_filled_box_is_the_answer(text, answer):
    assert extract_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"Therefore, the final answer is: $\frac{3}{4}$. I hope it is correct.", r"\frac{3}{4}"),
        ("The final answer is: $12$ I hope it is correct.", "12"),
        ("The answer is 3.5.", "3.5"),
        ("The answer is: 18", "18"),
        ("The answer is 5\nLet me check that.", "5"),
        ("The answer is 5. It was easy.", "5"),
        ("**Final Answer:** 42", "42"),
        ("**The final answer is: 42**", "42"),
        ("The final answer is:\n\\[ x = 5 \\]", "x = 5"),
        ("The answer is $x=1$ or $x=2$.", "x=1 or x=2"),
        (r"The answer is \$5.", r"\$5"),
        ("Answer: (3, 4)", "(3, 4)"),
        ("The answer is 1. Wait, no. The answer is 2.", "2"),
    ],
)
def test_without_a_box_the_last_closing_sentence_is_the_answer(text, answer):
    assert extract_answer(text) == answer


SOLUTIONS = [
    json.loads(line)
    for line in (Path(__file__).parent / "solutions.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("solution", SOLUTIONS, ids=lambda each: repr(each["text"][-40:]))
def test_the_answer_is_what_the_solution_ends_with(solution):
    assert extract_answer(solution["text"]) == solution["answer"]


def test_a_box_outranks_a_closing_sentence():
    assert extract_answer(r"\boxed{1}. The answer is 2.") == "1"


@pytest.mark.parametrize(
    "text",
    ["", "I do not know.", r"\boxed{}", r"\boxed{$ $}", r"\boxed{12", "The answer is not 5."],
)
def test_a_solution_that_states_no_answer_has_none(text):
    assert extract_answer(text) is None


def test_only_what_follows_the_thoughts_counts():
    assert extract_answer(r"<think>\boxed{1}</think> \boxed{2}") == "2"
    assert extract_answer(r"\boxed{1}</think> So it is \boxed{2}.") == "2"
    assert extract_answer(r"<think>\boxed{1}</think> I give up.") is None


def test_thoughts_that_never_end_are_no_answer():
    assert extract_answer(r"<think> maybe \boxed{1}") is None
    assert extract_answer(r"<think>a</think><think> or \boxed{1}") is None


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("$5$", " 5. "),
        (r"\dfrac{1}{2}", r"\frac{1}{2}"),
        (r"\left( 3, 4 \right)", "(3,4)"),
        (r"10,\!080", "10080"),
        (r"11,\! 111,\! 100", "11111100"),
        (r"1{,}000", "1000"),
        ("\N{MINUS SIGN}2", "-2"),
        ("x = 5", "x=5"),
    ],
)
def test_typography_makes_no_other_answer(left, right):
    assert canonical_form(left) == canonical_form(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("1 1/2", "11/2"),
        ("5", "-5"),
        ("(3,4]", "(3,4)"),
        ("1,2", "12"),
        ("R", "r"),
        ("1, 100", "1,100"),
        ("1, 100", "1100"),
        ("41, 207", "41207"),
    ],
)
def test_different_answers_keep_different_forms(left, right):
    assert canonical_form(left) != canonical_form(right)


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("025", 25),
        ("27.0", 27),
        ("27.", 27),
        ("58,500", 58500),
        (".5", Fraction(1, 2)),
        ("-1.25", Fraction(-5, 4)),
        ("1,2", None),
        ("x", None),
        ("", None),
        (".", None),
        ("1/2", None),
    ],
)
def test_a_numeral_is_read_exactly(form, value):
    assert plain_number(form) == value


PIECES = [*"\\{}$.,() \n-0159ax^_", r"\boxed", "The answer is", "<think>", "</think>", r"\text{"]


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_text_gives_a_non_empty_answer_or_none(text):
    answer = extract_answer(text)
    assert answer is None or answer.strip()
    form = canonical_form(text)
    plain_number(form)


@pytest.mark.parametrize(
    "text",
    [r"\boxed{", "{", r"\boxed{ . ", "the answer is ", r"\boxed $ ", " ", "$", "1,", r"1\,", "("],
)
def test_a_text_that_loops_is_read_in_linear_time(text):
    looping = text * 10_000
    for whole in (looping, rf"\boxed{{{looping}x}}", f"The answer is 5{looping}x"):
        plain_number(canonical_form(extract_answer(whole) or ""))
