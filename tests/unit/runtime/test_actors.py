"""An engine's process: what it begins with, what it says of its calls, and why it is
lost, in one line."""

import asyncio
import os
import pickle

import pytest
from ray.exceptions import ActorDiedError, RayTaskError

from tts_ray.engines.load import ScriptedPolicySpec, ScriptedRewardSpec, load
from tts_ray.engines.scripted import Faults
from tts_ray.errors import EngineError
from tts_ray.runtime import actors
from tts_ray.runtime.actors import EngineActor, cause
from tts_ray.runtime.exchange import Call
from tts_ray.types import Path, Problem, Sampling

REMOTE = """\
\x1b[36mray::EngineActor.__init__()\x1b[39m (pid=7, ip=10.0.0.1, repr=<EngineActor object at 0x7f>)
  File "/a/actors.py", line 34, in __init__
    self.engine, self.capacity = load(spec)
                                 ^^^^^^^^^^
  File "/a/_dataclasses.py", line 121, in __init__
    s.validate_python(args)
pydantic_core._pydantic_core.ValidationError: 1 validation error for SchedulerConfig
max_num_seqs
  Input should be greater than or equal to 1 [type=greater_than_equal, input_value=0]
    For further information visit https://errors.pydantic.dev/2.14/v/greater_than_equal
"""


def test_an_actor_that_failed_to_begin_says_what_its_traceback_ends_in():
    class Remote(RayTaskError):
        def __init__(self):
            self._actor_id = "1"

        def __str__(self):
            return REMOTE

    assert cause(ActorDiedError(Remote())) == (
        "ValidationError: 1 validation error for SchedulerConfig max_num_seqs Input should be "
        "greater than or equal to 1 [type=greater_than_equal, input_value=0]"
    )


def test_an_actor_that_died_says_how_and_not_which_it_was():
    class Died(Exception):
        pass

    error = Died("The actor died.\n\tclass_name: EngineActor\n\tpid: 7\nIts worker was killed.\n")
    assert cause(error) == "Died: The actor died. Its worker was killed."


@pytest.mark.parametrize("text", ["", "a\nb", "x" * 9000, "\x1b[31m" * 99, 'File "a", line 3'])
def test_a_cause_is_always_one_line_of_bounded_length(text):
    for error in (ValueError(text), RuntimeError(f'  File "a", line 1, in f\n{text}')):
        assert cause(error).isprintable()
        assert 0 < len(cause(error)) <= 400


def test_an_engine_is_loaded_in_the_environment_that_it_was_given(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    seen = []

    def look(spec):
        seen.append(os.environ["OMP_NUM_THREADS"])
        return load(spec)

    monkeypatch.setattr(actors, "load", look)
    EngineActor(ScriptedPolicySpec(), {"OMP_NUM_THREADS": "1"})
    assert seen == ["1"]


PROBLEM = Problem.of("1+1?", "2")


async def ends(actor, calls, caller="job"):
    """How `calls` ended, by their keys."""
    found = {}
    while len(found) < len(calls):
        sent = pickle.dumps([] if found else calls)
        found |= {end.key: end for end in pickle.loads(await actor.exchange(caller, sent))}
    return found


def test_each_call_of_an_exchange_has_a_result_or_a_failure_of_its_own():
    actor = EngineActor(ScriptedRewardSpec(Faults(fail=frozenset({2}))), {})
    calls = [Call(key, "score", (PROBLEM, [Path()]), {}) for key in range(3)]
    found = asyncio.run(ends(actor, [*calls, Call(3, "score", (PROBLEM, None), {})]))
    assert [end.result and end.result[0] for _, end in sorted(found.items())] == [
        [()],
        None,
        [()],
        None,
    ]
    assert found[1].failure == "scripted failure of call 2"
    assert found[3].failure.startswith("the engine raised TypeError: ")


def test_progress_counts_calls_and_not_the_exchanges_they_travelled_in():
    async def work():
        actor = EngineActor(ScriptedPolicySpec(faults=Faults(hang=frozenset({3}))), {})
        call = Call(0, "propose", (PROBLEM, [Path()], [0], Sampling()), {})
        await actor.exchange("job", pickle.dumps([call._replace(key=key) for key in range(3)]))
        return await actor.progress()

    assert asyncio.run(work()) == (2, 0)


def test_a_new_caller_ends_what_the_one_before_it_left_and_that_one_is_refused():
    async def work():
        actor = EngineActor(ScriptedRewardSpec(Faults(hang=frozenset({1, 2}))), {})
        calls = [Call(key, "score", (PROBLEM, [Path()]), {}) for key in range(2)]
        left = asyncio.create_task(actor.exchange("before", pickle.dumps(calls)))
        while len(actor.engine.calls) < 2:
            await asyncio.sleep(0)
        found = await ends(actor, calls[:1], "now")
        assert pickle.loads(await left) == []
        with pytest.raises(EngineError, match="serves another searcher now"):
            await actor.exchange("before", pickle.dumps([]))
        await actor.cancel("before", [0])
        return found[0].result[0], actor.ended, list(actor.inboxes)

    assert asyncio.run(work()) == ([()], 3, ["now"])


def test_a_cancelled_call_ends_in_the_engine_and_the_others_go_on():
    async def work():
        actor = EngineActor(ScriptedRewardSpec(Faults(hang=frozenset({1, 2}))), {})
        calls = [Call(key, "score", (PROBLEM, [Path()]), {}) for key in range(3)]
        first = await actor.exchange("job", pickle.dumps(calls))
        await actor.cancel("job", [0, 1])
        rest = await actor.exchange("job", pickle.dumps([]))
        await asyncio.sleep(0)
        return [end.key for end in pickle.loads(first)], pickle.loads(rest), actor.ended

    assert asyncio.run(work()) == ([2], [], 3)
