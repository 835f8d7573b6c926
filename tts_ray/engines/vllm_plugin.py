"""What vLLM runs in each of its processes before it looks for a model (vllm.general_plugins)."""


def register() -> None:
    """Register the architectures that vLLM lacks. Light to import: vLLM imports it itself."""
    from vllm import ModelRegistry

    ModelRegistry.register_model("Qwen2ForPrmModel", "tts_ray.engines.value_head:Qwen2ForPrmModel")
