"""The size of a transformer, read from the keys of its Hugging Face config.json.

Everything that is counted about a model follows from these numbers: its parameters, the memory it
needs (memory.py) and the work a token costs (flops.py). Decoders of the Llama and Qwen kind, dense
or with a mixture of experts; anything else is refused rather than estimated.
"""

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
            ConfigError: the architecture is not known here, or a key is missing.
        """
        kind = config.get("model_type")
        mixed = config.get("mlp_only_layers") or config.get("decoder_sparse_step", 1) != 1
        if kind not in FAMILIES or mixed:
            raise ConfigError(
                f"the size of a model of type {kind!r}{', dense in part,' if mixed else ''} is not "
                f"known; known types: {', '.join(FAMILIES)}"
            )
        try:
            hidden, heads = config["hidden_size"], config["num_attention_heads"]
            biased, normalised = FAMILIES[kind]
            experts = config.get("num_local_experts") or config.get("num_experts") or 0
            return cls(
                layers=config["num_hidden_layers"],
                hidden=hidden,
                heads=heads,
                kv_heads=config.get("num_key_value_heads") or heads,
                head_size=config.get("head_dim") or hidden // heads,
                width=config["intermediate_size"],
                vocabulary=config["vocab_size"],
                head=head_parameters(config),
                tied=is_causal(config) and bool(config.get("tie_word_embeddings")),
                biased=bool(config.get("attention_bias", biased)),
                normalised=normalised,
                experts=experts,
                active_experts=config["num_experts_per_tok"] if experts else 0,
                expert_width=(config.get("moe_intermediate_size") or config["intermediate_size"])
                if experts
                else 0,
                shared_width=config.get("shared_expert_intermediate_size") or 0,
            )
        except KeyError as error:
            raise ConfigError(f"the model's config has no {error.args[0]!r}") from None

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


def architecture(config: Mapping[str, Any]) -> str:
    """The class that the config names. Raises ConfigError if it names none."""
    names = config.get("architectures")
    if not names:
        raise ConfigError("the model's config names no architecture")
    return str(names[0])


def is_causal(config: Mapping[str, Any]) -> bool:
    """Whether the output is a token."""
    return architecture(config).endswith("ForCausalLM")


def head_parameters(config: Mapping[str, Any]) -> int:
    """Parameters between the last hidden state and the output, of each kind of model used here."""
    name, hidden = architecture(config), int(config["hidden_size"])
    if name.endswith("ForProcessRewardModel"):
        return hidden * hidden + hidden + 2 * hidden + 2
    if name.endswith("ForPrmModel"):
        return hidden + 1
    if name.endswith("ForSequenceClassification"):
        return hidden * len(config.get("id2label") or [0])
    return hidden * int(config["vocab_size"])
