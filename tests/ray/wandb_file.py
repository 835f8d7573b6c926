"""Reads an offline W&B file: a log of protobuf records in 32 KiB blocks, as LevelDB lays it out.

Each chunk has a header of crc32 (4 bytes), length (2) and type (1: whole, 2: first, 3: middle,
4: last); the file starts with a header of 7 bytes.
"""

import json
import struct

from wandb.proto import wandb_internal_pb2

BLOCK = 32 * 1024
HEADER = 7
WHOLE, FIRST, _, LAST = 1, 2, 3, 4


def read_wandb_file(file, record_class):
    data = file.read_bytes()
    at, parts = HEADER, []
    while at + HEADER <= len(data):
        left = BLOCK - at % BLOCK
        if left < HEADER:
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        at += HEADER
        parts.append(data[at : at + length])
        at += length
        if kind in (WHOLE, LAST):
            yield record_class.FromString(b"".join(parts))
            parts = []


def wandb_records(file, kind):
    """The records of one kind: "history", "metric", "artifact", ..."""
    return [
        getattr(record, kind)
        for record in read_wandb_file(file, wandb_internal_pb2.Record)
        if record.WhichOneof("record_type") == kind
    ]


def wandb_history(file):
    """The rows that a dashboard would show of an offline run."""
    return [
        {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in row.item}
        for row in wandb_records(file, "history")
    ]
