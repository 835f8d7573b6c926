"""From a config and its plan to the fleets that a session loads."""

from tts_ray.config import ModelConfig, PolicyConfig, PrmConfig, RunConfig
from tts_ray.engines.checkpoint import locate
from tts_ray.engines.load import Spec, scripted_policy, scripted_reward
from tts_ray.engines.spec import PolicySpec, RewardSpec
from tts_ray.runtime.place import Place
from tts_ray.runtime.plan import Plan, Split
from tts_ray.runtime.session import Fleet

ENGINE_SETTINGS = ("revision", "dtype", "max_model_len", "max_num_seqs", "kv_cache_gib", "extra")


def fleets(config: RunConfig, plan: Plan) -> dict[str, Fleet]:
    """The replicas of every model of the run, by role."""
    return {
        role: Fleet(
            spec_of(model, plan.splits[role]),
            model.replicas,
            Place(model.cpus, plan.splits[role].gpus, plan.splits[role].pipeline),
            model.min_replicas,
        )
        for role, model in config.models().items()
    }


def spec_of(model: ModelConfig, split: Split) -> Spec:
    """What one replica of a model loads."""
    is_policy = isinstance(model, PolicyConfig)
    if model.model == "scripted":
        return scripted_policy(model.extra) if is_policy else scripted_reward(model.extra)
    settings = {name: getattr(model, name) for name in ENGINE_SETTINGS} | {
        "model": locate(model.model),
        "device": "cuda" if split.gpus else "cpu",
        "tensor_parallel": split.tensor,
        "pipeline_parallel": split.pipeline,
        "gpu_memory_utilization": model.gpu_memory_utilization * (split.share or 1.0),
    }
    if isinstance(model, PolicyConfig):
        return PolicySpec(
            prompt=model.prompt,
            separator=model.separator,
            confidence=model.confidence,
            **settings,
        )
    assert isinstance(model, PrmConfig)
    return RewardSpec(format=model.format, **settings)
