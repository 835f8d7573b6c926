"""Searches in processes of their own, each on a pod of replicas: the same records, whatever is lost
meanwhile. Scripted engines in real actors."""

import asyncio
import logging
import os
import signal
from collections import Counter

import psutil
import pytest
import ray

from tests.patience import PATIENCE_S
from tests.ray.evaluation import PROBLEMS, SEARCHES, TINY, run, trees, until
from tests.ray.test_job import job, rows, started, wait_for_results
from tts_ray.engines.load import ScriptedPolicySpec, ScriptedRewardSpec
from tts_ray.engines.scripted import Faults
from tts_ray.errors import EngineDied, EnginesLost
from tts_ray.evaluate import Trial, evaluate
from tts_ray.runtime.searcher import RemoteSearcher
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


async def inside(actor, ask):
    """What `ask` says of an actor's body."""
    return await actor.__ray_call__.remote(ask)


async def busy(session):
    """The slots of the searchers, once each has trials."""
    slots = session.engines.slots
    await until(lambda: all(slot.load for slot in slots), "work")
    return slots


async def lose_a_policy(session):
    """End the only policy of the first searcher for good."""
    slot, *_ = await busy(session)
    ray.kill(slot.engine.replicas["policy"][0])


@pytest.mark.parametrize("searchers", [1, 3])
def test_searchers_change_nothing_but_who_makes_the_calls(calm, searchers):
    async def see(session):
        slots = await busy(session)
        assert len(slots) == searchers
        assert {len(slot.engine.replicas["policy"]) for slot in slots} == {3 // searchers}

    records = run(*fleets(ScriptedPolicySpec(), 3), see, searchers=searchers)
    assert trees(records) == calm
    assert all(record.error is None and not record.repeats for record in records.values())


def test_the_trials_of_a_killed_searcher_begin_again_and_none_is_lost_or_doubled(calm):
    async def kill_one(session):
        slot, *_ = await busy(session)
        os.kill(await inside(slot.engine.actor, lambda _: os.getpid()), signal.SIGKILL)
        await until(lambda: not slot.alive, "the loss is noticed")
        await until(lambda: slot.alive, "the searcher is back with its replicas")

    records = run(*fleets(SLOW, 2), kill_one, searchers=2)
    assert trees(records) == calm
    assert all(record.error is None for record in records.values())
    assert sum(record.repeats for record in records.values()) > 0


def test_a_stopped_searcher_is_taken_for_dead_killed_and_started_again(calm):
    async def stop_one(session):
        slot, *_ = await busy(session)
        pid = await inside(slot.engine.actor, lambda _: os.getpid())
        os.kill(pid, signal.SIGSTOP)
        await until(lambda: not psutil.pid_exists(pid), "the process is gone")

    assert trees(run(*fleets(SLOW, 2), stop_one, searchers=2, stall_s=4)) == calm


def test_a_trial_with_which_every_searcher_dies_is_a_record_with_that_error(monkeypatch, calm):
    solve = RemoteSearcher.solve

    async def die_of_one(searcher, trial):
        if trial.problem == PROBLEMS[3]:
            raise EngineDied("out of memory")
        return await solve(searcher, trial)

    monkeypatch.setattr(RemoteSearcher, "solve", die_of_one)
    records = run(*fleets(ScriptedPolicySpec(), 2), searchers=2, attempts=2)
    failed = {key: record for key, record in records.items() if record.error}
    assert {(problem, record.error) for (problem, _), record in failed.items()} == {
        (PROBLEMS[3].id, "EngineDied: out of memory")
    }
    assert {record.repeats for record in failed.values()} == {1}
    assert len(failed) == 2
    assert {key: tree for key, tree in trees(records).items() if key not in failed} == {
        key: tree for key, tree in calm.items() if key not in failed
    }


def test_a_pod_that_loses_its_policy_hands_its_trials_on(calm):
    async def lose(session):
        await lose_a_policy(session)
        await until(lambda: session.engines.slots[0].engine.is_lost, "the pod is given up")
        assert not session.engines.slots[1].engine.is_lost

    records = run(*fleets(SLOW, 2), lose, searchers=2, revival_s=1)
    assert trees(records) == calm
    assert all(record.error is None for record in records.values())


def test_too_few_replicas_in_all_end_the_job_and_not_its_problems():
    with pytest.raises(EnginesLost, match="1 of 2 policy replicas are alive, fewer than 2"):
        run(*fleets(SLOW, 2, least=2), lose_a_policy, searchers=2, revival_s=1)


def test_pods_without_any_living_policy_end_the_job():
    async def lose_all(session):
        for slot in await busy(session):
            ray.kill(slot.engine.replicas["policy"][0])

    with pytest.raises(EnginesLost, match="none came back within 1 s"):
        run(*fleets(SLOW, 2), lose_all, searchers=2, revival_s=1)


def test_a_replica_that_comes_late_joins_a_pod(calm):
    async def see(session):
        slots = session.engines.slots
        await until(lambda: sum(slot.engine.report.alive["policy"] for slot in slots) == 3, "it")

    policy = Fleet(SLOW, 3, least=2, **TINY)
    assert trees(run(policy, Fleet(REWARD, 2, **TINY), see, searchers=2)) == calm


def test_a_failed_search_is_its_record_and_a_line_of_the_job(caplog):
    caplog.set_level(logging.INFO, "tts_ray")
    poisoned = ScriptedPolicySpec(faults=Faults(poison="What is 3?"))
    records = run(*fleets(poisoned, 2), searchers=2)
    failed = [record for record in records.values() if record.error]
    assert {record.problem.question for record in failed} == {"What is 3?"}
    assert len(failed) == 2
    for record in failed:
        assert f" of 2: {record.search} failed on problem {record.problem.id}" in caplog.text


def test_what_is_cancelled_here_is_cancelled_in_the_engines():
    never = ScriptedPolicySpec(faults=Faults(hang=frozenset(range(1, 100))))

    async def go():
        async with Session(searchers=2) as session:
            policy, reward = fleets(never, 2)
            await session.use({"policy": policy, "prm": reward})
            engines = [slot.engine.replicas["policy"][0] for slot in session.engines.slots]
            work = [Trial(p, search, Sampling(), 0) for p in PROBLEMS for search in SEARCHES]
            task = asyncio.create_task(evaluate(work, session.engines, session.admission, None))
            for engine in engines:
                while not await inside(engine, lambda body: len(body.engine.calls)):
                    await asyncio.sleep(0.02)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            for engine in engines:
                while await inside(engine, lambda body: len(body.engine.calls) - body.ended):
                    await asyncio.sleep(0.02)

    asyncio.run(asyncio.wait_for(go(), PATIENCE_S))


def test_an_interrupted_job_ends_within_its_grace_and_is_resumed_by_another_number(tmp_path):
    run = tmp_path / "run"
    few, two = "dataset.limit=4", ("policy.replicas=2", "prm.replicas=2", "cluster.searchers=2")
    # The first call of each policy ends, so that there is a result to wait for, and no other does.
    never = f"policy.extra={{hang: {[*range(2, 50)]}}}"
    with started(run, few, never, *two, "cluster.grace_s=0.5") as process:
        wait_for_results(run, process)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 4, said
    assert "Traceback" not in said
    assert 1 <= len(rows(run)) < 8
    done = job(run, few)
    assert done.returncode == 0, done.stdout + done.stderr
    keys = Counter((row["problem_id"], row["search"]) for row in rows(run))
    assert len(keys) == 8
    assert set(keys.values()) == {1}
