"""How much GPU memory a replica needs, from its dimensions. An estimate that errs upwards.

    on each card: weights / cards + KV cache of AT_ONCE full-length sequences / cards + work

`work` is what no split makes smaller: the CUDA context and graphs, and the activations of the
largest batch. All sizes are in GiB.
"""

from dataclasses import dataclass

from tts_ray.dimensions import Dimensions

GIB = 2**30
AT_ONCE = 8
"""Sequences of full length a replica must hold for batching to be worth its card."""
CONTEXT_GIB = 2.0
"""CUDA context, communication buffers and CUDA graphs."""
LOGIT_BYTES = 8
"""Logits are sampled from in float32, beside one working copy."""


@dataclass(frozen=True, slots=True)
class Need:
    """What one replica needs; `heads` and `kv_heads` limit what it can be split over."""

    weights: float
    sequence: float
    work: float
    heads: int
    kv_heads: int

    @classmethod
    def of(
        cls,
        dimensions: Dimensions,
        *,
        bytes_each: int,
        max_model_len: int,
        max_num_seqs: int,
        batch_tokens: int,
    ) -> "Need":
        """The need of a model whose weights, activations and cache take `bytes_each` a number.

        Args:
            max_model_len: tokens of the longest sequence.
            max_num_seqs: sequences whose logits are computed in one step; 0 if none are.
            batch_tokens: tokens of the largest batch.
        """
        inner = max(dimensions.width, dimensions.active_experts * dimensions.expert_width)
        activations = batch_tokens * (3 * inner + 4 * dimensions.hidden) * bytes_each
        logits = max_num_seqs * dimensions.vocabulary * LOGIT_BYTES
        return cls(
            weights=dimensions.parameters * bytes_each / GIB,
            sequence=dimensions.kv_elements * max_model_len * bytes_each / GIB,
            work=CONTEXT_GIB + (activations + logits) / GIB,
            heads=dimensions.heads,
            kv_heads=dimensions.kv_heads,
        )

    def on_card(self, tensor: int, pipeline: int = 1, sequences: int = AT_ONCE) -> float:
        """What each card needs of a replica split over tensor x pipeline cards that holds so many
        full-length sequences. Key-value heads fewer than the cards they are split over are
        repeated."""
        cache = sequences * self.sequence / (min(tensor, self.kv_heads) * pipeline)
        return self.weights / (tensor * pipeline) + cache + self.work

    def sequences(self, usable: float, tensor: int, pipeline: int = 1) -> float:
        """How many full-length sequences the KV cache holds on cards of `usable` GiB."""
        left = usable - self.weights / (tensor * pipeline) - self.work
        return left * min(tensor, self.kv_heads) * pipeline / self.sequence

    def splits(self, tensor: int) -> bool:
        """Whether tensor parallelism over so many cards divides the heads evenly."""
        shared = max(tensor, self.kv_heads) % min(tensor, self.kv_heads) == 0
        return self.heads % tensor == 0 and shared

    def least_cards(self, usable: float, node_cards: int) -> tuple[int, int] | None:
        """The fewest cards of `usable` GiB that hold a replica, as (tensor, pipeline): within a
        node its layers are split, beyond one the stack of layers is. None if 64 nodes do not."""
        powers = [2**k for k in range(node_cards.bit_length()) if 2**k <= node_cards]
        within = [(tensor, 1) for tensor in powers]
        beyond = [(powers[-1], nodes) for nodes in range(2, 65)]
        for tensor, pipeline in (*within, *beyond):
            if self.splits(tensor) and self.on_card(tensor, pipeline) <= usable:
                return tensor, pipeline
        return None
