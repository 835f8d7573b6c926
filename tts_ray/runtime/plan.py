"""From a config and a cluster's GPUs to replicas that fit: how many cards each takes, and how much
of them. Decided before anything is reserved; placement.py then finds the places.

A model without `gpus` takes as few cards as hold it. Where the cluster has too few for policy and
PRM to have their own, and both fit on one together, they share it.
"""

from dataclasses import dataclass, replace
from math import ceil

from tts_ray.config import ModelConfig, RunConfig
from tts_ray.dimensions import Dimensions, context_length
from tts_ray.engines.checkpoint import locate, own_config
from tts_ray.engines.foreign import called
from tts_ray.engines.spec import BATCH_TOKENS
from tts_ray.errors import ConfigError
from tts_ray.memory import Need

ROUNDED = 0.05
"""A shared card is cut into parts of this size."""


@dataclass(frozen=True)
class Cards:
    """The GPUs there are: in all, in the largest node, and the GiB of each."""

    total: float
    node: int
    gib: float


@dataclass(frozen=True)
class Split:
    """How one replica lies on cards: `share` of each of tensor x pipeline of them."""

    share: float
    tensor: int = 1
    pipeline: int = 1

    @property
    def gpus(self) -> float:
        return self.share * self.tensor * self.pipeline


ON_CPU = Split(0.0)


@dataclass(frozen=True)
class Plan:
    """The split of a replica of each role, and what it needs where that is known."""

    splits: dict[str, Split]
    needs: dict[str, Need]

    def gpus(self, config: RunConfig) -> float:
        """GPUs of all replicas together; parts of cards add up to whole ones."""
        parts = (m.replicas * self.splits[role].gpus for role, m in config.models().items())
        return round(sum(parts), 4)


def plan(config: RunConfig, cards: Cards) -> Plan:
    """Decide the split of every replica.

    Raises:
        ConfigError: a model does not fit on the cards it is given, or on any number of them.
    """
    needs = {
        role: need
        for role, model in config.models().items()
        if model.gpus != 0 and (need := need_of(model, is_policy=role == "policy"))
    }
    splits = {
        role: split_of(role, model, needs.get(role), cards)
        for role, model in config.models().items()
    }
    made = Plan(splits, needs)
    if made.gpus(config) > cards.total and (shared := share(config, needs, cards)):
        made = replace(made, splits=shared)
    for role, need in needs.items():
        check_fit(role, config.models()[role], need, made.splits[role], cards)
    return made


def need_of(model: ModelConfig, *, is_policy: bool) -> Need | None:
    """What a replica of a model needs, or None where its dimensions are known nowhere."""
    config = own_config(locate(model.model), model.revision, model.architecture)
    if not config:
        return None
    with called(model.name):
        length = model.max_model_len or context_length(config)
        dimensions = Dimensions.of(config)
    if not length:
        raise ConfigError(f"{model.name}: max_model_len is neither set nor in the model's config")
    single = "float32" in (model.dtype, model.dtype == "auto" and config.get("torch_dtype"))
    return Need.of(
        dimensions,
        bytes_each=4 if single else 2,
        max_model_len=length,
        max_num_seqs=model.max_num_seqs if is_policy else 0,
        batch_tokens=BATCH_TOKENS["cuda"] if is_policy else max(BATCH_TOKENS["cuda"], length),
    )


def split_of(role: str, model: ModelConfig, need: Need | None, cards: Cards) -> Split:
    """The split that the config asks for, or the smallest that fits."""
    if model.gpus == 0:
        return ON_CPU
    if model.gpus is not None:
        if model.gpus <= 1:
            return Split(model.gpus)
        nodes = ceil(model.gpus / cards.node) if cards.node else 1
        tensor = int(model.gpus) // nodes
        if tensor * nodes != model.gpus:
            raise ConfigError(
                f"{role}.gpus={model.gpus:g} does not divide evenly over {nodes} nodes of "
                f"{cards.node} GPUs; ask for a multiple of {nodes}"
            )
        return Split(1.0, tensor, nodes)
    if need is None:
        return Split(1.0)
    found = need.least_cards(cards.gib * model.gpu_memory_utilization, cards.node or 8)
    if found is None:
        raise ConfigError(
            f"{role}: no number of {cards.gib:g} GiB cards holds {model.name}, of which each card "
            f"needs {need.work:.1f} GiB beside the weights; lower {role}.max_num_seqs or "
            f"{role}.max_model_len"
        )
    return Split(1.0, *found)


def share(config: RunConfig, needs: dict[str, Need], cards: Cards) -> dict[str, Split] | None:
    """Policy and PRM on the same cards, if the config leaves it open and each pair fits on one.
    What is left of a card is the policy's, whose KV cache the batch depends on."""
    models = config.models()
    if set(needs) != {"policy", "prm"} or any(model.gpus is not None for model in models.values()):
        return None
    if models["policy"].replicas != models["prm"].replicas:
        return None
    least = {
        role: need.on_card(1) / (cards.gib * models[role].gpu_memory_utilization)
        for role, need in needs.items()
    }
    prm = ceil(least["prm"] / ROUNDED) * ROUNDED
    if least["policy"] > 1 - prm:
        return None
    return {"policy": Split(round(1 - prm, 2)), "prm": Split(round(prm, 2))}


def check_fit(role: str, model: ModelConfig, need: Need, split: Split, cards: Cards) -> None:
    """Refuse a split that the model's heads or its memory do not allow."""
    if not need.splits(split.tensor):
        raise ConfigError(
            f"{role}: {need.heads} attention heads and {need.kv_heads} key-value heads do not "
            f"divide over {split.tensor} GPUs; choose another {role}.gpus"
        )
    usable = split.share * cards.gib * model.gpu_memory_utilization
    wanted = need.on_card(split.tensor, split.pipeline, sequences=1)
    if wanted > usable:
        raise ConfigError(
            f"{role}: {model.name} needs {wanted:.1f} GiB on each GPU (weights "
            f"{need.weights / split.tensor / split.pipeline:.1f}), but has {usable:.1f} GiB "
            f"({split.share:g} of {cards.gib:g} GiB, {role}.gpu_memory_utilization="
            f"{model.gpu_memory_utilization:g}); raise {role}.gpus, leave it null, or set "
            f"cluster.gpu_gib to what the GPUs have"
        )
