"""One policy engine and one reward engine for all tests here, on one event loop."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tts_ray import pocket
from tts_ray.engines.spec import PolicySpec, RewardSpec, environment

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.update(environment("cpu"))

SMALL: dict[str, Any] = {
    "device": "cpu",
    "max_model_len": 512,
    "max_num_seqs": 64,
    "kv_cache_gib": 0.125,
}


@dataclass
class Loaded:
    """An engine, called synchronously on the session's event loop."""

    engine: Any
    loop: asyncio.AbstractEventLoop
    folder: Path

    def run(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self.loop.run_until_complete(getattr(self.engine, method)(*args, **kwargs))

    def run_all(self, method: str, calls: list[tuple[Any, ...]]) -> list[Any]:
        """Many calls at once."""

        async def together():
            return await asyncio.gather(*(getattr(self.engine, method)(*args) for args in calls))

        return self.loop.run_until_complete(together())


@pytest.fixture(scope="session")
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.run_until_complete(cancel_others())
    loop.close()


async def cancel_others():
    """End what an engine in a process of its own leaves waiting on its loop."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def loaded(loop, name, spec):
    from tts_ray.engines.load import load

    async def start():
        return load(spec)[0]

    engine = loop.run_until_complete(start())
    yield Loaded(engine, loop, pocket.weights(name))
    engine.vllm.client.shutdown()


@pytest.fixture(scope="session")
def policy(loop):
    model = str(pocket.weights("pocket-xs"))
    yield from loaded(loop, "pocket-xs", PolicySpec(model=model, prompt="qwen", **SMALL))


@pytest.fixture(scope="module", params=[False, True], ids=["thread", "process"])
def confident(loop, request):
    """The policy with confidence, its core in a thread and in a process of its own. It ends with
    the file that asks for it: other tests look for cores by name."""
    spec = PolicySpec(
        model=str(pocket.weights("pocket-xs")),
        prompt="qwen",
        confidence=5,
        core_process=request.param,
        **SMALL,
    )
    yield from loaded(loop, "pocket-xs", spec)


@pytest.fixture(scope="session")
def reward(loop):
    model = str(pocket.weights("pocket-prm"))
    spec = RewardSpec(model=model, format="qwen2.5-math-prm", **SMALL)
    yield from loaded(loop, "pocket-prm", spec)
