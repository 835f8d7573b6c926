"""Whether questions, and responses to them, fit into the models' contexts, counted before any
engine is loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tts_ray.config import ModelConfig, RunConfig, searches
from tts_ray.dimensions import context_length
from tts_ray.engines.foreign import called
from tts_ray.engines.prompts import PromptFamily
from tts_ray.engines.reward_formats import RewardFormat
from tts_ray.errors import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Room:
    """A model's context of `limit` tokens, and how many of them the longest of all questions takes
    with the least that has to follow it."""

    longest: int
    limit: int


def policy_tokens(
    tokenizer: "PreTrainedTokenizerBase", family: PromptFamily, questions: Sequence[str]
) -> list[int]:
    """Tokens of each question's prompt and one more, the first of an answer."""
    return [len(family.render(tokenizer, question)) + 1 for question in questions]


def reward_tokens(kind: RewardFormat, questions: Sequence[str]) -> list[int]:
    """Tokens of each question and the shortest step, up to where its score is read."""
    (step,) = kind.prompts([], ["1"], 0)
    return [len(kind.question(question)) + len(step) for question in questions]


def room(
    role: str, config: Mapping[str, Any], max_model_len: int | None, lengths: Sequence[int]
) -> Room | None:
    """The room in the context of the policy or the PRM; None if no limit is known.

    Args:
        role: "policy" or "prm".
        config: the model's config.json.
        max_model_len: what the run sets; None leaves it to the config.
        lengths: as `policy_tokens` or `reward_tokens` counts.

    Raises:
        ConfigError: some questions do not fit.
    """
    with called(f"{role}.model"):
        limit = context_length(config) if max_model_len is None else max_model_len
    if limit is None:
        return None
    found = Room(max(lengths, default=0), limit)
    if found.longest > limit:
        many = sum(length > limit for length in lengths)
        follows = "token of an answer" if role == "policy" else "step of a solution"
        where = f"{role}.max_model_len" if max_model_len else "its config.json"
        raise ConfigError(
            f"{many} of {len(lengths)} questions leave no room in the {role}'s context for one "
            f"{follows}: with it the longest takes {found.longest} tokens, the limit is {limit} "
            f"({where}); raise {role}.max_model_len, choose a model with a longer context, or "
            f"other problems with dataset.ids, .levels or .limit"
        )
    return found


def too_long_for_the_prm(config: RunConfig, rooms: Mapping[str, Room]) -> str:
    """What to know of responses that the policy may write and the PRM cannot read; empty if there
    are none, or if a limit is not known.

    Args:
        rooms: by role, as far as they are known; else the limits that the run sets count.
    """
    if config.prm is None or not any(search.uses_reward for search in searches(config)):
        return ""
    known = {role: rooms.get(role, room_set_by(model)) for role, model in config.models().items()}
    policy, prm = known["policy"], known["prm"]
    longest = config.sampling.max_tokens
    if policy:
        longest = min(longest, policy.limit - policy.longest)
    if not prm or prm.longest + longest <= prm.limit:
        return ""
    return (
        f"responses may have up to {longest} tokens, the PRM's context holds {prm.limit} with the "
        f"question: longer ones are not scored; lower sampling.max_tokens, raise prm.max_model_len "
        f"or choose a PRM with a longer context"
    )


def room_set_by(model: ModelConfig) -> Room | None:
    """The context that a run sets for a model, and nothing in it."""
    return Room(0, model.max_model_len) if model.max_model_len else None
