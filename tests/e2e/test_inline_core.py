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
    return policy.engine.vllm.generate(ids, GREEDY, 0, tokens, frozenset())


def test_a_cancelled_request_is_aborted_and_others_go_on(policy):
    ids = policy.engine.prompt("What is 1 + 1?")
    client = policy.engine.vllm.client

    async def go():
        endless = asyncio.create_task(generate(policy, list(ids), 400))
        while not client.tokens_in_flight():
            await asyncio.sleep(0)
        endless.cancel()
        with pytest.raises(asyncio.CancelledError):
            await endless
        answer = await generate(policy, list(ids))
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
            generate(policy, [1] * 600), generate(policy, list(ids)), return_exceptions=True
        )

    refused, answer = policy.loop.run_until_complete(go())
    assert isinstance(refused, EngineError)
    assert not isinstance(refused, EngineDied)
    assert len(answer.token_ids) == 8


@pytest.mark.parametrize("refused", [[1] * 600, [], [-1], [10**6]])
def test_a_refused_request_never_reaches_the_core_and_those_that_run_go_on(policy, refused):
    ids = policy.engine.prompt("What is 1 + 1?")

    async def go():
        alone = await generate(policy, list(ids), 64)
        running = asyncio.create_task(generate(policy, list(ids), 64))
        while not policy.engine.vllm.client.tokens_in_flight():
            await asyncio.sleep(0)
        # It ends at its first turn: what waits for the core needs several.
        with pytest.raises(EngineError, match="vLLM refused a request"):
            generate(policy, refused).send(None)
        return alone, await running

    alone, running = policy.loop.run_until_complete(go())
    assert running.token_ids == alone.token_ids
    assert not policy.engine.vllm.client._waiting


def test_a_request_that_is_cancelled_before_the_core_takes_it_is_not_run(policy):
    ids = policy.engine.prompt("What is 1 + 1?")
    client = policy.engine.vllm.client

    async def go():
        # Both are in the queue before this task waits for the first time.
        cancelled = asyncio.create_task(generate(policy, list(ids), 400))
        kept = asyncio.create_task(generate(policy, list(ids)))
        asyncio.get_running_loop().call_soon(cancelled.cancel)
        found = await asyncio.gather(cancelled, kept, return_exceptions=True)
        async with asyncio.timeout(PATIENCE_S):
            while client._running:
                await asyncio.sleep(0)
        return found

    cancelled, kept = policy.loop.run_until_complete(go())
    assert isinstance(cancelled, asyncio.CancelledError)
    assert len(kept.token_ids) == 8


def test_equal_requests_with_other_seeds_and_limits_share_no_answer(policy):
    ids = policy.engine.prompt("What is 1 + 1?")
    hot = Sampling(temperature=1.5)

    def call(seed, tokens):
        return policy.engine.vllm.generate(list(ids), hot, seed, tokens, frozenset())

    async def go():
        together = await asyncio.gather(*(call(seed, 4 + seed) for seed in range(8)))
        return together, [await call(seed, 4 + seed) for seed in range(8)]

    together, apart = policy.loop.run_until_complete(go())
    assert [each.token_ids for each in together] == [each.token_ids for each in apart]
    assert len({tuple(each.token_ids[:4]) for each in together}) > 1


class Failing:
    """An engine whose core fails at its first batch."""

    def __init__(self):
        self.engine_core = self.input_processor = self

    def get_supported_tasks(self):
        return ()

    def process_inputs(self, *_, **__):
        return None

    def preprocess_add_request(self, _):
        return "ready", 0

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
