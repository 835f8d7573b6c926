"""The report of a sweep, on the evidence that sweeps may leave."""

import warnings
from dataclasses import replace

import pytest
import yaml

from tts_ray.analysis.metrics import Pool
from tts_ray.analysis.outcomes import Outcome
from tts_ray.analysis.study import Study, differing_datasets
from tts_ray.analysis.sweep_report import report
from tts_ray.errors import StoreError
from tts_ray.flops import ModelSize, Sizes
from tts_ray.results.folder import folder_at
from tts_ray.search.beam_search import BeamSearch
from tts_ray.search.best_of_n import BestOfN
from tts_ray.search.dvts import Dvts
from tts_ray.search.greedy import Greedy
from tts_ray.types import Usage

SIZES = Sizes(ModelSize(1e6), ModelSize(1e6))


def outcome(problem, search, n, right=True):
    unit = search.unit or 1
    units = tuple(at // unit for at in range(n))
    pool = Pool((0,) * n, (right,) * n, ((0.5,),) * n, units, n // unit)
    return Outcome(problem, None, search, pool, Usage(generated_tokens=9), Usage(), 0, 0.1, None, 5)


def mixed(problem, search):
    """The first half of the units is right."""
    made = outcome(problem, search, search.n)
    right = tuple(2 * unit < made.pool.size for unit in made.pool.unit_of)
    pool = replace(made.pool, correct=right, groups=tuple(0 if each else 1 for each in right))
    return replace(made, pool=pool)


def test_a_run_is_an_arm_at_every_budget_of_the_others_with_its_expected_accuracy_and_share():
    searches = [BestOfN(n=16).id, Dvts(n=16).id, BeamSearch(n=8).id, Greedy().id]
    outcomes = [mixed(f"a-{at}", search) for at in range(5) for search in searches]
    evidence = Study("small", "prm", "a", {0: outcomes}, SIZES, {}).evidence()
    values = {
        (arm.name, arm.n): (float(evidence.values[arm].mean()), float(evidence.costs[arm].mean()))
        for arm in evidence.values
        if arm.aggregation == "majority" and arm.name != "best_of_n"
    }
    # Of two of four subtrees, both right or a tie that the first one, a right one, wins.
    expected = {4: 1 / 2, 8: 5 / 6, 16: 1.0}
    found = {n: value for (name, n), (value, _) in values.items() if name == "dvts"}
    assert found == pytest.approx(expected)
    costs = {n: cost for (name, n), (_, cost) in values.items() if name == "dvts"}
    assert costs[16] - costs[8] == pytest.approx(2 * (costs[8] - costs[4]))
    best_of_n = {arm.n for arm in evidence.values if arm.name == "best_of_n"}
    assert best_of_n == {1, 4, 8, 16}
    assert {arm.search.label for arm in evidence.arms(8)} == {"best_of_n", "dvts", "beam_search"}


def test_what_overtakes_has_its_flops_at_every_budget():
    searches = [BestOfN(n=16).id, Dvts(n=16).id, BeamSearch(n=8).id, Greedy().id]
    outcomes = [mixed(f"a-{at}", search) for at in range(5) for search in searches]
    small, large = (Study(name, "prm", "a", {0: outcomes}, SIZES, {}) for name in ("s", "l"))
    said = report([small, large]).split("## Small with search against large")[1]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in said.splitlines()]
    paper = {row[1]: row[4] for row in rows if row[:1] == ["dvts"]}
    assert paper == {"4": "0.25", "8": "0.5", "16": "1"}


def study(policy, size, dataset, count, *, greedy=True, n=4):
    problems = [f"{dataset}-{at}" for at in range(count)]
    searches = [
        ("best_of_n", n, BestOfN(n=n).id),
        ("dvts", 4, Dvts(n=4).id),
    ]
    if greedy:
        searches.append(("greedy", 1, Greedy().id))
    outcomes = [outcome(p, key, k, right=p[-1] != "0") for p in problems for _, k, key in searches]
    return Study(policy, "prm", dataset, {0: outcomes}, Sizes(ModelSize(size)), {})


def test_policies_are_compared_on_the_same_dataset_only():
    said = report(
        [
            study("small", 1e6, "a", 5),
            study("small", 1e6, "b", 7),
            study("large", 1e9, "a", 5),
            study("large", 1e9, "b", 7),
        ]
    )
    assert "small against large greedy (80.0 %) on a" in said
    assert "small against large greedy (85.7 %) on b" in said


def test_a_sweep_without_greedy_cells_says_what_is_missing():
    said = report([study("small", 1e6, "a", 5), study("large", 1e9, "a", 5, greedy=False)])
    assert "add search.name=greedy to its cells" in said


def test_estimates_that_are_all_alike_are_not_correlated():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        said = report([study("small", 1e6, "a", 5)])
    assert "cannot be compared with pass@1" in said
    assert "nan" not in said


@pytest.mark.parametrize(("count", "n", "named"), [(5, 2, "N >= 4"), (1, 4, "too few")])
def test_a_pool_that_is_too_small_is_refused(count, n, named):
    with pytest.raises(StoreError, match=named):
        report([study("small", 1e6, "a", count, n=n)])


def test_cells_that_name_one_dataset_but_hold_other_problems_are_told_apart(tmp_path):
    def cell(name, dataset, digest, count):
        identity = {"policy": {"name": "p"}, "dataset": {"name": dataset}, "search": {}, "seed": 0}
        said = {"identity": identity, "sizes": {"policy": {"nominal": 1e6}}, "config": {}}
        if digest:
            said["problems"] = {"count": count, "digest": digest * 64, "rows": count}
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.yaml").write_text(yaml.safe_dump(said))

    sweep = folder_at(tmp_path)
    cell("a", "math", "1", 5)
    cell("b", "math", "1", 5)
    cell("c", "other", "2", 7)
    cell("d", "math", None, 0)
    assert differing_datasets(sweep) == []
    cell("e", "math", "3", 6)
    (line,) = differing_datasets(sweep)
    assert "on math do not all have the same problems" in line
    assert "a has 5 (11111111), e has 6 (33333333)" in line


def test_searches_that_differ_in_m_or_rank_are_rows_and_arms_of_their_own():
    problems = [f"a-{at}" for at in range(6)]
    searches = [BestOfN(n=4).id, Greedy().id]
    searches += [Dvts(n=8, m=m).id for m in (2, 4, 8)]
    searches += [BeamSearch(n=8, rank=rank).id for rank in ("last", "min")]
    outcomes = [
        outcome(problem, search, search.n, right=at % 2 == 0)
        for at, problem in enumerate(problems)
        for search in searches
    ]
    found = Study("small", "prm", "a", {0: outcomes}, SIZES, {})
    arms = {(arm.search.label, arm.n) for arm in found.evidence().values}
    labels = {"dvts m=2", "dvts", "dvts m=8", "beam_search", "beam_search rank=min"}
    assert {(label, 8) for label in labels} <= arms
    rows = [line.split("|")[1].strip() for line in report([found]).splitlines() if "|" in line]
    assert labels <= set(rows)
    routes = {arm.search.label for arm in found.evidence().arms(8)}
    assert "beam_search rank=min" not in routes, "no strategy can name it"
