"""Whether the weights of a checkpoint folder are all there and whole.

Only headers and sizes are read, so that a checkpoint of 100 GB takes milliseconds. The files are
those that vLLM and transformers read: the first of `FORMS` that is there.
"""

import json
import os
import reprlib
import stat
import struct
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeGuard

from tts_ray.engines.json_object import AGAIN, json_object, reason, refuse_pointer, shown
from tts_ray.errors import ConfigError

FORMS = (
    ("consolidated.safetensors.index.json", "consolidated*.safetensors"),
    ("model.safetensors.index.json", "*.safetensors"),
    ("pytorch_model.bin.index.json", "*.bin"),
)
"""The index of a sharded checkpoint, and its weights."""
NO_WEIGHTS = {"training_args.bin", "optimizer.bin", "scheduler.bin"}
"""What training leaves beside the weights."""
HEADER_BYTES = 100_000_000
"""The largest header that safetensors itself reads."""
WHOLE = (1 << 63) - 1
"""The largest number that a file or a tensor can have of anything."""
BITS = (
    dict.fromkeys(("F4",), 4)
    | dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6)
    | dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8)
    | dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8)
    | dict.fromkeys(("I16", "U16", "F16", "BF16"), 16)
    | dict.fromkeys(("I32", "U32", "F32"), 32)
    | dict.fromkeys(("I64", "U64", "F64", "C64"), 64)
)
"""dtype of safetensors 0.8 -> bits of an element."""


class IncompleteError(ConfigError):
    """Files of the weights are not there."""


def refuse_broken_weights(folder: Path) -> None:
    """Look at every file of the weights in `folder`.

    Raises:
        IncompleteError: there are no weights, or a file that the index lists is missing.
        ConfigError: an index or a file of weights is cut short or damaged.
    """
    for index, pattern in FORMS:
        files = {f.name for f in folder.glob(pattern) if f.name not in NO_WEIGHTS}
        indexed = (folder / index).is_file()
        if not files and not indexed:
            continue
        tensors = indexed_tensors(folder / index, pattern) if indexed else {}
        # vLLM reads the indexed files of safetensors, and all of the older form.
        read = {*tensors} if indexed and not pattern.endswith(".bin") else files | {*tensors}
        for name in sorted(read - files):
            raise IncompleteError(
                f"{shown(folder / name)}: No such file, but {index} lists it; "
                f"copy or download the checkpoint again"
            )
        check = refuse_broken_torch_file if pattern.endswith(".bin") else refuse_broken_safetensors
        for name in sorted(read):
            check(folder / name, tensors.get(name, ()))
        return
    raise IncompleteError(
        f"{shown(folder)} holds no weights (*.safetensors or *.bin); "
        f"copy or download the checkpoint again"
    )


def indexed_tensors(index: Path, pattern: str) -> dict[str, list[str]]:
    """The tensors of each file that an index lists.

    Raises:
        ConfigError: it is not an object with a weight_map from tensors to names of files.
    """
    try:
        listed = json_object(index).get("weight_map")
    except ConfigError as error:
        raise ConfigError(f"not a whole index of the weights: {error}") from None
    if not isinstance(listed, dict) or not listed:
        raise ConfigError(
            f"not a whole index of the weights: {shown(index)}: its weight_map is "
            f"{reprlib.repr(listed)}, not an object of tensors and their files; {AGAIN}"
        )
    found: dict[str, list[str]] = {}
    for tensor, name in listed.items():
        plain = isinstance(name, str) and name.isprintable() and not {"/", "\\"} & {*name}
        if not plain or not name.endswith(pattern[pattern.rindex(".") :]):
            raise ConfigError(
                f"not a whole index of the weights: {shown(index)}: the file of "
                f"{reprlib.repr(tensor)} is {reprlib.repr(name)}, not the plain name of a "
                f"{pattern} file; {AGAIN}"
            )
        found.setdefault(name, []).append(tensor)
    return found


def refuse_broken_safetensors(file: Path, wanted: Collection[str]) -> None:
    """Raises ConfigError if a file is not exactly as long as its header says, or does not hold the
    tensors that are `wanted` of it."""
    size = size_of(file)
    header, begin = safetensors_header(file, size)
    spans = sorted(
        span_of(file, name, entry) for name, entry in header.items() if name != "__metadata__"
    )
    if not spans:
        raise broken(file, "it holds no tensor")
    at = 0
    for start, end, name in spans:
        if start != at:
            raise broken(
                file, f"tensor {reprlib.repr(name)} begins at {start}, not at {at}, where one ends"
            )
        at = end
    if begin + at != size:
        raise broken(file, f"it has {size} bytes, but its header says {begin + at}")
    for name in wanted:
        if name not in header:
            raise broken(file, f"it lacks tensor {reprlib.repr(name)}, which the index lists in it")


