"""Records for tests: one candidate after the other, each a whole solution."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tts_ray.search.best_of_n import BestOfN
from tts_ray.search.evidence import evidence
from tts_ray.types import (
    NO_USAGE,
    Finish,
    Grade,
    Path,
    Problem,
    Record,
    SearchId,
    Step,
    Usage,
)


@dataclass(frozen=True)
class Solution:
    """A path that ended, without its place in a tree."""

    steps: tuple[Step, ...]
    scores: tuple[float, ...] = ()
    kept: bool = True
    grade: Grade | None = None


def solution(
    text: str = "So \\boxed{1}.",
    scores: Sequence[float] = (),
    grade: Grade | None = None,
    *,
    kept: bool = True,
    finish: Finish = Finish.EOS,
) -> Solution:
    """A solution of as many steps as scores, one at least; the last of them says `text`."""
    before = [Step(f"Step {at}.\n\n", (at,), Finish.STEP, -0.5) for at in range(len(scores) - 1)]
    return Solution((*before, Step(text, (5, 6), finish, -0.5)), tuple(scores), kept, grade)


def record(
    *solutions: Solution,
    problem: Problem | None = None,
    number: int = 1,
    search: SearchId | None = None,
    policy_usage: Usage = NO_USAGE,
    reward_usage: Usage = NO_USAGE,
    repeats: int = 0,
    seconds: float = 1.0,
    error: str | None = None,
    question_tokens: int = 0,
) -> Record:
    """The record of a pool, by default of problem `number` and a best-of-N of its size."""
    born = {(at,): Path(each.steps, each.scores, (at,)) for at, each in enumerate(solutions)}
    kept = {(at,) for at, each in enumerate(solutions) if each.kept}
    nodes, candidates = evidence(born, kept)
    graded = zip(candidates, solutions, strict=True)
    return Record(
        problem or Problem.of(f"question {number}", "1", 3),
        search or BestOfN(n=max(1, len(solutions))).id,
        0,
        nodes,
        tuple(replace(candidate, grade=each.grade) for candidate, each in graded),
        policy_usage,
        reward_usage,
        repeats,
        seconds,
        error,
        question_tokens,
    )
