"""jobs/grade.py, with a real worker."""

import pytest

from tts_ray.door import enter


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["\\frac{7}{3}", "2 1/3"], 0, "the same answer: the same value"),
        (["(2,\\infty)", "x>2"], 0, "the same answer: the same set of real numbers"),
        (["\\frac13", "0.333"], 1, "different answers ("),
        (["5", "the fifth"], 1, "does not read as mathematics"),
        (["--", "-x", "-x"], 0, "the same answer: the same text"),
        (["34", "So it is \\boxed{34}.", "--solution"], 0, "the same answer"),
        (["1", "9^{9^{9^9}}", "--seconds", "0.3"], 1, "not known: it takes more than 0.3 s"),
    ],
)
def test_the_verdict_is_said_with_its_reason(arguments, code, words, capsys):
    assert enter("grade", arguments) == code
    assert words in " ".join(capsys.readouterr().out.split())


def test_what_each_answer_was_read_as_is_shown(capsys):
    assert enter("grade", ["\\{1, 2\\}", "2, 1"]) == 0
    out = capsys.readouterr().out
    assert "set {1, 2}" in out
    assert "list 2, 1" in out


def test_markup_in_an_answer_is_shown_as_it_is(capsys):
    assert enter("grade", ["[red]x[/red]", "[bold]"]) == 1
    assert "[red]x[/red]" in capsys.readouterr().out


def test_a_solution_without_an_answer_is_one_line(capsys):
    assert enter("grade", ["1", "I do not know.", "--solution"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
