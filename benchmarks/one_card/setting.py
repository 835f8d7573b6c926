"""What is measured: models of real shapes on one GPU, or all of it in miniature on a CPU."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tts_ray.dimensions import Dimensions
from tts_ray.engines.spec import BATCH_TOKENS, Device, EngineSpec, PolicySpec, RewardSpec
from tts_ray.memory import Need
from tts_ray.types import Sampling

CONFIGS = Path(__file__).parents[2] / "configs"
MINIATURE = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "vocab_size": 4096,
}
"""What a CPU run makes of every shape."""


@dataclass(frozen=True)
class Setting:
    """One measurement.

    `pairs` of a policy and a PRM share the card, each with its share of it, the first of them also
    searches; `prms` are compared with transformers. A search of budget N takes on
    `candidates` / N problems. A step ends after `step_tokens` on average, a solution after
    `path_tokens`, and is cut at the limits of `sampling`.
    """

    device: Device
    pairs: tuple[tuple[str, str, float, float], ...]
    prms: tuple[str, ...]
    budgets: tuple[int, ...]
    candidates: int
    at_once: int
    step_tokens: int
    path_tokens: int
    max_model_len: int
    max_num_seqs: int
    sampling: Sampling

    @property
    def dtype(self) -> str:
        return "bfloat16" if self.device == "cuda" else "float32"

    def described(self, name: str) -> dict[str, Any]:
        """The configuration of a model, with the shape that is measured."""
        (file,) = CONFIGS.glob(f"*/{name}.yaml")
        found: dict[str, Any] = yaml.safe_load(file.read_text())
        if self.device == "cpu":
            found["architecture"] |= MINIATURE
        return found

    def dimensions(self, name: str) -> Dimensions:
        return Dimensions.of(self.described(name)["architecture"])

    def spec(self, name: str, folder: Path, share: float) -> EngineSpec:
        """How a model that was made in `folder` is loaded on its share of the card."""
        made = self.described(name)
        settings: dict[str, Any] = {
            "model": str(folder / name),
            "dtype": self.dtype,
            "device": self.device,
            "core_process": True,
            "max_model_len": self.max_model_len,
            "max_num_seqs": self.max_num_seqs,
            "gpu_memory_utilization": share,
            "kv_cache_gib": 0.0625,
        }
        if "prompt" in made:
            return PolicySpec(prompt=made["prompt"], **settings)
        return RewardSpec(format=made["format"], **settings)

    def need(self, name: str) -> Need:
        """The plan's estimate of what a replica needs."""
        is_policy = "prompt" in self.described(name)
        batch = BATCH_TOKENS[self.device]
        return Need.of(
            self.dimensions(name),
            bytes_each=2 if self.dtype == "bfloat16" else 4,
            max_model_len=self.max_model_len,
            max_num_seqs=self.max_num_seqs if is_policy else 0,
            batch_tokens=batch if is_policy else max(batch, self.max_model_len),
        )


CARD = Setting(
    device="cuda",
    pairs=(
        ("qwen2.5-1.5b-instruct", "qwen2.5-math-prm-7b", 0.4, 0.45),
        ("llama-3.2-1b-instruct", "skywork-prm-1.5b", 0.4, 0.4),
        ("qwen2.5-7b-instruct", "qwen2.5-math-prm-7b", 0.45, 0.4),
    ),
    prms=("qwen2.5-math-prm-7b", "skywork-prm-1.5b"),
    budgets=(16, 64, 256),
    candidates=512,
    at_once=64,
    step_tokens=48,
    path_tokens=400,
    max_model_len=2048,
    max_num_seqs=256,
    sampling=Sampling(temperature=1.0, max_step_tokens=256, max_tokens=768),
)
TINY = Setting(
    device="cpu",
    pairs=(("qwen2.5-1.5b-instruct", "qwen2.5-math-prm-7b", 0.5, 0.5),),
    prms=("skywork-prm-1.5b",),
    budgets=(4, 8),
    candidates=16,
    at_once=64,
    step_tokens=12,
    path_tokens=60,
    max_model_len=512,
    max_num_seqs=64,
    sampling=Sampling(temperature=1.0, max_step_tokens=32, max_tokens=96),
)
