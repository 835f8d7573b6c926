"""Memory counted from dimensions."""

import pytest

from tts_ray.dimensions import Dimensions
from tts_ray.memory import AT_ONCE, CONTEXT_GIB, GIB, Need

SMALL = Dimensions(
    layers=10,
    hidden=128,
    heads=8,
    kv_heads=2,
    head_size=16,
    width=256,
    vocabulary=1000,
    head=128000,
)


def need(**changes):
    settings = {"bytes_each": 2, "max_model_len": 100, "max_num_seqs": 0, "batch_tokens": 0}
    return Need.of(SMALL, **settings | changes)


def test_weights_and_cache_are_counted_by_the_number():
    found = need()
    assert found.weights * GIB == SMALL.parameters * 2
    assert found.sequence * GIB == 100 * 2 * 10 * 2 * 16 * 2  # tokens, K and V, layers, heads...
    assert found.work == CONTEXT_GIB
    assert need(bytes_each=4).weights == 2 * found.weights


def test_a_split_divides_weights_and_cache_but_not_the_work():
    found = need()
    assert found.on_card(2) == pytest.approx(
        found.weights / 2 + AT_ONCE * found.sequence / 2 + found.work
    )
    # two key-value heads over eight cards: each is held four times
    assert found.on_card(8) == pytest.approx(
        found.weights / 8 + AT_ONCE * found.sequence / 2 + found.work
    )
    assert found.on_card(2, pipeline=3) == pytest.approx(
        found.weights / 6 + AT_ONCE * found.sequence / 6 + found.work
    )


def test_the_sequences_that_fit_fill_the_cards_they_fit_on():
    found = need()
    held = found.sequences(usable=3.0, tensor=2)
    assert found.on_card(2, sequences=held) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("tensor", "fits"), [(1, True), (2, True), (4, True), (3, False), (16, False)]
)
def test_heads_limit_the_split(tensor, fits):
    assert need().splits(tensor) is fits
