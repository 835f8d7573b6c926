"""Several seeds of one policy, PRM and dataset are one study."""

import numpy as np
import pytest
import yaml

from tests.unit.analysis.test_ungraded import record
from tts_ray.analysis.compute_optimal import Arm
from tts_ray.analysis.metrics import Pool
from tts_ray.analysis.outcomes import Outcome
from tts_ray.analysis.seeds import spread, standard_error
from tts_ray.analysis.study import Study, studies
from tts_ray.analysis.sweep_plot import plot
from tts_ray.analysis.sweep_report import report
from tts_ray.flops import ModelSize, Sizes
from tts_ray.results.folder import folder_at
from tts_ray.results.part_file import to_part
from tts_ray.results.part_name import part_name
from tts_ray.search.adaptive import Adaptive
from tts_ray.search.best_of_n import BestOfN
from tts_ray.search.dvts import Dvts
from tts_ray.search.greedy import Greedy
from tts_ray.search.strategy import Strategy
from tts_ray.types import Usage

POOL, TREE, GREEDY = BestOfN(n=4).id, Dvts(n=4).id, Greedy().id
PROBLEMS = ["a", "b"]


def outcome(problem, search, right, score=0.5, tokens=10):
    """`right` of its candidates are right, the last ones; all have the same score."""
    n = search.n
    correct = tuple(at >= n - right for at in range(n))
    of_subtrees = ((0,) * n, 1) if search == TREE else ()
    pool = Pool(tuple(map(int, correct)), correct, ((score,),) * n, *of_subtrees)
    usage = Usage(generated_tokens=tokens)
    return Outcome(problem, None, search, pool, usage, Usage(), 0, 1.0, None, 5)


def outcomes(search, *rights, problems=PROBLEMS, **settings):
    return [
        outcome(p, search, right, **settings) for p, right in zip(problems, rights, strict=True)
    ]


def study(*seeds, policy="small", size=1e6):
    return Study(policy, "prm", "d", dict(enumerate(seeds)), Sizes(ModelSize(size)), {})


TWO = (
    [*outcomes(POOL, 4, 1, score=0.8, tokens=10), *outcomes(TREE, 4, 0)],
    [*outcomes(POOL, 2, 0, score=0.4, tokens=30), *outcomes(TREE, 4, 4)],
)
TREE_ARM = Arm(TREE, "last-vote")


@pytest.mark.parametrize(
    ("means", "error"),
    [([0.5], None), ([0.5, 0.7], 0.1), ([0.6, 0.6, 0.6], 0.0), ([0.1, 0.2, 0.3], 0.1 / 3**0.5)],
)
def test_the_standard_error_is_the_deviation_of_the_seeds_over_the_root_of_their_number(
    means, error
):
    assert standard_error(means) == (error if error is None else pytest.approx(error))


@pytest.mark.parametrize(
    ("means", "seeds", "shown"),
    [
        ([0.5], 1, ""),
        ([0.5, 0.516], 2, " ±0.8 (2 seeds)"),
        ([0.5, 0.516], 3, " ±0.8 (2 of 3 seeds)"),
        ([0.5], 3, " (1 of 3 seeds)"),
    ],
)
def test_the_spread_says_how_many_seeds_it_is_of(means, seeds, shown):
    assert spread(means, seeds) == shown


def test_an_arm_is_the_mean_over_seeds_of_each_problem():
    found = study(*TWO).evidence()
    assert found.values[TREE_ARM].tolist() == [1.0, 0.5]
    assert found.seed_means[TREE_ARM] == [0.5, 1.0]
    assert found.costs[Arm(POOL, "majority")] == pytest.approx([2e6 * 20] * 2)
    assert found.seeds == 2


def test_difficulty_is_of_the_samples_of_all_seeds():
    found = study(*TWO).evidence()
    assert found.samples == 8
    assert found.pass_at_1 == pytest.approx([6 / 8, 1 / 8])
    assert found.looks == pytest.approx([0.6, 0.6])


def test_seeds_that_did_the_same_are_worth_one_seed_with_no_error():
    one, two = study(TWO[0]).evidence(), study(TWO[0], TWO[0]).evidence()
    assert one.values.keys() == two.values.keys()
    for arm in one.values:
        assert np.array_equal(one.values[arm], two.values[arm])
        assert standard_error(two.seed_means[arm]) == 0.0
    assert np.array_equal(one.pass_at_1, two.pass_at_1)


def test_the_order_of_seeds_changes_nothing():
    there, back = study(*TWO).evidence(), study(*TWO[::-1]).evidence()
    assert all(np.array_equal(there.values[arm], back.values[arm]) for arm in there.values)
    assert np.array_equal(there.looks, back.looks)


@pytest.mark.parametrize("second", [[], outcomes(TREE, 4, problems=["a"])], ids=["none", "some"])
def test_an_arm_is_of_the_seeds_that_have_all_problems_of_it(second):
    made = study(TWO[0], [*outcomes(POOL, 2, 0), *second])
    found = made.evidence()
    assert found.seed_means[TREE_ARM] == [0.5]
    assert len(found.seed_means[Arm(POOL, "majority")]) == 2
    assert found.unfinished == (("dvts n=4 of seed 1",) if second else ())
    said = report([made])
    assert "| dvts | 4 | 50.0 [0, 100] (1 of 2 seeds) |" in said
    assert ("left out: dvts n=4 of seed 1" in said) == bool(second)


