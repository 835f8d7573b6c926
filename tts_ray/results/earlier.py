"""Result files of earlier schemas, read as if they were of today's.

    2  a search was one text; a candidate held its steps
    3  a search is columns; a candidate held its steps
    4  a record holds nodes, and a candidate names the last one of its path

What a search pruned was not stored before schema 4, so there are no such nodes.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from tts_ray.results import search_columns
from tts_ray.results.schema import CANDIDATE, NODE, SCHEMA, to_node
from tts_ray.results.search_columns import to_columns
from tts_ray.search.evidence import Lineage, evidence
from tts_ray.search.registry import SEARCHES
from tts_ray.types import Finish, Path, SearchId, Setting, Step

READABLE = ("2", "3")
LATER = frozenset({"ungraded", "also_accepted"})
"""Nullable columns that some of their files lack."""
STEP = pa.struct([NODE.field(name) for name in ("text", "token_ids", "finish", "logprob")])
HELD = pa.struct(
    [
        ("lineage", pa.list_(pa.int32())),
        *(CANDIDATE.field(name) for name in ("kept", "answer", "group", "correct", "ungraded")),
        ("scores", pa.list_(pa.float64())),
        ("steps", pa.list_(STEP)),
    ]
)
"""A candidate."""
_KEY = re.compile(r"(\w+)\((.*)\)")


def schema_of(version: str, today: pa.Schema) -> pa.Schema:
    """The schema that a file of an earlier version has where today's is `today`."""
    fields = [each for each in today if each.name != "nodes"]
    if version == "2":
        lacks = set(search_columns.NAMES) - {"search"}
        fields = [each for each in fields if each.name not in lacks]
    found = pa.schema(fields)
    at = found.get_field_index("candidates")
    return found if at < 0 else found.set(at, pa.field("candidates", pa.list_(HELD)))


def upgraded(table: pa.Table, today: pa.Schema = SCHEMA) -> pa.Table:
    """A whole table of an earlier schema with the columns of today's."""
    names = table.column_names
    columns = {name: table.column(name) for name in names}
    if "label" not in names:
        searches = map(of_schema_2, columns["search"].to_pylist())
        columns |= arrays(map(to_columns, searches), dict(search_columns.FIELDS))
    if "candidates" in names:
        rows = (with_nodes(each) for each in columns["candidates"].to_pylist())
        columns |= arrays(rows, {"nodes": pa.list_(NODE), "candidates": pa.list_(CANDIDATE)})
    for field in today:
        if field.name not in columns:
            columns[field.name] = pa.nulls(len(table), field.type)
    return pa.table([columns[name] for name in today.names], today.names).cast(today)


def arrays(rows: Iterable[dict[str, Any]], types: dict[str, pa.DataType]) -> dict[str, pa.Array]:
    """Rows as columns of these types."""
    found = list(rows)
    return {name: pa.array([row[name] for row in found], kind) for name, kind in types.items()}


def with_nodes(held: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The nodes and candidates of a row, from candidates that held their steps: in a tree if each
    of their steps was an expansion of its own, else each in a line of its own."""
    is_tree = all(len(each["lineage"]) == len(each["steps"]) for each in held)
    born: dict[Lineage, Path] = {}
    for at, each in enumerate(held):
        steps, scores = tuple(map(step_of, each["steps"])), tuple(each["scores"])
        lineage = tuple(each["lineage"]) if is_tree else (at,)
        ends = range(1, len(steps)) if is_tree else ()
        for end in ends:
            born[lineage[:end]] = Path(steps[:end], scores[:end], lineage[:end])
        born[lineage] = Path(steps, scores, lineage)
    nodes, candidates = evidence(born, ())
    rows = [
        {"leaf": new.leaf} | {name: each.get(name) for name in CANDIDATE.names if name != "leaf"}
        for new, each in zip(candidates, held, strict=True)
    ]
    return {"nodes": [to_node(node) for node in nodes], "candidates": rows}


def step_of(row: dict[str, Any]) -> Step:
    return Step(row["text"], tuple(row["token_ids"]), Finish(row["finish"]), row["logprob"])


def of_schema_2(key: str) -> SearchId:
    """The search of a text like "beam_search(n=16,m=4,depth=40,rank=last)": the one place where it
    is taken apart. What was not its default is told by the defaults of today.

    Raises:
        ValueError: it is no such text.
    """
    found = _KEY.fullmatch(key)
    if found is None:
        raise ValueError(f"the search {key!r:.60} is none")
    name = found[1]
    pairs = [part.split("=", 1) for part in found[2].split(",") if "=" in part]
    values: dict[str, Setting] = {k: int(v) if v.isdecimal() else v for k, v in pairs}
    n = values.pop("n", 1)
    if not isinstance(n, int):
        raise ValueError(f"the search {key!r:.60} has no budget")
    known = SEARCHES.get(name)
    plain = dict(known().id.settings) if known else {}
    label = [name, *(f"{k}={v}" for k, v in values.items() if plain.get(k) != v)]
    units = {"best_of_n": 1, "majority": 1, "dvts": values.get("m")}
    unit = units.get(name)
    return SearchId(
        name,
        n,
        tuple(values.items()),
        " ".join(label),
        unit if isinstance(unit, int) else None,
        known.uses_reward if known else True,
    )
