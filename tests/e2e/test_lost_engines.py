"""A real vLLM engine that loses its core or its actor in the middle of searches."""

import asyncio
import signal

import psutil
import pytest

from tests.e2e.conftest import SMALL
from tests.patience import PATIENCE_S
from tests.ray.evaluation import run, trees, until
from tts_ray import pocket
from tts_ray.engines.load import ScriptedRewardSpec
from tts_ray.engines.spec import PolicySpec
from tts_ray.runtime.place import Place
from tts_ray.runtime.session import Fleet, Session

MODEL = str(pocket.weights("pocket-xs"))
POLICY = PolicySpec(model=MODEL, prompt="qwen", core_process=True, **SMALL)
POLICIES = Fleet(POLICY, place=Place(cpus=0.5))
REWARDS = Fleet(ScriptedRewardSpec(), place=Place(cpus=0.5))

pytestmark = pytest.mark.usefixtures("cluster")


def processes(name):
    """The processes of that name below this one."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if child.is_running() and child.name().startswith(name)]


def actor_of(core):
    """The actor whose engine core this is."""
    return next(each for each in core.parents() if each.name().startswith("ray::"))


@pytest.fixture(scope="module")
def calm(cluster):
    return trees(run(POLICIES, REWARDS))


def test_an_engine_that_is_killed_while_it_loads_loads_again(cluster):
    async def go():
        async with Session() as session:
            loading = asyncio.create_task(session.use({"policy": POLICIES}))
            async with asyncio.timeout(PATIENCE_S):
                while not (found := await asyncio.to_thread(processes, "ray::EngineActo")):
                    await asyncio.sleep(0.05)
            found[0].kill()
            await asyncio.wait_for(loading, PATIENCE_S)
            return len(session.engines.policies.alive)

    assert asyncio.run(go()) == 1


@pytest.mark.parametrize("victim", ["core", "actor"])
def test_what_dies_is_restarted_whole_and_the_results_are_the_same(calm, victim):
    async def strike(session):
        (slot,) = session.engines.policies.slots
        await until(lambda: slot.load, "work")
        (core,) = await asyncio.to_thread(processes, "VLLM::EngineCor")
        actor = actor_of(core)
        (core if victim == "core" else actor).send_signal(signal.SIGKILL)
        await until(lambda: not slot.alive, "the loss is noticed")
        await until(lambda: not core.is_running(), "the engine core is gone")
        await until(lambda: not actor.is_running(), "the actor is gone")
        await until(lambda: slot.alive, "the replica is back")

    records = run(POLICIES, REWARDS, strike)
    assert trees(records) == calm
    assert all(record.error is None for record in records.values())
    assert sum(record.repeats for record in records.values()) > 0
