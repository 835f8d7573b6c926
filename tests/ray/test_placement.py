"""Places of real sizes on a cluster of two nodes with four logical GPUs each.

The engines are scripted: what is checked is where they are and which GPUs they see.
"""

import asyncio
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import ray
from ray.cluster_utils import Cluster
from ray.util.placement_group import (
    placement_group,
    placement_group_table,
    remove_placement_group,
)

from tests.patience import PATIENCE_S
from tts_ray.config import load_config
from tts_ray.engines.load import ScriptedPolicySpec, ScriptedRewardSpec
from tts_ray.errors import PlacementError
from tts_ray.runtime.fleets import fleets
from tts_ray.runtime.local_ray import NO_RAY_METRICS
from tts_ray.runtime.place import Place
from tts_ray.runtime.placement import cards, groups_of, release, reserve
from tts_ray.runtime.plan import plan
from tts_ray.runtime.session import Fleet, Session

CONFIGS = Path(__file__).parents[2] / "configs"
POLICY, REWARD = ScriptedPolicySpec(), ScriptedRewardSpec()


@pytest.fixture(scope="module", autouse=True)
def two_nodes():
    cluster = Cluster()
    cluster.add_node(num_cpus=8, num_gpus=4, _system_config=NO_RAY_METRICS)
    cluster.add_node(num_cpus=8, num_gpus=4)
    ray.init(address=cluster.address, log_to_driver=False)
    yield
    ray.shutdown()
    cluster.shutdown()


def seat(actor):
    """The node of an actor and the GPUs it sees."""
    where = actor.__ray_call__.remote(
        lambda _: (ray.get_runtime_context().get_node_id(), tuple(map(str, ray.get_gpu_ids())))
    )
    return ray.get(where, timeout=PATIENCE_S)


def seats(*fleet_list):
    """The seats of all replicas of a session."""

    async def go():
        async with Session() as session:
            await session.use(dict(zip(("policy", "prm"), fleet_list, strict=False)))
            return [seat(actor) for actor in session.actors]

    return asyncio.run(asyncio.wait_for(go(), PATIENCE_S))


def nodes_of(places):
    """For each placement group, how many bundles each of its nodes has."""

    async def go():
        taken = await reserve(places, 60)
        tables = [placement_group_table(group) for group in groups_of(taken)]
        release(taken)
        return [Counter(table["bundles_to_node_id"].values()) for table in tables]

    return asyncio.run(go())


def test_a_tensor_parallel_replica_has_its_gpus_on_one_node():
    found = seats(Fleet(POLICY, 2, Place(gpus=3)), Fleet(REWARD, 2, Place(gpus=1)))
    assert [len(gpus) for _, gpus in found] == [3, 3, 1, 1]
    taken = [(node, gpu) for node, gpus in found for gpu in gpus]
    assert len(set(taken)) == 8


def test_replicas_on_fractions_share_a_card_and_start_one_after_the_other():
    events = []

    class Watched(Session):
        def _start(self, role, held, at):
            engine = super()._start(role, held, at)
            events.append(f"{role} starts")
            loaded = engine.capacity

            async def capacity():
                held = await loaded()
                events.append(f"{role} loaded")
                return held

            engine.capacity = capacity
            return engine

    async def go():
        async with Watched() as session:
            policy, prm = Place(gpus=0.7), Place(gpus=0.3)
            await session.use({"policy": Fleet(POLICY, 1, policy), "prm": Fleet(REWARD, 1, prm)})
            return [seat(actor) for actor in session.actors]

    policy, prm = asyncio.run(asyncio.wait_for(go(), PATIENCE_S))
    assert policy == prm
    assert events == ["policy starts", "policy loaded", "prm starts", "prm loaded"]


def test_a_replica_larger_than_a_node_has_a_bundle_for_each_gpu():
    (found,) = nodes_of([("policy", Place(cpus=1, gpus=8, nodes=2))])
    assert sorted(found.values()) == [4, 4]


def test_the_engine_of_a_replica_over_nodes_holds_no_gpu_itself():
    ((_, gpus),) = seats(Fleet(POLICY, 1, Place(gpus=8, nodes=2)))
    assert gpus == ()


@pytest.mark.parametrize(
    ("policy", "prm", "nodes"),
    [
        ("qwen2.5-72b-instruct", "qwen2.5-math-prm-7b", [1, 1]),
        ("qwen2.5-72b-instruct", "qwen2.5-math-prm-72b", [1, 1]),
        ("qwen2.5-32b-instruct", "skywork-prm-1.5b", [2]),
    ],
)
def test_the_papers_pairs_have_their_places(policy, prm, nodes):
    config = load_config([f"policy={policy}", f"prm={prm}", "dataset=math500"], CONFIGS)
    made = fleets(config, plan(config, cards(80.0)))
    (found,) = nodes_of([(role, fleet.place) for role, fleet in made.items()])
    assert list(found.values()) == nodes


def test_a_replica_that_fits_on_no_node_is_refused_at_once_with_the_reason():
    with pytest.raises(PlacementError, match=r"policy \(1 CPU, 8 GPU\) fits on no single node"):
        nodes_of([("policy", Place(gpus=8))])


def test_a_gang_that_is_not_whole_by_the_deadline_keeps_nothing():
    async def go():
        held = await reserve([("policy", Place(gpus=4))], 60)
        queued = placement_group([{"GPU": 3.0}, {"GPU": 3.0}])
        with pytest.raises(PlacementError, match=r"no room for 1 x policy .*within 3 s") as refused:
            await reserve([("policy", Place(gpus=4)), ("prm", Place(gpus=1))], 3)
        assert "4 of 8 GPU free" in str(refused.value)
        assert "1 other request(s) wait for 0 CPU, 6 GPU" in str(refused.value)
        assert "Add nodes with room for 1 x prm (1 CPU, 1 GPU)" in str(refused.value)
        remove_placement_group(queued)
        again = await reserve([("policy", Place(gpus=4))], 60)
        release([*held, *again])

    asyncio.run(go())


def test_what_was_placed_before_the_deadline_counts_as_room():
    async def go():
        held = await reserve([("prm", Place(gpus=4))], 60)
        spread = ("policy", Place(gpus=4, nodes=2))
        with pytest.raises(PlacementError, match="no room for 1 x policy") as refused:
            await reserve([spread, spread], 3)
        assert "There is room for 1 policy replica(s)" in str(refused.value)
        release(held)

    asyncio.run(go())


def test_a_node_that_is_drained_gets_no_replica():
    head, worker = (node["NodeID"] for node in ray.nodes())
    command = [Path(sys.executable).with_name("ray"), "drain-node", f"--node-id={worker}"]
    command += ["--reason=DRAIN_NODE_REASON_PREEMPTION", "--reason-message=test"]
    command += ["--deadline-remaining-seconds=600"]
    address = f"--address={ray.get_runtime_context().gcs_address}"
    subprocess.run([*command, address], check=True, timeout=PATIENCE_S, capture_output=True)
    (found,) = nodes_of([("policy", Place(cpus=1))] * 4)
    assert set(found) == {head}
