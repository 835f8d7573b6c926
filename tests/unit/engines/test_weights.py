"""Weights are damaged as copies and downloads are, and found out without being loaded."""

import json
import os
import pickle
import struct
import zipfile

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.unit.engines.conftest import NO_JSON, change, halve, refusal
from tts_ray.engines.checkpoint import complete_checkpoint
from tts_ray.engines.weights import IncompleteError, refuse_broken_weights

FILE = "model.safetensors"
INDEX = "model.safetensors.index.json"


def rewritten(file, entries=None, data=b"", **changes):
    """Write a safetensors file with a header of `entries`, or its own with `changes`."""
    content = file.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    if entries is None:
        entries = json.loads(content[8 : 8 + length]) | changes
        data = content[8 + length :]
    header = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    file.write_bytes(struct.pack("<Q", len(header)) + header + data)


def sharded(folder):
    """Spread the weights over two files with an index; their names."""
    tensors = load_file(folder / FILE)
    (folder / FILE).unlink()
    names = ["model-1.safetensors", "model-2.safetensors"]
    where = {name: names[at % 2] for at, name in enumerate(sorted(tensors))}
    for shard in names:
        held = {name: tensors[name] for name in tensors if where[name] == shard}
        save_file(held, folder / shard)
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return names


def as_torch(folder, **how):
    """The weights as torch.save writes them."""
    torch.save(load_file(folder / FILE), folder / "pytorch_model.bin", **how)
    (folder / FILE).unlink()
    return folder / "pytorch_model.bin"


@pytest.mark.parametrize("make", [lambda _: None, sharded, as_torch])
def test_whole_weights_are_taken_in_every_form(folder, make):
    make(folder)
    assert complete_checkpoint(str(folder), None, fetch=False) == folder


def test_a_tensor_of_every_dtype_is_taken(folder):
    kinds = [torch.float64, torch.bfloat16, torch.float8_e4m3fn, torch.int8, torch.bool]
    save_file({str(kind): torch.zeros(2, 4, dtype=kind) for kind in kinds}, folder / FILE)
    refuse_broken_weights(folder)


@pytest.mark.parametrize("left", [0, 5, 8, 4000, 500_000, -1])
def test_weights_that_were_cut_short_are_refused_with_both_lengths(folder, left):
    file = folder / FILE
    data = file.read_bytes()
    file.write_bytes(data[:left])
    line = refusal(refuse_broken_weights, folder)
    assert f"{FILE}: it has {left % len(data)} bytes" in line
    assert line.endswith("copy or download it again")


def test_weights_with_bytes_behind_their_end_are_refused(folder):
    with open(folder / FILE, "ab") as file:
        file.write(b"\0")
    assert "but its header says" in refusal(refuse_broken_weights, folder)


@pytest.mark.parametrize("content", NO_JSON.values(), ids=NO_JSON)
def test_a_header_that_is_no_object_is_refused(folder, content):
    rewritten(folder / FILE, content, bytes(64))
    assert FILE in refusal(refuse_broken_weights, folder)


def test_a_header_of_a_claimed_size_beyond_all_reason_is_not_read(folder):
    (folder / FILE).write_bytes(struct.pack("<Q", 1 << 62) + b"{}")
    assert f"its header alone has {1 << 62}" in refusal(refuse_broken_weights, folder)


ENTRY = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (5, "only 5"),
        ([], "only []"),
        ({}, "unknown dtype None"),
        (ENTRY | {"dtype": "F33"}, "unknown dtype 'F33'"),
        (ENTRY | {"dtype": ["F32"]}, "unknown dtype"),
        (ENTRY | {"shape": 4}, "the shape 4"),
        (ENTRY | {"shape": [-2, -2]}, "the shape [-2, -2]"),
        (ENTRY | {"shape": [True, 4]}, "the shape [True, 4]"),
        (ENTRY | {"shape": [2.0, 2]}, "the shape [2.0, 2]"),
        (ENTRY | {"shape": [1 << 62] * 9}, "which are not those"),
        (ENTRY | {"shape": [2, 3]}, "which are not those of F32 [2, 3]"),
        (ENTRY | {"data_offsets": [0]}, "the data_offsets [0]"),
        (ENTRY | {"data_offsets": [16, 0]}, "which are not those"),
        (ENTRY | {"data_offsets": ["0", 16]}, "the data_offsets"),
        (ENTRY | {"data_offsets": [4, 20]}, "begins at 4, not at 0"),
        (ENTRY | {"data_offsets": [0, 1 << 40]}, "which are not those"),
    ],
)
def test_an_entry_of_the_header_that_cannot_be_is_refused_with_its_value(folder, entry, said):
    rewritten(folder / FILE, {"weight": entry}, bytes(20))
    assert said in refusal(refuse_broken_weights, folder)


def test_tensors_that_overlap_are_refused(folder):
    rewritten(folder / FILE, {"a": ENTRY, "b": ENTRY}, bytes(16))
    assert "'b' begins at 0, not at 16" in refusal(refuse_broken_weights, folder)


