"""What vLLM runs in each of its processes before it looks for a model (vllm.general_plugins)."""


def register() -> None:
    """Register what vLLM lacks. Light to import: vLLM imports it, and what it names, itself."""
    from vllm import ModelRegistry
    from vllm.v1.attention.backends.registry import AttentionBackendEnum, register_backend

    ModelRegistry.register_model("Qwen2ForPrmModel", "tts_ray.engines.value_head:Qwen2ForPrmModel")
    register_backend(
        AttentionBackendEnum.CPU_ATTN, "tts_ray.engines.cpu_attention.SmallBlockCpuAttention"
    )
