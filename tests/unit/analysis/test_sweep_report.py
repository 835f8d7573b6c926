"""The report of a sweep, on the evidence that sweeps may leave."""

import warnings

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
    pool = Pool((0,) * n, (right,) * n, ((0.5,),) * n)
    return Outcome(problem, None, search, pool, Usage(generated_tokens=9), Usage(), 0, 0.1, None, 5)


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
