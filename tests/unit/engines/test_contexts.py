"""Responses that a policy may write and its reward model cannot read."""

from pathlib import Path

import pytest

from tts_ray.config import load_config
from tts_ray.engines.contexts import Room, too_long_for_the_prm

CONFIGS = Path(__file__).parents[3] / "configs"


def note(*settings, rooms=None):
    config = load_config(
        [
            *("policy=pocket-xs", "prm=pocket-prm", "dataset=pocket", "search.name=best_of_n"),
            *("policy.max_model_len=null", "prm.max_model_len=null", *settings),
        ],
        CONFIGS,
    )
    return too_long_for_the_prm(config, rooms or {})


def test_a_response_limit_beyond_the_prms_context_is_named_with_both_and_the_remedy():
    line = note("prm.max_model_len=4096", "sampling.max_tokens=32768")
    assert line.startswith("responses may have up to 32768 tokens, the PRM's context holds 4096")
    assert "lower sampling.max_tokens" in line


@pytest.mark.parametrize(("tokens", "fits"), [(900, True), (901, False)])
def test_the_longest_question_counts(tokens, fits):
    assert (note(f"sampling.max_tokens={tokens}", rooms={"prm": Room(124, 1024)}) == "") == fits


def test_the_policys_own_context_limits_its_responses():
    rooms = {"policy": Room(100, 1000), "prm": Room(100, 1024)}
    assert note("sampling.max_tokens=8192", rooms=rooms) == ""
    rooms["policy"] = Room(100, 2000)
    assert "up to 1900 tokens" in note("sampling.max_tokens=8192", rooms=rooms)


@pytest.mark.parametrize(
    "settings",
    [
        ["sampling.max_tokens=8192"],
        ["sampling.max_tokens=8192", "prm.max_model_len=64", "search.name=majority"],
    ],
    ids=["no limit known", "no search asks the PRM"],
)
def test_there_is_nothing_to_say_where_nothing_is_known_or_asked(settings):
    assert note(*settings) == ""
