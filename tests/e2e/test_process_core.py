"""vLLM's engine core in a process of its own: what is said of a failure."""

import asyncio

import pytest
from vllm.sampling_params import SamplingParams
from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

from tts_ray.engines.vllm_client import ProcessClient
from tts_ray.errors import EngineDied, EngineError


class Failing:
    """An engine that answers every request with an error, and its cause if there is one."""

    errored = False

    def __init__(self, error, cause=None):
        self.error, self.cause = error, cause

    async def generate(self, *_):
        raise self.error from self.cause
        yield


def call(engine):
    client = ProcessClient(engine, top=0)
    return asyncio.run(client.run({"prompt_token_ids": [1]}, SamplingParams()))


def test_an_unexpected_failure_is_told_by_its_cause():
    with pytest.raises(EngineError, match="failed a request: KeyError\\('no such block'\\)"):
        call(Failing(EngineGenerateError(), KeyError("no such block")))


def test_a_refusal_is_told_in_its_own_words():
    with pytest.raises(EngineError, match="ValueError\\('prompt is too long'\\)"):
        call(Failing(ValueError("prompt is too long")))


def test_a_dead_core_is_one_that_died():
    with pytest.raises(EngineDied):
        call(Failing(EngineDeadError()))
