"""Each adaptive answer is read by the aggregation of the route its problem took."""

from tts_ray.analysis.adaptive import adaptive_values, route_taken
from tts_ray.analysis.metrics import Pool
from tts_ray.analysis.outcomes import Outcome
from tts_ray.search.adaptive import Adaptive
from tts_ray.search.strategy import Strategy
from tts_ray.types import NO_USAGE

STRATEGY = Strategy.of(
    {
        "pilot": 2,
        "budgets": {
            4: [
                {"below": 0.5, "search": "beam_search", "m": 2, "aggregation": "last-max"},
                {"search": "best_of_n", "aggregation": "majority"},
            ]
        },
    }
)
KEY = Adaptive(n=6, strategy=STRATEGY).id


def outcome(groups, correct, scores):
    pool = Pool(groups, correct, [(score,) for score in scores])
    return Outcome("id", None, KEY, pool, NO_USAGE, NO_USAGE, 0, 0.0, None)


def test_a_hard_problem_is_read_by_its_best_path_and_its_pilot_has_no_voice():
    hard = outcome(
        [None, None, 0, 1, 1], [True, True, True, False, False], [0.1, 0.2, 0.9, 0.8, 0.8]
    )
    assert route_taken(hard, STRATEGY).aggregation == "last-max"
    assert adaptive_values([hard], STRATEGY).tolist() == [1.0]


def test_an_easy_problem_is_read_by_its_majority_the_pilot_included():
    easy = outcome([0, 0, 1, 0], [True, True, False, True], [0.9, 0.8, 1.0, 0.1])
    assert route_taken(easy, STRATEGY).aggregation == "majority"
    assert adaptive_values([easy], STRATEGY).tolist() == [1.0]
