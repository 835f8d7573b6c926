"""Searches in processes of their own, each on a pod of replicas: the same records, whatever is lost
meanwhile. Scripted engines in real actors."""

import asyncio
import logging
import os
import signal

import psutil
import pytest
import ray

from tests.patience import PATIENCE_S
from tests.ray.evaluation import PROBLEMS, SEARCHES, TINY, run, trees, until
from tts_ray.engines.load import ScriptedPolicySpec, ScriptedRewardSpec
from tts_ray.engines.scripted import Faults
from tts_ray.errors import EnginesLost
from tts_ray.evaluate import Trial, evaluate
from tts_ray.runtime.session import Fleet, Session
from tts_ray.types import Sampling

pytestmark = pytest.mark.usefixtures("cluster")

SLOW = ScriptedPolicySpec(faults=Faults(seconds=0.3))
REWARD = ScriptedRewardSpec()


def fleets(policy, replicas, **more):
    return Fleet(policy, replicas, **TINY, **more), Fleet(REWARD, replicas, **TINY)


@pytest.fixture(scope="module")
def calm():
    return trees(run(*fleets(ScriptedPolicySpec(), 1)))


async def pid_of(actor):
    return await actor.__ray_call__.remote(lambda _: os.getpid())


async def busy(session):
    """The slots of the searchers, once each has trials."""
    slots = session.engines.slots
    await until(lambda: all(slot.load for slot in slots), "work")
    return slots


@pytest.mark.parametrize("searchers", [1, 3])
def test_searchers_change_nothing_but_who_makes_the_calls(calm, searchers):
    async def see(session):
        slots = await busy(session)
        assert len(slots) == searchers
        assert {len(slot.engine.replicas["policy"]) for slot in slots} == {3 // searchers}

    records = run(*fleets(ScriptedPolicySpec(), 3), see, searchers=searchers)
    assert trees(records) == calm
    assert all(record.error is None and not record.repeats for record in records.values())
