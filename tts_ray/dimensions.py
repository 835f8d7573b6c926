"""The size of a transformer, read from the keys of its Hugging Face config.json.

Everything that is counted about a model follows from these numbers: its parameters, the memory it
needs (memory.py) and the work a token costs (flops.py). Decoders of the Llama and Qwen kind, dense
or with a mixture of experts; anything else is refused rather than estimated.
"""

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from tts_ray.errors import ConfigError

FAMILIES = {
    "llama": (False, False),
    "mistral": (False, False),
    "mixtral": (False, False),
    "qwen2": (True, False),
    "qwen2_moe": (True, False),
    "qwen3": (False, True),
    "qwen3_moe": (False, True),
}
"""model_type -> (the query, key and value have a bias, queries and keys are normalised)."""
LARGEST = 1 << 24
"""More than any model has of anything that is counted here, its vocabulary and context included."""


class UnknownKindError(ConfigError):
    """A kind of model whose size is not known here."""


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Widths in numbers of features.

    `expert_width` and `shared_width` are the inner widths of one routed expert and of what every
    token passes beside the routed ones; both are 0 in a dense model, whose inner width is `width`.
    `head` is the number of parameters that turn the last hidden state into the output, and `tied`
    says that they are the input embeddings again.
    """

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    width: int
    vocabulary: int
    head: int
    tied: bool = False
    biased: bool = False
    normalised: bool = False
    experts: int = 0
    active_experts: int = 0
    expert_width: int = 0
    shared_width: int = 0

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """The dimensions of a model from its config.json.

        Raises:
            UnknownKindError: the kind of model is not known here.
            ConfigError: a key is missing, or its value cannot be one.
        """
        biased, normalised = FAMILIES[kind_of(config)]
        hidden, heads = whole(config, "hidden_size"), whole(config, "num_attention_heads")
        width = whole(config, "intermediate_size")
        experts = whole(config, "num_local_experts", 0, least=0)
        experts = experts or whole(config, "num_experts", 0, least=0)
        found = cls(
            layers=whole(config, "num_hidden_layers"),
            hidden=hidden,
            heads=heads,
            kv_heads=whole(config, "num_key_value_heads", heads),
            head_size=whole(config, "head_dim", hidden // heads),
            width=width,
            vocabulary=whole(config, "vocab_size"),
            head=head_parameters(config),
            tied=is_causal(config) and flag(config, "tie_word_embeddings", False),
            biased=flag(config, "attention_bias", biased),
            normalised=normalised,
            experts=experts,
            active_experts=whole(config, "num_experts_per_tok") if experts else 0,
            expert_width=whole(config, "moe_intermediate_size", width) if experts else 0,
            shared_width=whole(config, "shared_expert_intermediate_size", 0, least=0),
        )
        even = config.get("head_dim") is not None or hidden % heads == 0
        if not even or heads % found.kv_heads or found.active_experts > experts:
            raise ConfigError(
                f"the model's config contradicts itself: hidden_size={hidden}, "
                f"num_attention_heads={heads}, num_key_value_heads={found.kv_heads}, "
                f"{experts} experts, num_experts_per_tok={found.active_experts}"
            )
        return found

    @property
    def attention(self) -> int:
        """Matrix elements of one layer's four projections."""
        return 2 * self.hidden * self.head_size * (self.heads + self.kv_heads)

    @property
    def active_mlp(self) -> int:
        """Matrix elements of one layer's feed-forward part that one token passes."""
        if not self.experts:
            return 3 * self.hidden * self.width
        routed = 3 * self.hidden * (self.active_experts * self.expert_width + self.shared_width)
        return routed + self.hidden * self.experts + (self.hidden if self.shared_width else 0)

    @property
    def mlp(self) -> int:
        """Matrix elements of one layer's feed-forward part."""
        idle = self.experts - self.active_experts
        return self.active_mlp + 3 * self.hidden * idle * self.expert_width

    @property
    def parameters(self) -> int:
        """Every parameter, tied ones once."""
        vectors = 2 * self.hidden
        if self.biased:
            vectors += self.head_size * (self.heads + 2 * self.kv_heads)
        if self.normalised:
            vectors += 2 * self.head_size
        body = self.layers * (self.attention + self.mlp + vectors) + self.hidden
        return body + self.vocabulary * self.hidden + (0 if self.tied else self.head)

    @property
    def active_parameters(self) -> int:
        """The parameters one token passes: those of the experts it is not sent to left out."""
        return self.parameters - self.layers * (self.mlp - self.active_mlp)

    @property
    def kv_elements(self) -> int:
        """Numbers that one token keeps in the KV cache."""
        return 2 * self.layers * self.kv_heads * self.head_size


