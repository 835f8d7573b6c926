"""An engine's process: what it begins with, and why it is lost, in one line."""

import os

import pytest
from ray.exceptions import ActorDiedError, RayTaskError

from tts_ray.engines.load import ScriptedPolicySpec, load
from tts_ray.runtime import actors
from tts_ray.runtime.actors import EngineActor, cause

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