def test_a_seed_without_a_pool_still_counts_where_it_has_something():
    found = study(TWO[0], outcomes(TREE, 4, 4)).evidence()
    assert found.samples == 4
    assert found.values[TREE_ARM].tolist() == [1.0, 0.5]


def test_the_report_shows_the_error_over_seeds_beside_the_interval_over_problems():
    said = report([study(*TWO)])
    assert "## small with prm on d, seeds 0, 1" in said
    # Means of 50 and 100 %: a deviation of 35.4 over the root of two.
    assert "| dvts | 4 | 75.0 [50, 100] ±25.0 (2 seeds) |" in said
    assert "seeds" not in report([study(TWO[0])])


def test_the_table_of_budgets_has_the_ceiling_and_the_share_of_the_gap():
    lines = report([study(*TWO)]).splitlines()
    header, *rows = [[c.strip() for c in line.split("|")] for line in lines if "|" in line][:6]
    found = {(row[1], row[2]): dict(zip(header, row, strict=True)) for row in rows[1:]}
    # pass@4 of the pool is 1, 1 and 1, 0: the mean is 0.75; pass@1 is 7 of 16.
    pool = found["best_of_n", "4"]
    assert pool["pass@N %"].startswith("75.0")
    assert pool["gap closed %"] == f"{100 * (0.25 - 7 / 16) / (0.75 - 7 / 16):.1f}"
    assert pool["seconds"] == "1 / 1"
    assert found["best_of_n", "1"]["gap closed %"] == found["best_of_n", "1"]["seconds"] == ""
    assert found["dvts", "4"]["gap closed %"] == "100.0"
    assert found["majority of the pool", "4"]["tied %"] == "25.0"
    assert "cut %" not in header


def test_the_gain_over_the_majority_vote_is_in_the_report():
    # The vote is at its best with one sample (7 of 16); the trees are better at once.
    said = report([study(*TWO)])
    assert "| oracle | 43.8 | 1 | <= 4 | >= 0.25 |" in said
    assert "| deployable | 43.8 | 1 | <= 8 | >= 0.125 |" in said


def test_a_strategy_that_never_is_as_good_as_the_majority_vote_has_no_gain():
    # Nine of sixteen win the vote of all, and not that of every four.
    made = study([*outcomes(BestOfN(n=16).id, 9, 9), *outcomes(TREE, 0, 0)])
    assert "| oracle | 100.0 | 16 |  |  |" in report([made])


def test_policies_of_several_seeds_are_compared_on_the_means_over_them():
    large = study(
        [*outcomes(GREEDY, 1, 0), *outcomes(POOL, 4, 4)],
        outcomes(GREEDY, 1, 1),
        policy="large",
        size=1e9,
    )
    said = report([study(*TWO), large])
    assert "small against large greedy (75.0 %) on d" in said
    # Trees: 1 and 0.5 on the problems, greedy answers the same.
    assert "| dvts | 4 | +0.0 [+0, +0] | 0 % | 0.001 |" in said


def test_an_adaptive_search_of_several_seeds_is_one_row():
    strategy = Strategy.of({"pilot": 2, "budgets": {4: [{"search": "dvts"}]}})
    key = Adaptive(n=4, strategy=strategy).id
    seeds = [
        [*mine, *outcomes(key, *rights)] for mine, rights in zip(TWO, [(4, 4), (4, 0)], strict=True)
    ]
    made = Study(
        "small", "prm", "d", dict(enumerate(seeds)), Sizes(ModelSize(1e6)), {key: strategy}
    )
    assert "| adaptive | 4 | 75.0 [50, 100] ±25.0 (2 seeds) | 2e+07 | 4 dvts |" in report([made])


def test_the_figure_is_drawn_of_pooled_seeds():
    assert plot([study(*TWO)]).startswith(b"\x89PNG")


def test_cells_that_differ_in_the_seed_alone_are_one_study(tmp_path):
    def cell(name, seed, prm="prm"):
        identity = {"policy": {"name": "p"}, "dataset": {"name": "d"}, "search": {}, "seed": seed}
        if prm:
            identity["prm"] = {"name": prm}
        said = {"identity": identity, "sizes": {"policy": {"nominal": 1e6}}, "config": {}}
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.yaml").write_text(yaml.safe_dump(said))
        made = [record(number) for number in range(seed + 1)]
        (tmp_path / name / part_name(1)).write_bytes(to_part(part_name(1), made))

    cell("b", 1)
    cell("a", 0)
    cell("greedy", 2, prm=None)
    (found,) = studies(folder_at(tmp_path))
    assert {seed: len(mine) for seed, mine in found.outcomes.items()} == {0: 1, 1: 2, 2: 3}
    assert found.name == "p with prm on d, seeds 0, 1, 2"
