"""vLLM's attention on x86 CPUs with KV blocks of 16 tokens.

The kernels have them, for float32 and for every other type; the backend does not say so and takes
blocks of 32. A step is read again from its last whole block, so a smaller block leaves a reward
model and a beam search less to compute twice.
"""

from typing import Any

from vllm.v1.attention.backend import MultipleOf
from vllm.v1.attention.backends.cpu_attn import CPUAttentionBackend


class SmallBlockCpuAttention(CPUAttentionBackend):  # type: ignore[misc]  # vLLM's is untyped
    """The same backend, for blocks of any multiple of 16 tokens."""

    @staticmethod
    def get_supported_kernel_block_sizes(kv_cache_spec: Any = None) -> list[int | MultipleOf]:
        return [MultipleOf(16)]
