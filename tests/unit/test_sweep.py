"""From grids to cells."""

from pathlib import Path

import pytest
import yaml

from tts_ray.errors import ConfigError
from tts_ray.sweep import load_sweep

CONFIGS = Path(__file__).parents[2] / "configs"
POCKET = str(CONFIGS / "sweep" / "pocket.yaml")


def cells(tmp_path, *grids, **more):
    file = tmp_path / "sweep.yaml"
    file.write_text(yaml.safe_dump({"run": "runs/s", "grids": list(grids)} | more))
    return load_sweep([str(file)], CONFIGS)[1]


def grid(**more):
    return {"policies": ["pocket-s"], "prms": ["pocket-prm"], "datasets": ["pocket"]} | more


def names(found):
    return [Path(cell.run).name for cell in found]


def test_the_shipped_sweep_has_three_policies_and_one_pool_of_512():
    _, found = load_sweep([POCKET], CONFIGS)
    assert len(found) == 3 * (1 + 1 + 4 + 1)
    pools = {cell.policy.name: cell.search["n"] for cell in found if "best_of_n" in cell.run}
    assert pools == {"pocket-xs": 512, "pocket-s": 256, "pocket-l": 256}
    assert {cell.search["n"] for cell in found if "dvts" in cell.run} == {256}
    assert {cell.dataset.limit for cell in found} == {40}


def test_a_cell_is_one_search_at_one_budget_in_a_directory_named_after_it(tmp_path):
    search = {"name": ["greedy", "beam_search"], "n": [4, 16]}
    found = cells(tmp_path, grid(search=search, seeds=[0, 1]))
    assert sorted(names(found)) == [
        *(f"pocket-s--pocket--greedy-n1--seed{seed}" for seed in (0, 1)),
        *(
            f"pocket-s--pocket-prm--pocket--beam_search-n{n}--seed{seed}"
            for n in (16, 4)
            for seed in (0, 1)
        ),
    ]


def test_a_pool_serves_its_smaller_budgets_and_the_majority_vote(tmp_path):
    search = {"name": ["majority", "best_of_n"], "n": [4, 64]}
    larger = {"name": "best_of_n", "n": 256}
    found = cells(tmp_path, grid(search=search), grid(search=larger))
    assert names(found) == ["pocket-s--pocket-prm--pocket--best_of_n-n256--seed0"]


def test_of_a_search_with_a_unit_the_largest_run_of_each_m_is_a_cell(tmp_path):
    search = {"name": "dvts", "n": [8, 16], "m": [2, 4, 8]}
    found = cells(tmp_path, grid(search=search), grid(search={"name": "dvts", "n": [4, 32]}))
    assert [name.split("--")[3] for name in names(found)] == [
        "dvts-n16-m2",
        "dvts-n16-m8",
        "dvts-n32",
    ]


def test_a_larger_run_holds_no_cell_with_another_seed_or_setting(tmp_path):
    small = grid(search={"name": "dvts", "n": 4}, seeds=[0, 1])
    large = grid(search={"name": "dvts", "n": 8, "rank": "min"})
    assert len(cells(tmp_path, small, large)) == 3


def test_without_a_prm_the_majority_vote_is_a_cell(tmp_path):
    found = cells(tmp_path, grid(prms=[], search={"name": ["majority"], "n": [4, 64]}))
    assert names(found) == ["pocket-s--pocket--majority-n64--seed0"]


def test_cells_that_share_models_follow_each_other(tmp_path):
    search = {"name": ["greedy", "dvts"], "n": 4}
    one = grid(policies=["pocket-s", "pocket-m"], search=search)
    two = grid(policies=["pocket-s"], search={"name": "beam_search", "n": 4})
    found = cells(tmp_path, one, two)
    assert [cell.policy.name for cell in found] == ["pocket-s"] * 3 + ["pocket-m"] * 2
    assert [bool(cell.prm) for cell in found] == [False, True, True, False, True]


def test_base_holds_for_every_cell_and_a_grid_goes_over_it(tmp_path):
    found = cells(
        tmp_path,
        grid(search={"name": "dvts", "n": 8, "m": 2}),
        base={"sampling": {"temperature": 0.5}, "dataset": {"limit": 3}},
    )
    assert found[0].sampling.temperature == 0.5
    assert found[0].dataset.limit == 3
    assert found[0].search["m"] == 2
    assert "m2" in found[0].run


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"polices": ["pocket-s"]}, "polices"),
        ({"policies": ["pocket-z"]}, "pocket-z"),
        ({"search": {"name": "dvts", "n": 6}}, "n=6 is not a multiple"),
        ({"datasets": []}, r"datasets=\[\] must not be empty"),
    ],
)
def test_a_wrong_grid_is_refused_before_anything_runs(tmp_path, change, named):
    with pytest.raises(ConfigError, match=named):
        cells(tmp_path, grid(search={"name": "dvts", "n": 4}) | change)
