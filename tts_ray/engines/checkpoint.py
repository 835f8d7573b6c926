"""Where a checkpoint lies and what its config.json says, without loading it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from tts_ray import pocket
from tts_ray.dimensions import Dimensions
from tts_ray.errors import ConfigError
from tts_ray.flops import ModelSize


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
        raise ConfigError(str(error)) from None


OTHER_FORMS = ["original/*", "onnx/*", "*.gguf", "*.h5", "*.msgpack", "*.pth", "*.onnx"]
"""Forms of the same weights that no engine here reads."""


def complete_checkpoint(model: str, revision: str | None, *, fetch: bool) -> Path:
    """The folder of a checkpoint on this machine, whose files are all there and readable. With
    `fetch`, a hub id is downloaded first, as far as it is not here.

    Raises:
        ConfigError: what is missing.
    """
    folder = Path(locate(model))
    if not folder.is_dir():
        try:
            folder = Path(
                snapshot_download(
                    model,
                    revision=revision,
                    local_files_only=not fetch,
                    ignore_patterns=OTHER_FORMS,
                )
            )
        except (HfHubHTTPError, HFValidationError, OSError) as error:
            reason = str(error).partition("\n")[0]
            raise ConfigError(
                f"{model} cannot be fetched: {reason}"
                if fetch
                else f"{model} is no folder here and not in the hub's cache"
            ) from None
    index = next(iter(sorted(folder.glob("*.index.json"))), None)
    weights = [*folder.glob("*.safetensors"), *folder.glob("*.bin")]
    if index:
        try:
            listed = {*json.loads(index.read_text())["weight_map"].values()}
        except (OSError, ValueError, KeyError):
            raise ConfigError(f"{model}: not a whole index of the weights: {index}") from None
        weights = [folder / name for name in listed]
    if not weights:
        raise ConfigError(f"{folder} holds no weights (*.safetensors or *.bin)")
    for file in (folder / "config.json", *weights):
        try:
            with open(file, "rb") as opened:
                opened.read(8)
        except OSError as error:
            raise ConfigError(f"{model}: {error.strerror}: {file}") from None
    return folder


def model_size(
    model: str, revision: str | None, known: Mapping[str, Any], nominal: float
) -> ModelSize:
    """The size of a model, with its dimensions where they can be read and are of a known kind."""
    config = own_config(locate(model), revision, known)
    try:
        return ModelSize(nominal, Dimensions.of(config) if config else None)
    except ConfigError:
        return ModelSize(nominal)


def own_config(model: str, revision: str | None, known: Mapping[str, Any]) -> Mapping[str, Any]:
    """The config.json of a folder or of a hub id in this machine's cache; failing those, `known`,
    which may be empty. Never touches the network.

    Raises:
        ConfigError: `model` is neither a folder nor the form of a hub id.
    """
    file: Any = Path(model) / "config.json"
    if not file.is_file():
        try:
            file = try_to_load_from_cache(model, "config.json", revision=revision)
        except HFValidationError:
            raise ConfigError(
                f"model {model!r} is no folder with a config.json, and no hub id"
            ) from None
    if isinstance(file, str | Path):
        found: Mapping[str, Any] = json.loads(Path(file).read_text())
        return found
    return known
