import asyncio

import pytest

from tests.patience import PATIENCE_S
from tts_ray.admission import OVERLAP, Admission
from tts_ray.engines.scripted import Faults, ScriptedPolicy, ScriptedReward
from tts_ray.errors import StoreError
from tts_ray.evaluate import Engines, Trial, evaluate
from tts_ray.replicas import PolicyPool, RewardPool
from tts_ray.search.registry import make_search
from tts_ray.types import Finish, Problem, Sampling, Step, Usage

PROBLEMS = [Problem.of(f"What is {i}?", str(i)) for i in range(6)]
SEARCHES = [make_search("best_of_n", {"n": 8}), make_search("beam_search", {"n": 8})]


def records_of(policies, rewards, sink=None, problems=PROBLEMS, admission=None):
    records = []

    async def keep(_, record):
        records.append(record)

    async def go():
        work = [Trial(p, search, Sampling(), 0) for search in SEARCHES for p in problems]
        engines = Engines(PolicyPool(policies), RewardPool(rewards))
        room = admission or Admission(64, 1 << 20)
        await evaluate(work, engines, room, sink or keep)

    asyncio.run(asyncio.wait_for(go(), PATIENCE_S))
    return records


def test_every_problem_and_search_gives_exactly_one_record():
    records = records_of([ScriptedPolicy()], [ScriptedReward()])
    keys = {(record.problem.id, record.search) for record in records}
    assert len(records) == len(keys) == 12
    assert all(record.error is None for record in records)


def test_records_do_not_depend_on_how_many_replicas_there_are_or_what_fails():
    def facts(records):
        return {(r.problem.id, r.search): r.candidates for r in records}

    one = records_of([ScriptedPolicy()], [ScriptedReward()])
    flaky = ScriptedPolicy(faults=Faults(fail=frozenset({1, 4, 9})))
    many = records_of([ScriptedPolicy(), flaky], [ScriptedReward(), ScriptedReward()])
    assert facts(one) == facts(many)
    assert sum(record.repeats for record in many) > 0


def test_a_poison_problem_is_a_record_with_its_error_and_the_others_finish():
    policy = ScriptedPolicy(faults=Faults(poison="What is 3?"))
    records = records_of([policy], [ScriptedReward()])
    failed = [record for record in records if record.error]
    assert {record.problem.question for record in failed} == {"What is 3?"}
    assert len(failed) == 2
    assert len(records) == 12
    assert "scripted failure" in failed[0].error
    assert failed[0].candidates == ()


def test_a_sink_that_fails_stops_the_run_with_its_own_error():
    async def full(_, record):
        raise StoreError("disk full")

    with pytest.raises(StoreError, match="disk full"):
        records_of([ScriptedPolicy()], [ScriptedReward()], full)


def test_no_more_sequences_are_let_in_than_fit_while_all_run_as_long():
    admission = Admission(sequences=8, kv_tokens=1 << 20)
    seen = []

    class Watching(ScriptedPolicy):
        async def propose(self, problem, paths, *args, **kwargs):
            seen.append(admission.inside)
            return [(Step("So.", (1, 2), Finish.EOS, 0.0),) for _ in paths], Usage(
                calls=1, generated_tokens=2 * len(paths)
            )

    records_of([Watching()], [ScriptedReward()], admission=admission)
    assert 8 < max(seen) <= 8 * OVERLAP


def test_the_calls_of_a_run_tell_admission_how_long_sequences_run():
    admission = Admission(sequences=8, kv_tokens=1 << 20)

    class Uneven(ScriptedPolicy):
        async def propose(self, problem, paths, *args, **kwargs):
            lengths = [8] + [1] * (len(paths) - 1)
            steps = [(Step("So.", (1,) * length, Finish.EOS, 0.0),) for length in lengths]
            return steps, Usage(calls=1, generated_tokens=sum(lengths))

    records_of([Uneven()], [ScriptedReward()], admission=admission)
    assert admission.running_share == pytest.approx(15 / 64)


def test_a_tree_larger_than_the_engines_still_runs():
    assert len(records_of([ScriptedPolicy()], [ScriptedReward()], admission=Admission(1, 1))) == 12


def test_kept_answers_are_marked_among_all_candidates_that_ended():
    found = records_of([ScriptedPolicy()], [ScriptedReward()])
    beam = [record for record in found if record.search.name == "beam_search"]
    assert all(sum(candidate.kept for candidate in record.candidates) == 2 for record in beam)
    assert all(len(record.candidates) == 8 for record in beam)


def test_a_search_in_which_nothing_was_generated_has_failed():
    class Silent(ScriptedPolicy):
        async def propose(self, problem, paths, *args, **kwargs):
            if problem.question != "What is 3?":
                return await super().propose(problem, paths, *args, **kwargs)
            return [(Step("", (), Finish.LENGTH, 0.0),) for _ in paths], Usage(calls=1)

    records = records_of([Silent()], [ScriptedReward()])
    failed = [record for record in records if record.error]
    assert {record.problem.question for record in failed} == {"What is 3?"}
    assert len(failed) == 2
    assert all("no token was generated" in record.error for record in failed)
    assert all(record.policy_usage.generated_tokens for record in records if not record.error)
