"""What docs/running.md promises when parts of a cluster fail: nodes lost, engines stopped, nodes
that come late. Real nodes and processes on one machine; scripted engines, as the cluster is the
point."""

import asyncio
import os
import signal
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

import psutil
import pytest
import ray
from ray.cluster_utils import Cluster

from tests.patience import PATIENCE_S
from tests.ray.evaluation import PROBLEMS, run, trees, until
from tts_ray.engines.load import ScriptedPolicySpec, ScriptedRewardSpec
from tts_ray.engines.scripted import Faults
from tts_ray.errors import EngineError, EnginesLost
from tts_ray.runtime.actors import RemotePolicy
from tts_ray.runtime.local_ray import NO_RAY_METRICS
from tts_ray.runtime.place import Place
from tts_ray.runtime.session import Fleet, Session
from tts_ray.types import Path, Sampling

SLOW = ScriptedPolicySpec(faults=Faults(seconds=1))
ENDLESS = ScriptedPolicySpec(faults=Faults(hang=frozenset(range(1, 10_000))))
WHOLE = Place(cpus=1)
"""Every node has one CPU, so each replica has a node of its own."""
REWARD = Fleet(ScriptedRewardSpec(), place=WHOLE)
OTHER = ScriptedRewardSpec(faults=Faults(seconds=0.01))


@contextmanager
def cluster_of(workers):
    """A head and `workers` other nodes, with room for a replica each."""
    cluster = Cluster()
    cluster.add_node(num_cpus=1, _system_config=NO_RAY_METRICS)
    nodes = [cluster.add_node(num_cpus=1) for _ in range(workers)]
    ray.init(address=cluster.address, log_to_driver=False)
    try:
        cluster.wait_for_nodes()
        yield cluster, nodes
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture(scope="module")
def calm():
    with cluster_of(1):
        return trees(run(Fleet(ScriptedPolicySpec(), place=WHOLE), REWARD))


def where(actor):
    """Node and process of an actor."""
    return ray.get(
        actor.__ray_call__.remote(
            lambda _: (ray.get_runtime_context().get_node_id(), os.getpid()),
        ),
        timeout=PATIENCE_S,
    )


async def policy_on(nodes, session):
    """A policy replica on one of `nodes` that is at work, with its node and process."""
    for slot, actor in zip(session.engines.policies.slots, session.actors, strict=False):
        found, pid = await asyncio.to_thread(where, actor)
        for node in nodes:
            if node.node_id == found:
                await until(lambda slot=slot: slot.load, "work")
                return slot, node, pid
    raise AssertionError("no policy on a worker node")


def test_a_lost_node_costs_no_result_and_a_new_one_takes_its_place(calm):
    with cluster_of(2) as (cluster, nodes):

        async def lose_a_node_and_add_one(session):
            slot, node, _ = await policy_on(nodes, session)
            await asyncio.to_thread(cluster.remove_node, node, False)
            await until(lambda: not slot.alive, "the loss is noticed")
            cluster.add_node(num_cpus=1)  # Ray wants its main thread for it
            await until(lambda: slot.alive, "the replica is back")

        records = run(Fleet(SLOW, 2, WHOLE), REWARD, lose_a_node_and_add_one)
    assert trees(records) == calm
    assert all(record.error is None for record in records.values())
    assert sum(record.repeats for record in records.values()) > 0


def test_too_few_replicas_for_too_long_end_the_job_and_not_its_problems():
    with cluster_of(2) as (cluster, nodes):

        async def lose_a_node(session):
            _, node, _ = await policy_on(nodes, session)
            await asyncio.to_thread(cluster.remove_node, node, False)

        with pytest.raises(EnginesLost, match="1 of 2 replicas are alive, fewer than 2"):
            run(Fleet(ENDLESS, 2, WHOLE, least=2), REWARD, lose_a_node, revival_s=1)


def test_a_stopped_engine_is_taken_for_dead_killed_and_started_again(calm):
    with cluster_of(2) as (_, nodes):

        async def stop_one(session):
            slot, _, pid = await policy_on(nodes, session)
            os.kill(pid, signal.SIGSTOP)
            await until(lambda: not slot.alive, "the stop is noticed")
            await until(lambda: not psutil.pid_exists(pid), "the process is gone")
            await until(lambda: slot.alive, "the replica is back")

        records = run(Fleet(SLOW, 2, WHOLE), REWARD, stop_one, stall_s=2)
    assert trees(records) == calm
    assert sum(record.repeats for record in records.values()) > 0


def test_slow_calls_are_no_stall_while_others_end(calm):
    with cluster_of(1):
        slow = ScriptedPolicySpec(faults=Faults(seconds=1))
        records = run(Fleet(slow, place=WHOLE), REWARD, stall_s=2.5)
    assert trees(records) == calm
    assert sum(record.repeats for record in records.values()) == 0


def test_a_job_begins_with_the_least_and_takes_in_a_node_that_comes_later(calm):
    with cluster_of(1) as (cluster, _):

        async def add_a_node(session):
            assert len(session.engines.policies.slots) == 1
            room = session.admission.sequences
            await until(lambda: session.engines.policies.slots[0].load, "work")
            cluster.add_node(num_cpus=1)  # Ray wants its main thread for it
            await until(lambda: len(session.engines.policies.slots) == 2, "the second joins")
            await session.engines.policies.lease().propose(PROBLEMS[0], [Path()], [0], Sampling())
            assert session.engines.policies.slots[1].given == 1
            assert session.admission.sequences == 2 * room

        records = run(Fleet(SLOW, 2, WHOLE, least=1), REWARD, add_a_node)
    assert trees(records) == calm


def test_replicas_still_waiting_for_room_when_the_models_change_join_later():
    async def go(cluster):
        late = Fleet(ScriptedPolicySpec(), 2, WHOLE, least=1)
        async with Session() as session:
            await session.use({"policy": late, "prm": REWARD})
            await session.use({"policy": late, "prm": replace(REWARD, spec=OTHER)})
            assert len(session.engines.policies.slots) == 1
            cluster.add_node(num_cpus=1)
            await until(lambda: len(session.engines.policies.slots) == 2, "the second joins")

    with cluster_of(1) as (cluster, _):
        asyncio.run(go(cluster))


def test_a_late_replica_that_cannot_load_takes_no_other_ones_place(monkeypatch):
    loads = count()
    loaded = RemotePolicy.loaded

    async def load_all_but_one(engine):
        if next(loads) == 1:
            raise EngineError("no model on this node")
        return await loaded(engine)

    async def go():
        async with Session() as session:
            await session.use({"policy": Fleet(ScriptedPolicySpec(), 4, WHOLE, least=1)})
            await until(lambda: len(session.engines.policies.slots) == 3, "the others join")
            held = session.loaded["policy"]
            assert len({seat.node for seat in held.seats}) == 3
            assert set(held.seats) == set(held.engines) == set(held.capacities)
            await until(lambda: ray.available_resources().get("CPU") == 1, "its place is free")

    monkeypatch.setattr(RemotePolicy, "loaded", load_all_but_one)
    with cluster_of(3):
        asyncio.run(go())
