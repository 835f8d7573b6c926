"""The strategy, and the search that runs it."""

import math
from pathlib import Path as File

import pytest

from tts_ray.config import load_config, searches
from tts_ray.engines.scripted import ScriptedReward
from tts_ray.errors import ConfigError
from tts_ray.search.adaptive import Adaptive
from tts_ray.search.best_of_n import BestOfN
from tts_ray.search.strategy import Route, Strategy, estimate
from tts_ray.types import UNSCORED

CONFIGS = File(__file__).parents[3] / "configs"
BY_DIFFICULTY = Strategy.of(
    {
        "pilot": 4,
        "budgets": {
            16: [
                {"below": 0.3, "search": "beam_search", "m": 4},
                {"below": 0.7, "search": "dvts", "m": 4},
                {"search": "best_of_n", "aggregation": "majority"},
            ]
        },
    }
)


def judged(score):
    return ScriptedReward(judge=lambda question, text: score)


def widths(outcome):
    return [(len(paths), whole) for paths, whole in outcome.policy.calls]


def test_the_estimate_is_the_mean_last_score_and_nothing_counts_as_zero():
    assert estimate([(0.1, 0.8), (0.4,), (), (0.9, UNSCORED)]) == pytest.approx(0.3)


def test_an_easy_problem_gets_best_of_n_and_keeps_its_pilot(search_with):
    outcome = search_with(Adaptive(n=16, strategy=BY_DIFFICULTY), reward=judged(0.9))
    assert widths(outcome) == [(4, True), (12, True)]
    assert len(outcome.answers) == 16
    assert len({path.lineage for path in outcome.answers}) == 16


def test_a_hard_problem_gets_a_beam_with_what_the_pilot_left(search_with):
    outcome = search_with(Adaptive(n=16, strategy=BY_DIFFICULTY), reward=judged(0.1))
    assert widths(outcome)[0] == (4, True)
    assert set(widths(outcome)[1:]) == {(12, False)}
    assert len(outcome.answers) == 3
    assert len(outcome.tree.ended) == 4 + 12


def test_a_medium_problem_gets_subtrees(search_with):
    outcome = search_with(Adaptive(n=17, strategy=BY_DIFFICULTY), reward=judged(0.5))
    assert widths(outcome)[1] == (12, False)  # 13 are left; M = 4 divides 12
    assert len(outcome.answers) == 3


def test_without_a_choice_there_is_no_pilot(search_with):
    always = Strategy(4, ((4, (Route("best_of_n"),)),))
    adaptive = search_with(Adaptive(n=8, strategy=always))
    assert widths(adaptive) == [(8, True)]
    plain = search_with(BestOfN(n=8))
    assert [path.text for path in adaptive.answers] == [path.text for path in plain.answers]


def test_a_strategy_survives_its_settings():
    assert Strategy.of(BY_DIFFICULTY.settings()) == BY_DIFFICULTY
    assert str(Strategy.of(BY_DIFFICULTY.settings())) == str(BY_DIFFICULTY)


def test_a_budget_takes_the_routes_of_the_next_smaller_one():
    strategy = Strategy.of({"budgets": {16: [{"search": "dvts"}], 64: [{"search": "beam_search"}]}})
    found = [strategy.at(n)[0].search for n in (4, 16, 63, 64, 512)]
    assert found == ["dvts", "dvts", "dvts", "beam_search", "beam_search"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"budgets": {}}, "pilot and budgets"),
        ({"budgets": {4: [{"search": "dvt"}]}}, "search='dvt'"),
        ({"budgets": {4: [{"search": "dvts", "below": 0.5}]}}, "last"),
        ({"budgets": {4: [{"search": "dvts", "bellow": 0.5}]}}, "bellow"),
        ({"budgets": {4: [{"search": "dvts"}]}, "pilot": 0}, "pilot=0"),
        ({"budgets": {4: [{"search": "dvts", "aggregation": "best"}]}}, "aggregation='best'"),
    ],
)
def test_what_is_no_strategy_is_refused(settings, named):
    with pytest.raises(ConfigError, match=named):
        Strategy.of(settings)


def test_a_pilot_that_takes_the_whole_budget_is_refused():
    with pytest.raises(ConfigError, match="try n=5"):
        Adaptive(n=4, strategy=BY_DIFFICULTY)


@pytest.mark.parametrize(
    ("policy", "dataset", "first"),
    [
        ("llama-3.2-1b-instruct", "math500", Route("beam_search")),
        ("qwen2.5-14b-instruct", "math500", Route("beam_search", below=0.1)),
        ("qwen2.5-72b-instruct", "math500", Route("best_of_n")),
        ("qwen2.5-7b-instruct", "aime24", Route("dvts")),
    ],
)
def test_the_authors_rules_are_a_strategy_of_each_policy(policy, dataset, first):
    config = load_config(
        [
            *(f"policy={policy}", "prm=skywork-prm-7b", f"dataset={dataset}"),
            *("search.name=adaptive", "search.n=16"),
            f"search.strategy={CONFIGS / 'strategy' / 'paper.yaml'}",
        ],
        CONFIGS,
    )
    (search,) = searches(config)
    assert search.strategy.at(16)[0] == first
    assert search.strategy.at(16)[-1].below == math.inf
    assert dict(search.id.settings)["strategy"] == str(search.strategy)
