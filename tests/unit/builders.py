"""Records, outcomes and run directories for tests: the one place that knows how they are made."""

import asyncio
from dataclasses import dataclass, replace

from tts_ray.analysis.outcomes import Outcome
from tts_ray.results.run_directory import RunDirectory
from tts_ray.search.best_of_n import BestOfN
from tts_ray.search.evidence import evidence
from tts_ray.types import (
    NO_USAGE,
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


@dataclass(frozen=True)
class Solution:
    """A path that ended, without its place in a tree."""

    steps: tuple[Step, ...]
    scores: tuple[float, ...]
    grade: Grade | None
    kept: bool = True


def solution(
    text="So \\boxed{1}.", scores=(), grade=None, *, kept=True, finish=Finish.EOS
) -> Solution:
    """A solution of as many steps as scores, one at least; the last of them says `text`."""
    before = [Step(f"Step {at}.\n\n", (at,), Finish.STEP, -0.5) for at in range(len(scores) - 1)]
    return Solution((*before, Step(text, (5, 6), finish, -0.5)), tuple(scores), grade, kept)


def candidate(
    answer="1", *, group=0, correct=True, scores=(0.5,), kept=True, ungraded=None
) -> Solution:
    """A graded solution that boxes its answer; None is a path that never ended."""
    if answer is None:
        return solution("So.", scores, Grade(), kept=kept, finish=Finish.LENGTH)
    known = Ungraded(ungraded) if ungraded else None
    grade = Grade(answer, group, correct, known)
    return solution(f"So \\boxed{{{answer}}}.", scores, grade, kept=kept)


RIGHT, WRONG = candidate(), candidate("2", group=1, correct=False)


def record(
    problem,
    *solutions,
    search=SEARCH,
    level=None,
    generated=10,
    judged=0,
    repeats=0,
    seconds=0.5,
    error=None,
    question_tokens=4,
) -> Record:
    """A pool of a problem, or of the problem that is named by its question, whose answer is 1.

    Args:
        generated, judged: tokens, of the policy and the reward model.
    """
    born = {(at,): Path(each.steps, each.scores, (at,)) for at, each in enumerate(solutions)}
    kept = {(at,) for at, each in enumerate(solutions) if each.kept}
    nodes, candidates = evidence(born, kept)
    graded = zip(candidates, solutions, strict=True)
    return Record(
        problem if isinstance(problem, Problem) else Problem.of(problem, "1", level),
        search,
        0,
        nodes,
        tuple(replace(candidate, grade=each.grade) for candidate, each in graded),
        Usage.of_request(question_tokens, 0, generated) if generated else NO_USAGE,
        Usage.of_request(judged, 0) if judged else NO_USAGE,
        repeats,
        seconds,
        error,
        question_tokens,
    )


def failed(problem, *solutions, **facts) -> Record:
    """An attempt that came to nothing, at some cost."""
    return record(problem, *solutions, error="EngineDied: gone", **facts)


def outcome(problem, *solutions, **facts) -> Outcome:
    """What analysis keeps of such a record."""
    return Outcome.of(record(problem, *solutions, **facts))


def write(folder, *batches, identity=IDENTITY, about=ABOUT):
    """Store batches of records one after the other, each as records that arrived together."""

    async def append_all():
        with RunDirectory(folder, identity, about) as directory:
            for batch in batches:
                await asyncio.gather(*map(directory.append, batch))

    asyncio.run(append_all())
