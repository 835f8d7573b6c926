"""The strategies, on evidence made for the purpose."""

from dataclasses import replace

import numpy as np
import pytest

from tts_ray.analysis.compute_optimal import (
    Arm,
    Evidence,
    bins_of,
    cross_validated,
    deployable,
    fixed,
    folds,
    oracle,
    quantile_edges,
    strategy,
)
from tts_ray.search.beam_search import BeamSearch
from tts_ray.search.best_of_n import BestOfN
from tts_ray.search.dvts import Dvts
from tts_ray.search.strategy import Strategy

N = 16
COUNT = 60
BON, BEAM, DVTS = (
    Arm(BestOfN(n=N).id, "last-vote"),
    Arm(BeamSearch(n=N).id, "last-max"),
    Arm(Dvts(n=N).id, "last-vote"),
)
ARMS = (BON, BEAM, DVTS)


def evidence(seed=0, sharp=True):
    """Easy problems are won by best-of-N, hard ones by the beam; or by nothing in particular."""
    rng = np.random.default_rng(seed)
    easy = rng.random(COUNT)
    wins = {BON: easy, BEAM: 1 - easy, DVTS: np.full(COUNT, 0.5)}
    values = {
        arm: (rng.random(COUNT) < (wins[arm] if sharp else 0.5)).astype(float) for arm in ARMS
    }
    costs = {arm: np.full(COUNT, 1.0 + at) for at, arm in enumerate(ARMS)}
    return Evidence(
        tuple(map(str, range(COUNT))), values, costs, easy, 64, easy, np.full(COUNT, 0.25)
    )


def test_the_oracle_gives_every_difficulty_its_best_arm_and_beats_every_fixed_one():
    found = oracle(evidence(), N)
    assert found.routes[0][0] == BEAM
    assert found.routes[0][2] == BON
    assert found.accuracy.mean >= max(fixed(evidence(), arm).accuracy.mean for arm in ARMS)


def test_where_nothing_is_to_be_learnt_the_oracle_is_optimistic_and_the_others_are_not():
    gaps = []
    for seed in range(30):
        made = evidence(seed, sharp=False)
        gaps.append(oracle(made, N).accuracy.mean - cross_validated(made, N).accuracy.mean)
    assert np.mean(gaps) > 0.03


@pytest.mark.parametrize("method", [cross_validated, deployable])
def test_a_folds_choice_sees_none_of_its_outcomes(method):
    made = evidence()
    before = method(made, N).routes
    for at, test in enumerate(folds(COUNT)):
        flipped = {arm: np.where(test, 1 - each, each) for arm, each in made.values.items()}
        assert method(replace(made, values=flipped), N).routes[at] == before[at]


def test_the_deployable_strategy_never_looks_at_pass_at_1():
    made = evidence()
    blind = replace(made, pass_at_1=np.zeros(COUNT))
    assert deployable(made, N).routes == deployable(blind, N).routes
    assert (deployable(made, N).values == deployable(blind, N).values).all()


def test_the_deployable_strategy_pays_for_its_pilot():
    made = evidence()
    free = replace(made, pilot_costs=np.zeros(COUNT))
    extra = deployable(made, N).costs - deployable(free, N).costs
    assert extra == pytest.approx(np.full(COUNT, 0.25))


def test_of_equal_arms_the_cheaper_one_is_chosen():
    made = evidence()
    same = replace(made, values=dict.fromkeys(ARMS, np.ones(COUNT)))
    assert set(oracle(same, N).routes[0].values()) == {BON}
    dear = replace(
        same, costs={BON: np.full(COUNT, 9.0), BEAM: same.costs[BEAM]} | {DVTS: same.costs[DVTS]}
    )
    assert set(oracle(dear, N).routes[0].values()) == {BEAM}


def test_folds_hold_every_problem_once_and_do_not_change():
    parts = folds(23)
    assert (sum(part.astype(int) for part in parts) == 1).all()
    assert all((a == b).all() for a, b in zip(parts, folds(23), strict=True))


def test_an_edge_belongs_to_the_easier_bin():
    values = np.array([0.0, 0.099, 0.1, 0.499, 0.5, 1.0])
    assert bins_of(values, (0.1, 0.5)).tolist() == [0, 0, 1, 1, 2, 2]


def test_quantiles_of_many_equal_values_are_one_edge():
    assert quantile_edges(np.array([0.0, 1.0, 1.0, 1.0, 1.0]), 3) == [1.0]


def test_the_strategy_file_routes_as_the_bins_do_and_survives_being_written():
    found = strategy(evidence())
    routes = found.at(N)
    assert routes[0].search == "beam_search"
    assert routes[-1].search == "best_of_n"
    assert [route.below for route in routes] == sorted(route.below for route in routes)
    assert Strategy.of(found.settings()) == found
