"""Stored search trees, to look into: one as a record, or all nodes of a run as a flat table."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from tts_ray.errors import StoreError
from tts_ray.results.folder import Folder
from tts_ray.results.schema import CANDIDATE, NODE, SCHEMA, to_candidate, to_node
from tts_ray.results.search_columns import to_columns
from tts_ray.results.stored_parts import records
from tts_ray.types import Record

OF_A_SEARCH = ("problem_id", "search", "n", "settings", "label", "seed")
OF_A_LEAF = [name for name in CANDIDATE.names if name != "leaf"]
FLAT = pa.schema(
    [
        *(SCHEMA.field(name) for name in OF_A_SEARCH),
        ("node", pa.int32()),
        ("depth", pa.int32()),
        *NODE,
        *(CANDIDATE.field(name) for name in OF_A_LEAF),
    ]
)
"""A node of a search: `node` is its index in the tree, `depth` 1 for a first step. What a candidate
has stands at its last node and is null elsewhere."""


def tree(folder: Folder, problem: str, search: str | None = None) -> Record:
    """The record of one problem, whose `nodes` are its tree.

    Args:
        problem: its id, or the beginning of it.
        search: the search as it is printed ("beam_search n=16 m=8"); needed if there are several.

    Raises:
        StoreError: there is no such record, or more than one; or a part is not a whole file.
    """
    found = [
        record
        for record in records(folder)
        if record.problem.id.startswith(problem) and search in (None, str(record.search))
    ]
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"{each.search} of {each.problem.id}" for each in found[:4])
    raise StoreError(
        f"{folder} holds {len(found) or 'no'} finished searches of problem {problem}"
        + (f" by {search}" if search else "")
        + (f": {names}{', ...' if len(found) > 4 else ''}; say which one" if found else "")
    )


def node_tables(folder: Folder) -> Iterator[pa.Table]:
    """All nodes of the finished searches that count: a table of FLAT for each search.

    Raises:
        StoreError: a part is not a whole file of this schema.
    """
    for record in records(folder):
        yield pa.Table.from_pylist(list(flat_rows(record)), FLAT)


def flat_rows(record: Record) -> Iterator[dict[str, Any]]:
    """A row of FLAT for each node of a record."""
    known = to_columns(record.search) | {"problem_id": record.problem.id, "seed": record.seed}
    search = {name: known[name] for name in OF_A_SEARCH}
    leaves = {candidate.leaf: to_candidate(candidate) for candidate in record.candidates}
    depths: list[int] = []
    for at, node in enumerate(record.nodes):
        depths.append(1 if node.parent is None else depths[node.parent] + 1)
        leaf = leaves.get(at, {})
        place = {"node": at, "depth": depths[at]}
        yield search | place | to_node(node) | {name: leaf.get(name) for name in OF_A_LEAF}
