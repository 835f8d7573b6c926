"""From a spec to a loaded engine. An engine's libraries are imported only when it is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tts_ray.engines.scripted import Faults, ScriptedPolicy, ScriptedReward
from tts_ray.engines.spec import Capacity, PolicySpec, RewardSpec


@dataclass(frozen=True)
class ScriptedPolicySpec:
    """A policy without a model, for tests of everything around it."""

    depth: int = 3
    faults: Faults = field(default_factory=Faults)


@dataclass(frozen=True)
class ScriptedRewardSpec:
    """A reward model without a model, for tests of everything around it."""

    faults: Faults = field(default_factory=Faults)


def scripted_policy(settings: Mapping[str, Any]) -> ScriptedPolicySpec:
    """A scripted policy from plain settings: `depth`, and the fields of Faults."""
    faults = {key: value for key, value in settings.items() if key != "depth"}
    return ScriptedPolicySpec(settings.get("depth", 3), Faults.of(faults))


def scripted_reward(settings: Mapping[str, Any]) -> ScriptedRewardSpec:
    """A scripted reward model from plain settings: the fields of Faults."""
    return ScriptedRewardSpec(Faults.of(settings))


Spec = PolicySpec | RewardSpec | ScriptedPolicySpec | ScriptedRewardSpec
SCRIPTED_CAPACITY = Capacity(sequences=1024, kv_tokens=1 << 20)


class Engine(Protocol):
    """What an actor asks of a loaded engine besides its calls."""

    def tokens_in_flight(self) -> int: ...


def load(spec: Spec) -> tuple[Engine, Capacity]:
    """Load the engine and say what it can hold. Takes seconds to minutes and its memory."""
    match spec:
        case ScriptedPolicySpec():
            return ScriptedPolicy(spec.depth, spec.faults), SCRIPTED_CAPACITY
        case ScriptedRewardSpec():
            return ScriptedReward(spec.faults), SCRIPTED_CAPACITY
        case PolicySpec():
            from tts_ray.engines.vllm_policy import VllmPolicy

            policy = VllmPolicy(spec)
            return policy, policy.vllm.capacity
        case RewardSpec():
            from tts_ray.engines.vllm_reward import VllmReward

            reward = VllmReward(spec)
            return reward, reward.vllm.capacity
