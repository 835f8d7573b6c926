"""Engines in real Ray actors. Scripted engines stand in for models: the point is the cluster."""

import asyncio

import pytest
import ray

from tests.patience import PATIENCE_S
from tests.ray.evaluation import PROBLEMS, SEARCHES, TINY, run, trees
from tts_ray import pocket
from tts_ray.engines.load import ScriptedPolicySpec, ScriptedRewardSpec
from tts_ray.engines.scripted import Faults
from tts_ray.errors import EngineError, PlacementError
from tts_ray.evaluate import Trial, solve
from tts_ray.runtime.place import Place
from tts_ray.runtime.session import Fleet, Session
from tts_ray.types import Sampling

pytestmark = pytest.mark.usefixtures("cluster")


@pytest.fixture(scope="module")
def calm():
    return run(Fleet(ScriptedPolicySpec(), **TINY), Fleet(ScriptedRewardSpec(), **TINY))


def test_every_search_comes_back_through_actors(calm):
    assert len(calm) == 16
    assert all(record.error is None and record.candidates for record in calm.values())


def test_replicas_change_nothing_but_who_does_the_work(calm):
    many = run(Fleet(ScriptedPolicySpec(), 2, **TINY), Fleet(ScriptedRewardSpec(), 2, **TINY))
    assert trees(many) == trees(calm)


@pytest.mark.parametrize("replicas", [1, 2])
def test_calls_that_die_with_their_actor_are_repeated_and_the_records_say_so(calm, replicas):
    async def kill_the_first_that_works(session):
        while not session.engines.policies.slots[0].load:
            await asyncio.sleep(0)
        ray.kill(session.actors[0], no_restart=False)

    slow = ScriptedPolicySpec(faults=Faults(seconds=0.05))
    records = run(
        Fleet(slow, replicas, **TINY),
        Fleet(ScriptedRewardSpec(), **TINY),
        kill_the_first_that_works,
    )
    assert trees(records) == trees(calm)
    assert sum(record.repeats for record in records.values()) > 0


def test_a_problem_that_always_fails_is_recorded_with_its_error():
    poisoned = ScriptedPolicySpec(faults=Faults(poison="What is 3?"))
    records = run(Fleet(poisoned, **TINY), Fleet(ScriptedRewardSpec(), **TINY))
    failed = [record for record in records.values() if record.error]
    assert {record.problem.question for record in failed} == {"What is 3?"}
    assert all("scripted failure" in record.error for record in failed)


@pytest.mark.parametrize(
    ("asked", "named"), [(Place(512), "512 CPU"), (Place(gpus=512), "512 GPU")]
)
def test_what_the_cluster_can_never_hold_is_refused_at_once_with_the_numbers(asked, named):
    with pytest.raises(PlacementError, match=named) as refused:
        run(Fleet(ScriptedPolicySpec(), place=asked), None)
    assert "the cluster has" in str(refused.value)


def test_what_is_not_free_by_the_deadline_is_refused_and_given_back():
    total = ray.cluster_resources()["CPU"]

    async def go():
        async with Session() as first, Session(placement_s=0.5) as second:
            await first.use({"policy": Fleet(ScriptedPolicySpec(), place=Place(total))})
            with pytest.raises(PlacementError, match=r"within 0\.5 s"):
                await second.use({"policy": Fleet(ScriptedPolicySpec(), place=Place(1))})

    asyncio.run(go())
    half = Place(total / 2)
    run(Fleet(ScriptedPolicySpec(), place=half), Fleet(ScriptedRewardSpec(), place=half))


def test_an_engine_that_cannot_load_is_an_error_that_says_why():
    from tts_ray.engines.spec import PolicySpec

    model = str(pocket.weights("pocket-xs"))
    spec = PolicySpec(model=model, prompt="lama", device="cpu")
    with pytest.raises(EngineError) as refused:
        run(Fleet(spec, **TINY), None)
    assert str(refused.value) == (
        "an engine failed to load: the engine's actor is gone: ConfigError: unknown prompt family "
        "'lama'; choose from llama3, qwen, r1"
    )


def test_models_that_come_again_stay_loaded_and_others_take_their_seats():
    reward = Fleet(ScriptedRewardSpec(), **TINY)
    problem = PROBLEMS[0]

    async def go():
        async with Session() as session:
            await session.use({"policy": Fleet(ScriptedPolicySpec(), **TINY), "prm": reward})
            (_, prm), seats = session.actors, session.loaded["policy"].seats
            await session.use({"policy": Fleet(ScriptedPolicySpec(5), **TINY), "prm": reward})
            assert session.actors[1] is prm
            assert session.loaded["policy"].seats == seats
            trial = Trial(problem, SEARCHES[0], Sampling(), 0)
            record = await solve(trial, session.engines)
            paths = [record.path(each.leaf) for each in record.candidates]
            assert {(len(path.steps), len(path.scores)) for path in paths} == {(5, 5)}
            wider = Fleet(ScriptedPolicySpec(5), 2, **TINY)
            await session.use({"policy": wider, "prm": reward})
            assert len(session.actors) == 3
            assert prm not in session.actors

    asyncio.run(asyncio.wait_for(go(), PATIENCE_S))
