"""Stored trees, looked into."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from tests.unit import builders
from tests.unit.results.test_earlier import searched
from tests.unit.results.test_run_directory import opened, write
from tts_ray.errors import StoreError
from tts_ray.results.schema import NODE
from tts_ray.results.stored_parts import records
from tts_ray.results.trees import FLAT, node_tables, tree
from tts_ray.search.beam_search import BeamSearch
from tts_ray.search.best_of_n import BestOfN
from tts_ray.types import Grade


@pytest.fixture
def run(folder):
    write(folder, [searched(BeamSearch(n=8)), searched(BestOfN(n=4)), builders.record("7")])
    return folder


def test_a_tree_is_found_by_problem_and_search(run):
    record = next(iter(records(run)))
    assert tree(run, record.problem.id, "beam_search n=8") == record
    assert tree(run, record.problem.id[:6], "best_of_n n=4").search == BestOfN(n=4).id


@pytest.mark.parametrize(
    ("problem", "search", "said"),
    [
        ("", "best_of_n n=4", None),
        ("zz", None, "no finished searches of problem zz$"),
        ("", "beam_search n=9", "no finished searches of problem  by beam_search n=9"),
        ("", None, "holds 3 finished searches .*beam_search n=8 of .*say which one"),
    ],
)
def test_what_is_not_one_tree_is_said_in_one_line(run, problem, search, said):
    if said is None:
        assert tree(run, problem, search)
        return
    with pytest.raises(StoreError, match=said):
        tree(run, problem, search)


def test_the_flat_table_has_a_row_for_each_node(run):
    tables = list(node_tables(run))
    stored = list(records(run))
    assert [len(table) for table in tables] == [len(record.nodes) for record in stored]
    for table, record in zip(tables, stored, strict=True):
        assert table.schema == FLAT
        rows = table.to_pylist()
        for at, (row, node) in enumerate(zip(rows, record.nodes, strict=True)):
            assert (row["node"], row["parent"], row["state"]) == (at, node.parent, node.state)
            assert (row["text"], row["score"]) == (node.step.text, node.score)
            assert row["depth"] == len(record.path(at).steps)
            assert row["problem_id"] == record.problem.id
            assert row["label"] == record.search.label
    assert set(NODE.names) < set(FLAT.names)


def test_the_flat_table_has_what_a_candidate_has_at_its_last_node(folder):
    right, wrong = Grade("1", 0, True), Grade("2", 1, False)
    write(
        folder,
        [
            builders.record(
                "q",
                builders.solution(scores=(0.1, 0.2), grade=right),
                builders.solution(scores=(0.3,), grade=wrong, kept=False),
            )
        ],
    )
    (table,) = node_tables(folder)
    assert table.column("answer").to_pylist() == [None, "1", "2"]
    assert table.column("kept").to_pylist() == [None, True, False]
    assert table.column("correct").to_pylist() == [None, True, False]


def test_failed_and_repeated_searches_are_not_in_the_flat_table(folder):
    failed = builders.failed("1", builders.solution())
    done = builders.record("2", builders.solution())
    write(folder, [failed])
    write(folder, [done])
    write(folder, [done])
    nodes = pa.concat_tables(node_tables(folder))
    assert pc.unique(nodes.column("problem_id")).to_pylist() == [done.problem.id]
    assert len(nodes) == 1


def test_a_run_without_results_has_no_nodes(folder):
    with opened(folder):
        pass
    assert list(node_tables(folder)) == []
