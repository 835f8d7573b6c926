"""A search in a result file: its columns."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

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
