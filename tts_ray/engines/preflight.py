"""Whether the models of a run can be used, found out before anything is reserved or loaded.

A folder is looked at whole: weights, tokenizer, prompt or format, and the questions in its context.
So is a hub id that is in this machine's cache; of one that is not, the weights are left to the
engines, which fetch them where they run.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tts_ray.config import SCRIPTED, ModelConfig, PolicyConfig, PrmConfig
from tts_ray.dimensions import architecture
from tts_ray.engines.checkpoint import (
    fetched_config,
    here,
    locate,
    own_config,
)
from tts_ray.engines.contexts import Room, policy_tokens, reward_tokens, room
from tts_ray.engines.foreign import called
from tts_ray.engines.json_object import json_object
from tts_ray.engines.prompts import prompt_family
from tts_ray.engines.reward_formats import paired, reward_format
from tts_ray.engines.tokenizers import has_tokenizer, usable_tokenizer
from tts_ray.engines.weights import IncompleteError, refuse_broken_weights
from tts_ray.errors import ConfigError
from tts_ray.text import one_line

log = logging.getLogger(__name__)
NO_POLICY = (
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForProcessRewardModel",
    "ForPrmModel",
    "ForRewardModel",
)
"""How the names of architectures end that do not write."""


@dataclass(frozen=True)
class Preflight:
    """What was found: by role the room in a model's context, where it is known, and what could not
    be looked at on this machine, as "the weights of policy.model=owner/name"."""

    rooms: dict[str, Room] = field(default_factory=dict)
    unchecked: list[str] = field(default_factory=list)


def refuse_unusable(
    models: Mapping[str, ModelConfig], questions: Sequence[str], *, fetch_small: bool
) -> Preflight:
    """Check every model of a run, and that it takes every question.

    Args:
        models: by role, "policy" and "prm". Scripted ones are passed over.
        questions: those of the run; none leaves the contexts alone.
        fetch_small: fetch configuration and tokenizer of a hub id that is not here. Without it the
            network is left alone.

    Raises:
        ConfigError: a model cannot be used, or not on these questions.
    """
    found = Preflight()
    for role, model in models.items():
        if model.model != SCRIPTED:
            examine(role, model, questions, found, fetch_small=fetch_small)
    return found


def examine(
    role: str, model: ModelConfig, questions: Sequence[str], found: Preflight, *, fetch_small: bool
) -> None:
    """Check one model, and add to `found`. Raises ConfigError as `refuse_unusable`."""
    name = f"{role}.model={one_line(model.model)}"
    length = length_of(role, model)
    if isinstance(model, PolicyConfig):
        prompt_family(model.prompt)
    elif isinstance(model, PrmConfig):
        reward_format(model.format)
    source, revision = locate(model.model), model.revision
    own_config(source, revision, {})
    folder = here(model.model, revision)
    whole = folder is not None and looked_through(
        folder, is_cache=not os.path.isdir(source), own_weights="load_format" in model.extra
    )
    if not whole:
        found.unchecked.append(f"the weights of {name}" if fetch_small else name)
        if not fetch_small:
            return
    elif not fetch_small:
        # As it lies in the cache: by its id, transformers would ask the hub for what is not there.
        source, revision = str(folder), None
    local = not fetch_small
    try:
        config = fetched_config(source, revision, name, local=local)
    except ConfigError as error:
        if folder is not None or role != "policy":
            raise
        # Where the engines run it may be there: a driver's node need not hold models.
        log.warning("not looked at before it is loaded: %s", error)
        found.unchecked.append(name)
        return
    if isinstance(model, PolicyConfig):
        with called(name):
            refuse_no_policy(config)
        family = prompt_family(model.prompt)
        tokenizer = usable_tokenizer(source, revision, name, local=local)
        family.refuse_other_template(tokenizer)
        lengths = policy_tokens(tokenizer, family, questions)
    else:
        assert isinstance(model, PrmConfig)
        kind, _ = paired(model.format, source, revision, local=local)
        lengths = reward_tokens(kind, questions)
    left = room(role, config, length, lengths)
    if left and questions:
        found.rooms[role] = left


def length_of(role: str, model: ModelConfig) -> int | None:
    """The context that a run sets, in tokens; None if it does not.

    Raises:
        ConfigError: it cannot be one.
    """
    length = model.extra.get("max_model_len", model.max_model_len)
    if length is not None and (type(length) is not int or length < 1):
        raise ConfigError(f"{role}.max_model_len={one_line(length)} must be at least 1, or null")
    return length


def looked_through(folder: Path, *, is_cache: bool, own_weights: bool) -> bool:
    """Whether the files of a checkpoint are here, none of them damaged. The hub's cache may hold a
    part of them; the weights are not looked at where the run names a way of its own to load them.

    Raises:
        ConfigError: a file is damaged, or is missing in a folder that is no cache.
    """
    try:
        if not own_weights:
            refuse_broken_weights(folder)
    except IncompleteError:
        if not is_cache:
            raise
        return False
    if is_cache and not (has_tokenizer(folder) and (folder / "config.json").exists()):
        return False
    json_object(folder / "config.json")
    if (folder / "generation_config.json").exists():
        json_object(folder / "generation_config.json")
    return True


def refuse_no_policy(config: Mapping[str, Any]) -> None:
    """Raises ConfigError if a model does not write text."""
    made = architecture(config)
    if made.endswith(NO_POLICY):
        raise ConfigError(f"a {one_line(made)} writes no text; choose a policy")