def safetensors_header(file: Path, size: int) -> tuple[dict[str, Any], int]:
    """The header of a safetensors file of `size` bytes, and where it ends.

    Raises:
        ConfigError: there is none.
    """
    with opened(file) as source:
        beginning = source.read(8)
        refuse_pointer(file, beginning + source.read(len("version https://git-lfs") - 8))
        if len(beginning) < 8:
            raise broken(file, f"it has {size} bytes, too few for a header")
        (length,) = struct.unpack("<Q", beginning)
        if length > min(HEADER_BYTES, size - 8):
            raise broken(file, f"it has {size} bytes, but says that its header alone has {length}")
        source.seek(8)
        data = source.read(length)
    try:
        header = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise broken(file, f"its header is not JSON ({reason(error)})") from None
    if not isinstance(header, dict):
        raise broken(file, f"its header is no JSON object but {reprlib.repr(header)}")
    return header, 8 + length


def span_of(file: Path, name: str, entry: Any) -> tuple[int, int, str]:
    """Where a tensor begins and ends behind the header, in bytes, and its name.

    Raises:
        ConfigError: its entry in the header is not one, or does not agree with itself.
    """
    tensor = f"tensor {reprlib.repr(name)}"
    if not isinstance(entry, Mapping):
        raise broken(file, f"its header says of {tensor} only {reprlib.repr(entry)}")
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in BITS:
        raise broken(file, f"{tensor} has the unknown dtype {reprlib.repr(dtype)}")
    if not are_counts(shape):
        raise broken(file, f"{tensor} has the shape {reprlib.repr(shape)}")
    if not are_counts(offsets) or len(offsets) != 2:
        raise broken(file, f"{tensor} has the data_offsets {reprlib.repr(offsets)}")
    elements = 0 if 0 in shape else 1
    for width in shape:
        elements = min(elements * width, WHOLE)
    start, end = offsets
    if (end - start) * 8 != elements * BITS[dtype]:
        raise broken(
            file,
            f"{tensor} takes the bytes {start} to {end}, which are not those of "
            f"{dtype} {reprlib.repr(shape)}",
        )
    return start, end, name


def are_counts(values: Any) -> TypeGuard[list[int]]:
    """Whether it is a list of whole numbers that something can have."""
    return isinstance(values, list) and all(type(v) is int and 0 <= v <= WHOLE for v in values)


def refuse_broken_torch_file(file: Path, wanted: Collection[str]) -> None:
    """Raises ConfigError if a file is neither a whole zip, as torch.save writes it, nor begins as
    the pickles that it wrote before. Which tensors are in it only loading would tell."""
    size = size_of(file)
    with opened(file) as source:
        beginning = source.read(64)
    refuse_pointer(file, beginning)
    if not beginning:
        raise broken(file, "it is empty")
    if beginning.startswith(b"\x80"):
        return
    if not beginning.startswith(b"PK\x03\x04"):
        raise broken(file, f"it begins with {beginning[:8]!r}, as no file of torch.save does")
    try:
        with zipfile.ZipFile(file) as archive:
            entries, end = archive.infolist(), archive.start_dir
    except (OSError, ValueError, RuntimeError, struct.error, zipfile.BadZipFile) as error:
        raise broken(file, f"its {size} bytes are not a whole zip ({reason(error)})") from None
    inside = all(e.header_offset + e.compress_size <= end for e in entries)
    if not inside or min((e.header_offset for e in entries), default=-1) != 0:
        raise broken(file, f"its {size} bytes are not those of the zip that it says it is")
    if not any(entry.filename.endswith("data.pkl") for entry in entries):
        raise broken(file, "it is a zip, but none of torch.save: it has no data.pkl")


def size_of(file: Path) -> int:
    """The bytes of a file. Raises ConfigError if it is not one, or not there."""
    try:
        found = os.stat(file)
    except OSError as error:
        raise broken(file, reason(error)) from None
    if not stat.S_ISREG(found.st_mode):
        raise broken(file, "it is not a file")
    return found.st_size


def opened(file: Path) -> Any:
    """A file, open to be read. Raises ConfigError if it cannot be."""
    try:
        return open(file, "rb")
    except OSError as error:
        raise broken(file, reason(error)) from None


def broken(file: Path, found: str) -> ConfigError:
    """The error that says what is wrong with a file of weights."""
    return ConfigError(f"{shown(file)}: {found}; {AGAIN}")
