"""Skywork-o1-Open-PRM for vLLM: Qwen2 with a value head on the last hidden state.

The checkpoints name the architecture Qwen2ForPrmModel and keep the head, a Linear(hidden -> 1), as
`v_head.summary`. The sigmoid is the pooler's, as for every classifier of one label.
"""

from collections.abc import Iterable

import torch
from vllm.config import VllmConfig
from vllm.model_executor.layers.linear import ReplicatedLinear
from vllm.model_executor.models.interfaces_base import default_pooling_type
from vllm.model_executor.models.qwen2_rm import Qwen2ForRewardModel
from vllm.model_executor.models.utils import AutoWeightsLoader

STORED, OURS = "v_head.summary.", "score."


@default_pooling_type(tok_pooling_type="ALL")
class Qwen2ForPrmModel(Qwen2ForRewardModel):  # type: ignore[misc]  # vLLM's is untyped
    """One score for every position."""

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = "") -> None:
        super().__init__(vllm_config=vllm_config, prefix=prefix)
        self.score = ReplicatedLinear(
            self.config.hidden_size, 1, params_dtype=self.head_dtype, return_bias=False
        )

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> set[str]:
        renamed = ((name.replace(STORED, OURS, 1), weight) for name, weight in weights)
        loaded: set[str] = AutoWeightsLoader(
            self, ignore_unexpected_prefixes=["lm_head."]
        ).load_weights(renamed)
        if "score.weight" not in loaded:
            raise ValueError(f"the checkpoint has no value head {STORED}weight")
        return loaded
