"""What a run of N says of k of its units: against every subset of units, and separate runs."""

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.search.conftest import run_search
from tts_ray.analysis.metrics import Pool, expected_accuracy, pass_at_k
from tts_ray.analysis.outcomes import Outcome, units
from tts_ray.engines.scripted import ScriptedPolicy, ScriptedReward, draw
from tts_ray.grading.selection import (
    AGGREGATIONS,
    aggregate,
    path_weights,
    right_groups,
    scoring_and_voting,
    select,
)
from tts_ray.results.schema import to_row
from tts_ray.search.beam_search import BeamSearch
from tts_ray.search.best_of_n import BestOfN
from tts_ray.search.dvts import Dvts
from tts_ray.search.evidence import evidence
from tts_ray.search.search import Search
from tts_ray.types import Finish, Grade, Problem, Record, State, Step, Usage

RIGHT = 7
SEEDS = 250


@st.composite
def pools(draw, most=5, most_candidates=9):
    """Units of unequal sizes, some empty; members of a group may have different grades."""
    count = draw(st.integers(1, most))
    of = sorted(draw(st.lists(st.integers(0, count - 1), max_size=most_candidates)))
    n = len(of)
    groups = draw(st.lists(st.none() | st.integers(0, 2), min_size=n, max_size=n))
    correct = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    score = st.sampled_from([0.25, 0.5, 0.75, math.nan])
    steps = draw(st.lists(st.lists(score, max_size=2), min_size=n, max_size=n))
    return Pool(groups, correct, steps, of, count)


def is_right(pool, aggregation, chosen):
    """Whether a run that left these candidates would have been right."""
    groups, correct, steps = (
        [column[i] for i in chosen] for column in (pool.groups, pool.correct, pool.step_scores)
    )
    how, vote = scoring_and_voting(aggregation) or (None, None)
    if vote != "max":
        return aggregate(aggregation, groups, steps) in right_groups(groups, correct)
    weights = path_weights(steps, how)
    each_its_own = [None if group is None else at for at, group in enumerate(groups)]
    best = select(each_its_own, weights, "max")
    return best is not None and correct[best]


def by_enumeration(pool, aggregation, k):
    """Mean over all subsets of k units, each in the order of the pool."""
    found = []
    for those in combinations(range(pool.size), k):
        chosen = [i for i, unit in enumerate(pool.unit_of) if unit in those]
        found.append(is_right(pool, aggregation, chosen))
    return sum(found) / len(found)


@settings(max_examples=300)
@given(pools(), st.sampled_from(AGGREGATIONS))
def test_few_units_are_read_exactly_at_every_k(pool, aggregation):
    ks = range(1, pool.size + 1)
    expected = [by_enumeration(pool, aggregation, k) for k in ks]
    assert expected_accuracy(pool, aggregation, ks) == pytest.approx(expected)


@given(pools(), st.sampled_from(AGGREGATIONS))
def test_one_unit_and_all_units_need_no_draws(pool, aggregation):
    expected = [by_enumeration(pool, aggregation, k) for k in (1, pool.size)]
    assert expected_accuracy(pool, aggregation, [1, pool.size], draws=1) == pytest.approx(expected)


@settings(max_examples=30)
@given(pools(most=7, most_candidates=14), st.sampled_from(AGGREGATIONS), st.integers(0, 9))
def test_draws_of_units_are_within_their_error(pool, aggregation, seed):
    for k in range(2, pool.size):
        draws = math.comb(pool.size, k) - 1
        (found,) = expected_accuracy(pool, aggregation, [k], draws=draws, seed=seed)
        error = 0.5 / math.sqrt(draws)
        assert abs(found - by_enumeration(pool, aggregation, k)) <= 5 * error


@given(pools(), st.sampled_from(AGGREGATIONS), st.integers(1, 3))
def test_without_units_every_candidate_is_one(pool, aggregation, draws):
    n = len(pool.groups)
    own, plain = replace(pool, units=range(n), count=n), replace(pool, units=None, count=None)
    ks = range(1, n + 1)
    assert expected_accuracy(own, aggregation, ks, draws=draws) == expected_accuracy(
        plain, aggregation, ks, draws=draws
    )
    assert (own.size, own.right_units) == (plain.size, plain.right_units)


@given(pools())
def test_the_ceiling_is_the_share_of_subsets_with_a_right_answer(pool):
    right = {
        unit
        for unit, group, correct in zip(pool.unit_of, pool.groups, pool.correct, strict=True)
        if correct and group is not None
    }
    for k in range(1, pool.size + 1):
        subsets = [bool(right & set(those)) for those in combinations(range(pool.size), k)]
        ceiling = pass_at_k(pool.size, pool.right_units, k)
        assert ceiling == pytest.approx(sum(subsets) / len(subsets))


def test_a_group_is_as_most_of_its_members_in_the_subset_are():
    pool = Pool([0, 0, 0], [True, False, False], [()] * 3)
    assert expected_accuracy(pool, "majority", [1, 2, 3]) == pytest.approx([1 / 3, 0, 0])
    pool = Pool([0, 0, 0], [True, True, False], [()] * 3)
    assert expected_accuracy(pool, "majority", [1, 2, 3]) == pytest.approx([2 / 3, 1 / 3, 1])


