"""A judged solution as the reward model reads it: the chat, with a tag after each step."""

from transformers import PreTrainedTokenizerBase

from tts_ray.pocket.measure import Solution
from tts_ray.pocket.tokens import STEP_TAG, prompt_ids, token_id


def reward_ids(tokenizer: PreTrainedTokenizerBase, solution: Solution) -> list[int]:
    """Token ids; the score of step k is read at the k-th tag."""
    ids = prompt_ids(tokenizer, solution.problem)
    tag = token_id(tokenizer, STEP_TAG)
    for step in solution.steps:
        ids += [*tokenizer(step)["input_ids"], tag]
    return ids
