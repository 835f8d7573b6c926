"""A search in a result file: its columns, and what they were in files of schema 2."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from tts_ray.search.registry import SEARCHES
from tts_ray.types import SearchId, Setting

FIELDS = [
    ("search", pa.string()),
    ("n", pa.int32()),
    ("settings", pa.string()),
    ("label", pa.string()),
    ("unit", pa.int32()),
    ("uses_reward", pa.bool_()),
]
"""`settings` are a JSON object: keys and values of all parameters but n."""
NAMES = [name for name, _ in FIELDS]
NEW = frozenset(NAMES) - {"search"}
"""Those that files of schema 2 do not have."""
_KEY = re.compile(r"(\w+)\((.*)\)")


def to_columns(search: SearchId) -> dict[str, Any]:
    """A search as the values of its columns."""
    return {
        "search": search.name,
        "n": search.n,
        "settings": json.dumps(dict(search.settings)),
        "label": search.label,
        "unit": search.unit,
        "uses_reward": search.uses_reward,
    }


def from_columns(row: Mapping[str, Any]) -> SearchId:
    """The inverse of `to_columns`."""
    settings = tuple((k, setting(v)) for k, v in json.loads(row["settings"]).items())
    return SearchId(
        row["search"], row["n"], settings, row["label"], row["unit"], row["uses_reward"]
    )


def setting(value: Any) -> Setting:
    """A value of JSON as a parameter's."""
    return tuple(map(setting, value)) if isinstance(value, list) else value


def upgraded(table: pa.Table) -> pa.Table:
    """A table of schema 2, which knew a search by one text, with the columns of today."""
    if "search" not in table.column_names:
        return table
    at = table.column_names.index("search")
    rows = [to_columns(of_schema_2(key)) for key in table.column("search").to_pylist()]
    table = table.remove_column(at)
    for offset, (name, kind) in enumerate(FIELDS):
        values = pa.array([row[name] for row in rows], kind)
        table = table.add_column(at + offset, pa.field(name, kind), values)
    return table


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
