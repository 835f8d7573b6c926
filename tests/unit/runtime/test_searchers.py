"""Which searcher a trial goes to, and when the job ends. Searchers without processes."""

import asyncio
from types import SimpleNamespace

import pytest

from tests.patience import PATIENCE_S
from tts_ray.engines.scripted import ScriptedPolicy
from tts_ray.errors import EngineDied, EnginesLost
from tts_ray.evaluate import Engines, Trial, solve
from tts_ray.replicas import PolicyPool
from tts_ray.runtime.pod import Limits
from tts_ray.runtime.searcher import PodLost, Report
from tts_ray.runtime.searchers import Searchers
from tts_ray.search.registry import make_search
from tts_ray.types import Problem, Sampling

TRIALS = [
    Trial(Problem.of(f"What is {i}?", str(i)), make_search("majority", {"n": 4}), Sampling(), 0)
    for i in range(4)
]


class Here:
    """A searcher in this process: `fails` are raised by its first calls, one each."""

    def __init__(self, policies=1, alive=None, fails=(), idle=0.0):
        self.name = "searcher"
        self.replicas = {"policy": [object()] * policies}
        self.report = Report(
            {"policy": policies},
            {"policy": policies if alive is None else alive},
            {"policy": idle},
            [],
        )
        self.is_lost = False
        self.fails = list(fails)
        self.asked = 0
        self.calls = (0.0, 0.0)
        self.back = asyncio.Event()

    @property
    def serves(self):
        return bool(self.report.alive["policy"])

    async def solve(self, trial):
        self.asked += 1
        await asyncio.sleep(0)
        if self.fails:
            failure = self.fails.pop(0)
            self.is_lost = isinstance(failure, PodLost)
            raise failure
        return await solve(trial, Engines(PolicyPool([ScriptedPolicy()]), None))

    async def ready(self):
        await self.back.wait()

    async def ask(self):
        pass


def records_of(make, trials=TRIALS, least=1, **limits):
    """The records of trials that are handed out at once, and the searchers."""

    async def go():
        made = make()
        searchers = Searchers(made, Limits(**limits), {"policy": least})
        try:
            return await asyncio.gather(*map(searchers.solve, trials)), made
        finally:
            searchers.close()

    return asyncio.run(asyncio.wait_for(go(), PATIENCE_S))


def test_trials_go_to_the_searcher_with_the_least_in_flight():
    records, made = records_of(lambda: [Here(), Here()])
    assert [record.problem for record in records] == [trial.problem for trial in TRIALS]
    assert [each.asked for each in made] == [2, 2]


def test_a_searcher_without_a_living_replica_gets_none():
    _, made = records_of(lambda: [Here(alive=0), Here()])
    assert [each.asked for each in made] == [0, 4]


def test_trials_of_a_dead_searcher_and_of_a_lost_pod_begin_again_elsewhere():
    for failure in (EngineDied("killed"), PodLost("none is alive")):
        records, made = records_of(lambda failure=failure: [Here(fails=[failure] * 2), Here()])
        assert not any(record.error for record in records)
        assert sorted(record.repeats for record in records) == [0, 0, 1, 1]
        assert [each.asked for each in made] == [2, 4]


def test_pods_that_are_lost_are_no_attempts_at_a_trial():
    lost = PodLost("none is alive")
    (record,), _ = records_of(
        lambda: [*(Here(fails=[lost]) for _ in range(4)), Here()], TRIALS[:1], attempts=2
    )
    assert record.error is None
    assert record.repeats == 4


def test_a_trial_that_each_of_its_searchers_dies_of_is_a_record_with_the_error():
    (record,), _ = records_of(
        lambda: [Here(fails=[EngineDied("killed")]) for _ in range(3)], TRIALS[:1], attempts=2
    )
    assert record.error == "EngineDied: killed"
    assert record.search == TRIALS[0].search.id
    assert not record.nodes


def test_the_job_ends_once_all_pods_are_lost():
    with pytest.raises(EnginesLost, match="none is alive"):
        records_of(lambda: [Here(fails=[PodLost("none is alive")] * 9) for _ in range(2)])


def test_the_job_ends_once_too_few_replicas_are_alive_in_all():
    with pytest.raises(EnginesLost, match="3 of 4 policy replicas are alive, fewer than 4"):
        records_of(lambda: [Here(2), Here(2, alive=1)], least=4, revival_s=0.01)


def test_the_job_ends_once_no_pod_has_what_a_search_needs():
    with pytest.raises(EnginesLost, match="no searcher of 2 has a living replica of each role"):
        records_of(lambda: [Here(alive=0), Here(alive=0)], least=0, revival_s=0.01)


def test_the_idle_share_is_that_of_all_replicas_together():
    async def go():
        made = [Here(3, idle=0.2), Here(1, idle=0.6)]
        searchers = Searchers(made, Limits(), {"policy": 1})
        share = searchers.idle_shares["policy"]
        searchers.close()
        return share

    assert asyncio.run(go()) == pytest.approx(0.3)


def test_a_late_replica_goes_to_the_smallest_pod():
    async def go():
        made = [Here(2), Here(1)]
        searchers = Searchers(made, Limits(), {"policy": 1})
        await searchers.add("policy", SimpleNamespace(actor="late"))
        searchers.close()
        return [each.replicas["policy"][-1] == "late" for each in made]

    assert asyncio.run(go()) == [False, True]


def test_what_the_calls_of_a_pod_tell_is_told_once():
    told = []

    async def go():
        here = Here()
        here.calls = (30.0, 40.0)
        searchers = Searchers([here], Limits(), {"policy": 1})
        try:
            for trial in TRIALS[:2]:
                await searchers.solve(trial, lambda *sums: told.append(sums))
        finally:
            searchers.close()

    asyncio.run(asyncio.wait_for(go(), PATIENCE_S))
    assert told == [(30.0, 40.0)]


def test_a_pod_that_has_lost_replicas_gets_fewer_trials():
    _, made = records_of(lambda: [Here(policies=4, alive=1), Here(policies=4)])
    assert [each.asked for each in made] == [1, 3]