def kind_of(config: Mapping[str, Any]) -> str:
    """The kind of model, one of FAMILIES.

    Raises:
        UnknownKindError: it is none of them, or its layers are of two sorts.
        ConfigError: the keys that say so have values that cannot be.
    """
    kind, dense = config.get("model_type"), config.get("mlp_only_layers")
    if kind is not None and not isinstance(kind, str):
        raise wrong("model_type", kind, "a text")
    if dense is not None and not isinstance(dense, list | tuple):
        raise wrong("mlp_only_layers", dense, "a list")
    mixed = dense or whole(config, "decoder_sparse_step", 1) != 1
    if kind not in FAMILIES or mixed:
        raise UnknownKindError(
            f"the size of a model of type {reprlib.repr(kind)}{', dense in part,' if mixed else ''}"
            f" is not known; known types: {', '.join(FAMILIES)}"
        )
    return kind


def whole(
    config: Mapping[str, Any], key: str, default: int | None = None, *, least: int = 1
) -> int:
    """The whole number at `key`; where there is none or null, the default, if there is one.

    Raises:
        ConfigError: there is none, or it is not in least..LARGEST.
    """
    value = config.get(key)
    if value is None and default is not None:
        return default
    if key not in config:
        raise ConfigError(f"the model's config has no {key!r}")
    if type(value) is not int or not least <= value <= LARGEST:
        raise wrong(key, value, f"a whole number from {least} to {LARGEST}")
    return value


def flag(config: Mapping[str, Any], key: str, default: bool) -> bool:
    """The truth at `key`. Raises ConfigError if it is something else."""
    value = config.get(key)
    if value is not None and not isinstance(value, bool):
        raise wrong(key, value, "true or false")
    return default if value is None else value


def wrong(key: str, value: Any, wanted: str) -> ConfigError:
    """The error that says which value of a config cannot be."""
    return ConfigError(f"the model's config has {key}={reprlib.repr(value)}; it must be {wanted}")


def context_length(config: Mapping[str, Any]) -> int | None:
    """The longest sequence that a model is made for, in tokens; None if its config does not say.

    Raises:
        ConfigError: what it says cannot be.
    """
    return whole(config, "max_position_embeddings", 0) or None


def architecture(config: Mapping[str, Any]) -> str:
    """The class that the config names. Raises ConfigError if it names none."""
    names = config.get("architectures")
    if not names and names in (None, [], ()):
        raise ConfigError("the model's config names no architecture")
    if not isinstance(names, list | tuple) or not isinstance(names[0], str) or not names[0]:
        raise wrong("architectures", names, "a list of the names of classes")
    return names[0]


def is_causal(config: Mapping[str, Any]) -> bool:
    """Whether the output is a token."""
    return architecture(config).endswith("ForCausalLM")


def head_parameters(config: Mapping[str, Any]) -> int:
    """Parameters between the last hidden state and the output, of each kind of model used here."""
    name, hidden = architecture(config), whole(config, "hidden_size")
    if name.endswith("ForProcessRewardModel"):
        return hidden * hidden + hidden + 2 * hidden + 2
    if name.endswith("ForPrmModel"):
        return hidden + 1
    if name.endswith("ForSequenceClassification"):
        labels = config.get("id2label")
        if labels is not None and not isinstance(labels, Mapping | list | tuple):
            raise wrong("id2label", labels, "an object of labels")
        return hidden * len(labels or [0])
    return hidden * whole(config, "vocab_size")