@pytest.mark.parametrize(
    ("of", "count", "named"),
    [
        ([0, 1], 2, "a unit for each candidate"),
        ([0, 1, 1], None, "a unit for each candidate"),
        (None, 3, "a unit for each candidate"),
        ([0, 1, 2], 2, r"every unit must be in 0\.\.1"),
        ([0, -1, 0], 2, r"every unit must be in 0\.\.1"),
    ],
)
def test_units_that_do_not_fit_their_candidates_are_refused(of, count, named):
    with pytest.raises(ValueError, match=named):
        Pool([0, 0, 0], [True] * 3, [()] * 3, of, count)


def write(path, seed, depth):
    """Solutions that are right in about a third of the cases and now and then cut."""
    if len(path.steps) + 1 < depth:
        return Step(f"Step {seed % 1000}\n\n", (seed % 1000,), Finish.STEP, -1.0)
    digit = RIGHT if draw("right", seed) % 3 == 0 else draw("digit", seed) % 4
    finish = Finish.LENGTH if draw("cut", seed) % 5 == 0 else Finish.EOS
    return Step(f"{digit}", (digit,), finish, -1.0)


def judge(question, text):
    """Scores that know something of what is right."""
    return draw(question, text) / 2**33 + 0.3 * text.endswith(str(RIGHT))


def record_of(search: Search, seed: int) -> Record:
    """One search on a problem of its own, graded."""
    made = run_search(
        search,
        ScriptedPolicy(write=write),
        ScriptedReward(judge=judge),
        problem=Problem.of(f"Question {seed}", str(RIGHT)),
    )
    nodes, candidates = evidence(made.tree.ledger.born, {path.lineage for path in made.answers})
    numbers: dict[str, int] = {}
    graded = []
    for candidate in candidates:
        node, grade = nodes[candidate.leaf], Grade()
        if node.state is State.COMPLETE:
            text = node.step.text
            group = numbers.setdefault(text, len(numbers))
            grade = Grade(text, group, text == str(RIGHT))
        graded.append(replace(candidate, grade=grade))
    usage = Usage(generated_tokens=1)
    return Record(made.tree.problem, search.id, 0, nodes, tuple(graded), usage, usage, 0, 0.1)


def outcomes_of(search: Search, first_seed: int) -> list[Outcome]:
    return [Outcome.of(record_of(search, first_seed + at)) for at in range(SEEDS)]


@pytest.fixture(scope="module")
def wide() -> list[Outcome]:
    """Runs of DVTS with N = 16 and M = 4."""
    return outcomes_of(Dvts(n=16), 0)


@pytest.mark.parametrize("n", [4, 8, 16])
def test_a_run_of_dvts_says_what_separate_runs_of_fewer_subtrees_come_to(wide, n):
    apart = outcomes_of(Dvts(n=n), 1000 * n)
    for aggregation in ("majority", "last-vote", "last-max", "min-vote"):
        read = np.array([outcome.chances(aggregation, [n])[0] for outcome in wide])
        ran = np.array([float(outcome.right(aggregation)) for outcome in apart])
        error = math.sqrt((read.var() + ran.var()) / SEEDS)
        assert abs(read.mean() - ran.mean()) < 3 * error
        assert 0.1 < ran.mean() < 0.95


def test_more_subtrees_say_something_else_than_fewer(wide):
    """So that the comparison with separate runs could fail."""
    few, many = np.array([outcome.chances("last-max", [4, 16]) for outcome in wide]).T
    assert many.mean() - few.mean() > 5 * math.sqrt((few.var() + many.var()) / SEEDS)


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("m", [2, 4, 5])
def test_the_first_subtrees_of_a_run_are_the_run_of_as_many(k, m):
    large, small = (Outcome.of(record_of(Dvts(n=count * m, m=m), 3)).pool for count in (6, k))
    first = [i for i, unit in enumerate(large.unit_of) if unit < k]
    for column in ("correct", "step_scores", "units"):
        assert [getattr(large, column)[i] for i in first] == list(getattr(small, column))
    assert [large.groups[i] is None for i in first] == [group is None for group in small.groups]
    for aggregation in AGGREGATIONS:
        ran = bool(expected_accuracy(small, aggregation, [k])[0])
        assert is_right(large, aggregation, first) == ran


def test_a_stored_run_has_the_units_that_it_had():
    record = record_of(Dvts(n=12, m=3), 0)
    pool = Outcome.of(record).pool
    assert pool.size == 4
    assert set(pool.unit_of) == {0, 1, 2, 3}
    assert Outcome.from_row(to_row(record)).pool == pool


@pytest.mark.parametrize(
    ("search", "found"),
    [
        (Dvts(n=8), ((0, 0, 1), 2)),
        (Dvts(n=8, m=2), ((0, 1, 3), 4)),
        (BestOfN(n=8), (None, None)),
        (BeamSearch(n=8), (None, None)),
    ],
    ids=str,
)
def test_a_unit_is_what_grew_from_its_first_children(search, found):
    assert units(search.id, [0, 3, 7]) == found
