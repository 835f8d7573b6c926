"""From the candidates of one problem to the one answer they stand for: scoring and voting.

Scoring turns the step scores of a path into one number, voting turns paths into an answer
(arXiv 2502.06703, sections 2 and 3; the paper's "avg" is called mean here, prod is an addition).

What wins is right or wrong: the answer of the best path by its own grade, a group as most of its
candidates are (`right_groups`), since the members of a group need not all have the same grade.

Invariants: a missing answer (group None) never wins. An unscored path (a nan among its step
scores, or none at all) takes no part in what needs scores. With nobody left there is no winner.
Ties are broken by order alone: the earliest path of the best ones, or the group whose first
voting path comes earliest. A product of many scores is below the smallest float, so products are
compared and added up as whole numbers, exactly.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from tts_ray.errors import ConfigError

Weight = float | int
"""What a path weighs beside other paths: its score, or a whole number in proportion to it."""

SCORINGS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "last": lambda scores: scores[-1],
    "min": min,
    "mean": lambda scores: math.fsum(scores) / len(scores),
    "prod": math.prod,
}
VOTINGS = ("max", "vote")
MAJORITY = "majority"
AGGREGATIONS = (MAJORITY, *(f"{how}-{vote}" for how in SCORINGS for vote in VOTINGS))


def scoring_and_voting(aggregation: str) -> tuple[str, str] | None:
    """The two halves of a name like "min-vote", None for majority; ConfigError if unknown."""
    if aggregation not in AGGREGATIONS:
        raise ConfigError(f"no aggregation {aggregation!r}; there are {', '.join(AGGREGATIONS)}")
    if aggregation == MAJORITY:
        return None
    how, vote = aggregation.split("-")
    return how, vote


def path_score(scores: Sequence[float], how: str) -> float:
    """The score of a path from those of its steps; nan if there are none or any is not finite. A
    product of many steps may be 0 as a float: paths are compared by `path_weights`."""
    if how not in SCORINGS:
        raise ConfigError(f"no scoring {how!r}; there are {', '.join(SCORINGS)}")
    if not scores or not all(map(math.isfinite, scores)):
        return math.nan
    return float(SCORINGS[how](scores))


def path_weights(paths: Sequence[Sequence[float]], how: str) -> list[Weight | None]:
    """What each path weighs, from the scores of its steps; None if it is unscored. Weights of one
    list are in proportion to the paths' scores, to be compared with each other and added up."""
    scores = [path_score(steps, how) for steps in paths]
    if how != "prod":
        return [None if math.isnan(score) else score for score in scores]
    products = {
        at: exact_product(paths[at]) for at, score in enumerate(scores) if not math.isnan(score)
    }
    finest = max((bits for _, bits in products.values()), default=0)
    whole: dict[int, Weight] = {at: n << (finest - bits) for at, (n, bits) in products.items()}
    return [whole.get(at) for at in range(len(paths))]


def exact_product(scores: Sequence[float]) -> tuple[int, int]:
    """The product of finite floats as n / 2**bits."""
    ratios = [score.as_integer_ratio() for score in scores]
    return math.prod(n for n, _ in ratios), sum(d.bit_length() - 1 for _, d in ratios)


def majority(groups: Iterable[int | None]) -> int | None:
    """The group of the most candidates; scores play no part."""
    votes: dict[int, int] = {}
    for group in groups:
        if group is not None:
            votes[group] = votes.get(group, 0) + 1
    # max returns the first of equals, and a dict keeps the order of first appearance.
    return max(votes, key=lambda group: votes[group], default=None)


def select(groups: Sequence[int | None], weights: Sequence[Weight | None], vote: str) -> int | None:
    """The winning group: "max" the group of the best path, "vote" that of the largest sum.

    Sums are exact or correctly rounded, so the order of the paths cannot break a tie between them.

    Args:
        weights: of the paths, as `path_weights`.
    """
    if vote not in VOTINGS:
        raise ConfigError(f"no voting {vote!r}; there are {', '.join(VOTINGS)}")
    voters = [
        (group, weight)
        for group, weight in zip(groups, weights, strict=True)
        if group is not None and weight is not None
    ]
    if vote == "max":
        return max(voters, key=lambda voter: voter[1], default=(None, math.nan))[0]
    ballots: dict[int, list[Weight]] = {}
    for group, weight in voters:
        ballots.setdefault(group, []).append(weight)
    return max(ballots, key=lambda group: total(ballots[group]), default=None)


def total(weights: Sequence[Weight]) -> Weight:
    """The sum of weights: whole numbers exactly, however large, and floats correctly rounded."""
    return sum(weights) if isinstance(weights[0], int) else math.fsum(weights)


def aggregate(
    name: str, groups: Sequence[int | None], step_scores: Sequence[Sequence[float]]
) -> int | None:
    """The group that aggregation `name` selects; `step_scores[i]` belongs to `groups[i]`."""
    halves = scoring_and_voting(name)
    if halves is None:
        return majority(groups)
    how, vote = halves
    return select(groups, path_weights(step_scores, how), vote)


def right_groups(groups: Sequence[int | None], correct: Sequence[bool]) -> frozenset[int]:
    """The groups that count as correct: more than half of their candidates are.

    The members of a group may have different grades: 25% and 0.25 are one answer, and beside a
    reference of 25 only the first is right.
    """
    balance: dict[int, int] = {}
    for group, is_right in zip(groups, correct, strict=True):
        if group is not None:
            balance[group] = balance.get(group, 0) + (1 if is_right else -1)
    return frozenset(group for group, more in balance.items() if more > 0)
