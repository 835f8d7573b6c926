import math

from tts_ray.engines.steps import cut
from tts_ray.types import Finish


def steps_of(pieces, finish=Finish.EOS):
    """Cut a response whose token i has the text pieces[i]."""
    ids = list(range(len(pieces)))
    return cut(
        ids,
        pieces,
        [-1.0] * len(ids),
        finish,
        "\n\n",
        lambda part: "".join(pieces[i] for i in part),
    )


def test_a_step_ends_with_its_separator():
    steps = steps_of(["a", ".\n\n", "b", "."])
    assert [step.text for step in steps] == ["a.\n\n", "b."]
    assert [step.finish for step in steps] == [Finish.STEP, Finish.EOS]


def test_a_separator_may_span_two_tokens():
    assert [step.text for step in steps_of(["a\n", "\n", "b"])] == ["a\n\n", "b"]


def test_a_separator_inside_a_token_keeps_the_token_whole():
    steps = steps_of(["a", "\n\nB", "c"])
    assert [step.token_ids for step in steps] == [(0, 1), (2,)]


def test_leading_separators_belong_to_the_step_that_follows():
    assert [step.text for step in steps_of(["\n\n", "a", "\n\n", "\n\n", "b"])] == [
        "\n\na\n\n",
        "\n\nb",
    ]


def test_every_token_is_in_exactly_one_step_and_logprobs_add_up():
    pieces = ["a", "\n\n", "\n", "b\n\n", "c"]
    steps = steps_of(pieces)
    assert [i for step in steps for i in step.token_ids] == list(range(len(pieces)))
    assert math.isclose(sum(step.logprob for step in steps), -5.0)


def test_a_response_that_ends_at_a_separator_has_the_given_finish():
    assert steps_of(["a\n\n"], Finish.STEP)[-1].finish is Finish.STEP
    assert steps_of(["a\n\n"], Finish.LENGTH)[-1].finish is Finish.LENGTH


def test_an_immediate_end_is_one_blank_step():
    (step,) = steps_of([""])
    assert step.is_blank
    assert step.finish is Finish.EOS
