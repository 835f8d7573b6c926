"""Parts as earlier schemas had them."""

import io

import pyarrow as pa
import pyarrow.parquet as pq

from tts_ray.results.earlier import schema_of
from tts_ray.results.schema import SCHEMA, to_row


def held(record, candidate, row):
    """A candidate with its own steps."""
    path = record.path(candidate.leaf)
    steps = [
        {
            "text": step.text,
            "token_ids": step.token_ids,
            "finish": step.finish.value,
            "logprob": step.logprob,
        }
        for step in path.steps
    ]
    return row | {"lineage": path.lineage, "scores": path.scores, "steps": steps}


def earlier_row(record, key=None):
    """A record as a row of schema 3; with the text that named its search, of schema 2."""
    row = to_row(record)
    pairs = zip(record.candidates, row["candidates"], strict=True)
    row["candidates"] = [held(record, *pair) for pair in pairs]
    return row | ({"search": key} if key else {})


def earlier_part(version, rows, lacks=()):
    """The content of a part without a checksum; of its nullable columns it `lacks` some."""
    wanted = schema_of(version, SCHEMA)
    fields = [field for field in wanted if field.name not in lacks]
    at = wanted.get_field_index("candidates")
    element = wanted.field("candidates").type.value_type
    kept = pa.struct([field for field in element if field.name not in lacks])
    fields[at] = pa.field("candidates", pa.list_(kept))
    schema = pa.schema(fields, metadata={"tts_ray.schema": version})
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), content, compression="zstd")
    return content.getvalue()
