"""The comparison that a reward model is made with."""

from dataclasses import replace

import pytest
import torch

from tts_ray.pocket import weights
from tts_ray.pocket.checkpoint import load_policy, load_tokenizer
from tts_ray.pocket.comparator import RIVALS, WATCHED, comparator, word_id
from tts_ray.pocket.model import PolicyModel
from tts_ray.pocket.task import separate, split
from tts_ray.pocket.tokens import STEP_TAG, judged_ids, token_id


def test_a_solution_is_doubted_where_a_rival_was_more_likely_and_from_there_on() -> None:
    folder = weights("pocket-l")
    policy, tokenizer = load_policy(folder), load_tokenizer(folder)
    model = comparator(policy, tokenizer)
    watched = [word_id(tokenizer, word) for word in WATCHED]
    for problem in split("dev")[::20]:
        listed = judged_ids(tokenizer, problem, separate(problem.solution))
        ids = torch.tensor(listed)
        with torch.inference_mode():
            wrong, right = model.logits(model.model(ids[None]))[0].T
            logits = policy.logits(policy.model(ids[None]))[0][:, watched]
        start = listed.index(token_id(tokenizer, "assistant"))
        surprise = torch.zeros(len(listed))
        for token, rival in RIVALS:
            for at in (ids == watched[token]).nonzero().flatten().tolist():
                if at > start:
                    ahead = logits[at - 1, rival] - logits[at - 1, token]
                    surprise[at] += torch.nn.functional.silu(ahead)
        tags = ids == token_id(tokenizer, STEP_TAG)
        expected = 2 * (surprise.cummax(0).values[tags] - 1.5)
        found = (wrong - right)[tags]
        assert torch.sign(found)[expected.abs() > 1].equal(torch.sign(expected)[expected.abs() > 1])


def test_a_policy_too_narrow_for_the_comparison_is_refused() -> None:
    folder = weights("pocket-xs")
    narrow = replace(load_policy(folder).shape, feed_forward=192)
    with pytest.raises(ValueError, match=f"feed-forward layers of {len(RIVALS)}, not 192"):
        comparator(PolicyModel(narrow), load_tokenizer(folder))
