"""A real vLLM engine that loses its core or its actor in the middle of searches."""

import asyncio
import signal

import psutil
import pytest

from tests.e2e.conftest import SMALL
from tests.ray.evaluation import candidates, run, until
from tts_ray import pocket
from tts_ray.engines.load import ScriptedRewardSpec
from tts_ray.engines.spec import PolicySpec
from tts_ray.runtime.place import Place
from tts_ray.runtime.session import Fleet

POLICY = PolicySpec(model=str(pocket.weights("pocket-xs")), prompt="qwen", **SMALL)
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
    return candidates(run(POLICIES, REWARDS))


@pytest.mark.parametrize("victim", ["core", "actor"])
def test_what_dies_is_restarted_whole_and_the_results_are_the_same(calm, victim):
    async def strike(session):
        (slot,) = session.policies.slots
        await until(lambda: slot.load, "work")
        (core,) = await asyncio.to_thread(processes, "VLLM::EngineCor")
        actor = actor_of(core)
        (core if victim == "core" else actor).send_signal(signal.SIGKILL)
        await until(lambda: not slot.alive, "the loss is noticed")
        await until(lambda: not core.is_running(), "the engine core is gone")
        await until(lambda: not actor.is_running(), "the actor is gone")
        await until(lambda: slot.alive, "the replica is back", 120)

    records = run(POLICIES, REWARDS, strike)
    assert candidates(records) == calm
    assert all(record.error is None for record in records.values())
    assert sum(record.repeats for record in records.values()) > 0