def test_a_file_without_a_tensor_is_refused(folder):
    rewritten(folder / FILE, {"__metadata__": {"format": "pt"}})
    assert "holds no tensor" in refusal(refuse_broken_weights, folder)


def test_a_name_of_a_tensor_never_breaks_the_line(folder):
    rewritten(folder / FILE, {"a\nb\x1b[31m" + "c" * 5000: 5})
    refusal(refuse_broken_weights, folder)


@pytest.mark.parametrize("content", NO_JSON.values(), ids=NO_JSON)
def test_an_index_that_is_no_object_is_refused(folder, content):
    sharded(folder)
    (folder / INDEX).write_bytes(content)
    line = refusal(refuse_broken_weights, folder)
    assert line.startswith("not a whole index of the weights: ")
    assert INDEX in line


@pytest.mark.parametrize(
    "listed",
    [
        *(None, [], {}, 5, "x", {"a": None}, {"a": 5}, {"a": ["m.safetensors"]}, {"a": ""}),
        *({"a": "../m.safetensors"}, {"a": "/m.safetensors"}, {"a": "d\\m.safetensors"}),
        *({"a": "m.bin"}, {"a": "m\0.safetensors"}, {"a": "m\n.safetensors"}),
    ],
)
def test_an_index_that_lists_no_plain_files_is_refused(folder, listed):
    sharded(folder)
    change(folder / INDEX, weight_map=listed)
    assert "not a whole index" in refusal(refuse_broken_weights, folder)


def test_a_file_that_the_index_lists_and_is_not_there_is_named(folder):
    first, _ = sharded(folder)
    (folder / first).unlink()
    with pytest.raises(IncompleteError, match=f"{first}: No such file, but {INDEX} lists it"):
        refuse_broken_weights(folder)


def test_a_link_into_nowhere_is_no_file(folder):
    first, _ = sharded(folder)
    (folder / first).unlink()
    (folder / first).symlink_to(folder / "gone")
    assert "No such file" in refusal(refuse_broken_weights, folder)


def test_a_shard_that_holds_other_tensors_than_the_index_says_is_refused(folder):
    first, second = sharded(folder)
    content = (folder / first).read_bytes(), (folder / second).read_bytes()
    (folder / first).write_bytes(content[1])
    (folder / second).write_bytes(content[0])
    assert "which the index lists in it" in refusal(refuse_broken_weights, folder)


def test_a_shard_that_was_cut_short_is_named(folder):
    _, second = sharded(folder)
    halve(folder / second)
    assert second in refusal(refuse_broken_weights, folder)


def test_what_the_index_does_not_list_is_not_looked_at(folder):
    sharded(folder)
    (folder / "other.safetensors").write_bytes(b"")
    refuse_broken_weights(folder)


def test_a_folder_without_weights_says_so(folder):
    (folder / FILE).unlink()
    (folder / "training_args.bin").write_bytes(b"x")
    with pytest.raises(IncompleteError, match="holds no weights"):
        refuse_broken_weights(folder)


@pytest.mark.parametrize("content", [b"", bytes(4096), b"PK\x03\x04", NO_JSON["binary"]])
def test_a_torch_file_that_is_none_is_refused(folder, content):
    as_torch(folder).write_bytes(content)
    assert "pytorch_model.bin" in refusal(refuse_broken_weights, folder)


def test_a_torch_file_that_was_cut_short_is_refused(folder):
    file = as_torch(folder)
    halve(file)
    assert "not a whole zip" in refusal(refuse_broken_weights, folder)


def test_a_torch_file_that_lost_a_piece_in_its_middle_is_refused(folder):
    file = as_torch(folder)
    data = file.read_bytes()
    file.write_bytes(data[:5000] + data[9096:])
    refusal(refuse_broken_weights, folder)


def test_a_zip_of_other_files_is_no_torch_file(folder):
    with zipfile.ZipFile(as_torch(folder), "w") as archive:
        archive.writestr("readme", "x")
    assert "none of torch.save" in refusal(refuse_broken_weights, folder)


def test_a_pointer_of_git_lfs_is_called_by_its_name(folder):
    (folder / FILE).write_bytes(NO_JSON["a pointer of Git LFS"])
    assert "run git lfs pull" in refusal(refuse_broken_weights, folder)


def test_an_older_torch_file_only_has_to_begin_as_one(folder):
    as_torch(folder, _use_new_zipfile_serialization=False)
    refuse_broken_weights(folder)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({}, protocol=2))
    refuse_broken_weights(folder)


def test_a_folder_or_a_pipe_in_the_place_of_a_file_is_refused(folder):
    (folder / FILE).unlink()
    (folder / FILE).mkdir()
    assert "it is not a file" in refusal(refuse_broken_weights, folder)
    (folder / FILE).rmdir()
    os.mkfifo(folder / FILE)
    assert "it is not a file" in refusal(refuse_broken_weights, folder)
