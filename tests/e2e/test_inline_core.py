"""vLLM's engine core as a thread: what is cancelled, refused or fatal."""

import asyncio
import os

import pytest

from tests.patience import PATIENCE_S
from tts_ray.engines import vllm_client
from tts_ray.engines.vllm_client import InlineClient
from tts_ray.errors import EngineDied, EngineError
from tts_ray.types import Sampling

GREEDY = Sampling(temperature=0.0)


def generate(policy, ids, tokens=8):
    return policy.engine.vllm.generate(ids, GREEDY, 0, tokens, ())


def test_a_cancelled_request_is_aborted_and_others_go_on(policy):
    ids = policy.engine.prompt("What is 1 + 1?")
    client = policy.engine.vllm.client

    async def go():
        endless = asyncio.create_task(generate(policy, ids, 400))
        while not client.tokens_in_flight():
            await asyncio.sleep(0)
        endless.cancel()
        with pytest.raises(asyncio.CancelledError):
            await endless
        answer = await generate(policy, ids)
        async with asyncio.timeout(PATIENCE_S):
            while client._running:
                await asyncio.sleep(0.01)
        return answer

    assert len(policy.loop.run_until_complete(go()).token_ids) == 8
    assert not client._waiting


def test_a_refused_request_is_an_error_of_its_own(policy):
    ids = policy.engine.prompt("What is 1 + 1?")

    async def go():
        return await asyncio.gather(
            generate(policy, [1] * 600), generate(policy, ids), return_exceptions=True
        )

    refused, answer = policy.loop.run_until_complete(go())
    assert isinstance(refused, EngineError)
    assert not isinstance(refused, EngineDied)
    assert len(answer.token_ids) == 8


class Failing:
    """An engine whose core fails at its first batch."""

    def __init__(self):
        self.engine_core = self.input_processor = self

    def get_supported_tasks(self):
        return ()

    def process_inputs(self, *_, **__):
        return None

    def add_request(self, _):
        pass

    def get_output(self):
        raise RuntimeError("out of memory")


def test_a_core_that_fails_is_dead_for_every_request():
    async def go():
        doomed = InlineClient(Failing(), top=0)
        calls = [doomed.run({"prompt_token_ids": [1]}, None) for _ in range(2)]
        found = await asyncio.gather(*calls, return_exceptions=True)
        with pytest.raises(EngineDied, match="out of memory"):
            await doomed.run({"prompt_token_ids": [1]}, None)
        return found

    assert all(isinstance(each, EngineDied) for each in asyncio.run(go()))


class Recorder:
    """Instead of vLLM's engine: keeps what a load finds in the environment."""

    @classmethod
    def from_engine_args(cls, args):
        args.append(os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"])
        return Failing()


def test_a_core_in_this_process_is_in_no_other_on_a_gpu_either(monkeypatch):
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "1")
    monkeypatch.setattr(vllm_client, "LLMEngine", Recorder)
    found = []
    InlineClient.load(found, top=0).shutdown()
    assert found == ["0"]
