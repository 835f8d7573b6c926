"""Where a checkpoint lies and what its config.json says, without loading it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

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
