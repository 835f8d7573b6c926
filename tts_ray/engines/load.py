"""From a spec to a loaded engine. An engine's libraries are imported only when it is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

from pydantic import Field

from tts_ray.engines.scripted import Faults, ScriptedPolicy, ScriptedReward
from tts_ray.engines.spec import Capacity, PolicySpec, RewardSpec
from tts_ray.imports import uncollected
from tts_ray.typed import Count, typed


@dataclass(frozen=True)
class ScriptedPolicySpec:
    """A policy without a model, for tests of everything around it."""

    depth: int = 3
    faults: Faults = field(default_factory=Faults)


@dataclass(frozen=True)
class ScriptedRewardSpec:
    """A reward model without a model, for tests of everything around it."""

    faults: Faults = field(default_factory=Faults)


@dataclass(frozen=True)
class ScriptedSettings:
    """What a configuration may say of a scripted engine: the fields of Faults, and of a policy the
    number of its steps."""

    depth: Count = 3
    fail: list[Count] = field(default_factory=list)
    hang: list[Count] = field(default_factory=list)
    die: list[Count] = field(default_factory=list)
    seconds: Annotated[float, Field(strict=True, ge=0, le=1e6, allow_inf_nan=False)] = 0.0
    poison: str = ""

    @property
    def faults(self) -> Faults:
        return Faults(
            fail=frozenset(self.fail),
            hang=frozenset(self.hang),
            die=frozenset(self.die),
            seconds=self.seconds,
            poison=self.poison,
        )


def scripted_policy(settings: Mapping[str, Any]) -> ScriptedPolicySpec:
    """A scripted policy from plain settings. Raises ConfigError if one does not fit."""
    found = typed(ScriptedSettings, settings)
    return ScriptedPolicySpec(found.depth, found.faults)


def scripted_reward(settings: Mapping[str, Any]) -> ScriptedRewardSpec:
    """A scripted reward model from plain settings. Raises ConfigError if one does not fit."""
    return ScriptedRewardSpec(typed(ScriptedSettings, settings).faults)


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
            with uncollected():
                from tts_ray.engines.vllm_policy import VllmPolicy

            policy = VllmPolicy(spec)
            return policy, policy.vllm.capacity
        case RewardSpec():
            with uncollected():
                from tts_ray.engines.vllm_reward import VllmReward

            reward = VllmReward(spec)
            return reward, reward.vllm.capacity
