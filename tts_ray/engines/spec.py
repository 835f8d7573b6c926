"""What an engine needs to load, as values that travel to its actor. Imports no engine library."""

from dataclasses import dataclass, field
from typing import Any, Literal

Device = Literal["cpu", "cuda"]
BATCH_TOKENS: dict[Device, int] = {"cpu": 2048, "cuda": 8192}
"""Tokens of an engine's largest batch; prompts that are not chunked may widen it."""


@dataclass(frozen=True, kw_only=True)
class EngineSpec:
    """One replica of a model.

    Lengths are in tokens. A replica is split over tensor_parallel x pipeline_parallel cards, the
    latter on a node each. `kv_cache_gib` sizes the KV cache on a CPU, where it is needed;
    `gpu_memory_utilization` is the share of one GPU this engine may take. `extra` goes to vLLM's
    engine arguments as it is.
    """

    model: str
    revision: str | None = None
    dtype: str = "auto"
    max_model_len: int | None = None
    max_num_seqs: int = 256
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    gpu_memory_utilization: float = 0.9
    kv_cache_gib: float = 1.0
    device: Device = "cuda"
    core_process: bool | None = None
    """Whether vLLM's engine core has a process of its own; by default it has on CUDA."""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def has_core_process(self) -> bool:
        return self.device == "cuda" if self.core_process is None else self.core_process


@dataclass(frozen=True, kw_only=True)
class PolicySpec(EngineSpec):
    """A policy: `prompt` names its prompt family, `separator` ends a reasoning step. Confidence is
    computed from the `confidence` largest log-probabilities of each token; with 0 it is not."""

    prompt: str
    separator: str = "\n\n"
    confidence: int = 0


@dataclass(frozen=True, kw_only=True)
class RewardSpec(EngineSpec):
    """A process reward model: `format` names its input format and read-out."""

    format: str


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one loaded replica holds at once: sequences, and tokens in its KV cache."""

    sequences: int
    kv_tokens: int


def environment(device: Device) -> dict[str, str]:
    """Environment variables of an engine's process, set before its libraries are imported."""
    common = {
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if device == "cuda":
        # Every request has a seed, which FlashInfer's sampler does not take; it would only be
        # compiled, by nvcc, while the engine loads.
        return common | {"VLLM_USE_FLASHINFER_SAMPLER": "0"}
    return common | {
        # Without it vLLM puts a CPU model into a worker process that its core waits for, spinning.
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "OMP_NUM_THREADS": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "TORCH_COMPILE_DISABLE": "1",
    }
