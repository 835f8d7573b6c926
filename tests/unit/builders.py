"""Records, outcomes and run directories for tests: the one place that knows how they are made."""

import asyncio
from dataclasses import replace

from tts_ray.analysis.outcomes import Outcome
from tts_ray.results.run_directory import RunDirectory
from tts_ray.search.best_of_n import BestOfN
from tts_ray.types import (
    NO_USAGE,
    Candidate,
    Finish,
    Grade,
    Path,
    Problem,
    Record,
    Step,
    Ungraded,
    Usage,
)

SEARCH = BestOfN(n=2).id
IDENTITY = {
    "policy": {"name": "p"},
    "prm": None,
    "dataset": {"name": "d"},
    "search": {"name": "best_of_n", "n": 2},
    "seed": 0,
}
ABOUT = {"sizes": {"policy": {"nominal": 1e6, "dimensions": None}, "prm": None}, "config": {}}


def candidate(
    answer="1", *, group=0, correct=True, scores=(0.5,), kept=True, ungraded=None
) -> Candidate:
    """A graded path that boxes its answer; None is a path that never ended."""
    said, finish = ("So.", Finish.LENGTH) if answer is None else (answer, Finish.EOS)
    steps = tuple(
        Step(f"So \\boxed{{{said}}}.", (at,), finish, -0.5) for at in range(len(scores) or 1)
    )
    if answer is None:
        return Candidate(Path(steps, tuple(scores)), kept, Grade())
    known = Ungraded(ungraded) if ungraded else None
    return Candidate(Path(steps, tuple(scores)), kept, Grade(answer, group, correct, known))


RIGHT, WRONG = candidate(), candidate("2", group=1, correct=False)


def record(
    problem,
    *candidates,
    search=SEARCH,
    level=None,
    generated=10,
    judged=0,
    repeats=0,
    seconds=0.5,
    error=None,
    question_tokens=4,
) -> Record:
    """A search of a problem, or of the problem that is named by its question, whose answer is 1.

    Args:
        generated, judged: tokens, of the policy and the reward model.
    """
    return Record(
        problem if isinstance(problem, Problem) else Problem.of(problem, "1", level),
        search,
        0,
        tuple(
            replace(each, path=replace(each.path, lineage=(at,)))
            for at, each in enumerate(candidates)
        ),
        Usage.of_request(question_tokens, 0, generated) if generated else NO_USAGE,
        Usage.of_request(judged, 0) if judged else NO_USAGE,
        repeats,
        seconds,
        error,
        question_tokens,
    )


def failed(problem, **facts) -> Record:
    """An attempt that came to nothing, at some cost."""
    return record(problem, error="EngineDied: gone", **facts)


def outcome(problem, *candidates, **facts) -> Outcome:
    """What analysis keeps of such a record."""
    return Outcome.of(record(problem, *candidates, **facts))


def write(folder, *batches, identity=IDENTITY, about=ABOUT):
    """Store batches of records one after the other, each as records that arrived together."""

    async def append_all():
        with RunDirectory(folder, identity, about) as directory:
            for batch in batches:
                await asyncio.gather(*map(directory.append, batch))

    asyncio.run(append_all())
