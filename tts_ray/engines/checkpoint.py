"""Where a checkpoint lies and what its config.json says, without loading it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from tts_ray import pocket
from tts_ray.config import SCRIPTED
from tts_ray.dimensions import Dimensions, UnknownKindError
from tts_ray.engines.foreign import called, refused
from tts_ray.engines.json_object import json_object
from tts_ray.engines.weights import refuse_broken_weights
from tts_ray.errors import ConfigError
from tts_ray.flops import ModelSize
from tts_ray.text import one_line


def locate(model: str) -> str:
    """A folder for pocket:NAME; anything else is a folder or hub id already.

    Raises:
        ConfigError: there is no such pocket model.
    """
    kind, _, name = model.partition(":")
    if kind != "pocket":
        return model
    try:
        return str(pocket.weights(name))
    except ValueError as error:
        raise ConfigError(one_line(error)) from None


OTHER_FORMS = ["original/*", "onnx/*", "*.gguf", "*.h5", "*.msgpack", "*.pth", "*.onnx"]
"""Forms of the same weights that no engine here reads."""


def complete_checkpoint(model: str, revision: str | None, *, fetch: bool) -> Path:
    """The folder of a checkpoint on this machine, whose weights are all there and whole, beside a
    config.json. With `fetch`, a hub id is downloaded first, as far as it is not here.

    Raises:
        ConfigError: what is missing or damaged.
    """
    refuse_missing_folder(model, revision)
    is_folder = os.path.isdir(locate(model))
    folder = fetched(model, revision) if fetch and not is_folder else here(model, revision)
    if folder is None:
        raise ConfigError(f"{one_line(model)} is no folder here and not in the hub's cache")
    refuse_broken_weights(folder)
    json_object(folder / "config.json")
    return folder


def here(model: str, revision: str | None) -> Path | None:
    """The folder of a model, or what the hub's cache has of it, which may be a part; None if that
    is nothing. Never touches the network."""
    located = locate(model)
    if os.path.isdir(located):
        return Path(located)
    try:
        return Path(snapshot_download(located, revision=revision, local_files_only=True))
    except (HFValidationError, OSError, ValueError):
        return None


def fetched(model: str, revision: str | None) -> Path:
    """The snapshot of a hub id, downloaded as far as it is not here.

    Raises:
        ConfigError: it cannot be.
    """
    try:
        return Path(snapshot_download(model, revision=revision, ignore_patterns=OTHER_FORMS))
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        reason = one_line(str(error).partition("\n")[0])
        raise ConfigError(f"{one_line(model)} cannot be fetched: {reason}") from None


def refuse_missing_folder(model: str, revision: str | None) -> None:
    """Raises ConfigError if a model can only be meant as a folder, and is none: it is an absolute
    path or begins with . or ~, or is deeper than a hub id and the folder that would hold it is
    here."""
    located = locate(model)
    deep = located.count("/") > 1 and os.path.isdir(os.path.dirname(located))
    beside = deep and here(model, revision) is None
    if os.path.isdir(located) or not (located[:1] in {"/", ".", "~"} or beside):
        return
    there = os.path.exists(located)
    found = "is a file, not a folder" if there else "is no folder with a config.json here"
    home = " (~ is not expanded)" if located[:1] == "~" else ""
    raise ConfigError(f"{one_line(model)} {found}{home}; give the folder of a checkpoint")


def model_size(
    model: str, revision: str | None, known: Mapping[str, Any], nominal: float
) -> ModelSize:
    """The size of a model, with its dimensions where they can be read and are of a known kind.

    Raises:
        ConfigError: its config.json is broken.
    """
    config = own_config(locate(model), revision, known)
    with called(one_line(model)):
        try:
            return ModelSize(nominal, Dimensions.of(config) if config else None)
        except UnknownKindError:
            return ModelSize(nominal)


def own_config(model: str, revision: str | None, known: Mapping[str, Any]) -> Mapping[str, Any]:
    """The config.json of a folder or of a hub id in this machine's cache; failing those, `known`,
    which may be empty. Never touches the network.

    Raises:
        ConfigError: `model` is neither a folder with a config.json nor the form of a hub id, or the
            file does not hold an object.
    """
    if model == SCRIPTED:
        return known
    refuse_missing_folder(model, revision)
    if os.path.isdir(model):
        return json_object(Path(model) / "config.json")
    try:
        file = try_to_load_from_cache(model, "config.json", revision=revision)
    except (HFValidationError, OSError, ValueError) as error:
        raise ConfigError(
            f"model {one_line(model)!r} is no folder with a config.json, and no hub id "
            f"({one_line(error)})"
        ) from None
    return json_object(Path(file)) if isinstance(file, str) else known


def fetched_config(
    model: str, revision: str | None, name: str, *, local: bool = False
) -> Mapping[str, Any]:
    """The config.json of a folder or hub id, which is fetched as far as it is not here; not so with
    `local`. `name` is what messages call the model.

    Raises:
        ConfigError: it cannot be had, or does not hold an object.
    """
    if os.path.isdir(model):
        return json_object(Path(model) / "config.json")
    with refused(f"{name} cannot be read", "give a folder, or a hub id that can be reached"):
        file = hf_hub_download(model, "config.json", revision=revision, local_files_only=local)
    return json_object(Path(file))
