"""The tokenizer: nothing is lost, and steps and prompts look as the loaders expect."""

from itertools import islice

import pytest
from transformers import PreTrainedTokenizerBase

from tts_ray.pocket.task import SEPARATOR, separate, split, train
from tts_ray.pocket.tokens import (
    END,
    PAD,
    START,
    STEP_TAG,
    SYSTEM,
    judged_ids,
    learn_tokenizer,
    prompt_ids,
)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return learn_tokenizer(problems=500)


def test_problems_and_solutions_survive_the_round_trip(tokenizer: PreTrainedTokenizerBase) -> None:
    for problem in islice(train(9), 200):
        for text in (problem.question, problem.solution):
            ids = tokenizer(text)["input_ids"]
            assert tokenizer.decode(ids) == text
            assert tokenizer(tokenizer.decode(ids))["input_ids"] == ids


@pytest.mark.parametrize("text", ["héllo  wörld\n\n \t x", "12 34\r\n猫", f"a{STEP_TAG}b", " ", ""])
def test_any_text_survives_the_round_trip(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_tags_are_single_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    assert [tokenizer(tag)["input_ids"] for tag in (PAD, START, END, STEP_TAG)] == [
        [0],
        [1],
        [2],
        [3],
    ]


def test_a_prompt_is_a_chat_that_ends_where_the_assistant_begins(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    problem = split("dev")[0]
    assert tokenizer.decode(prompt_ids(tokenizer, problem)) == (
        f"<|im_start|>system\n{SYSTEM}<|im_end|>\n"
        f"<|im_start|>user\n{problem.question}<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_judged_solution_has_a_tag_after_each_step_and_no_blank_line(
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    problem = split("dev")[100]
    steps = separate(problem.solution)
    ids = judged_ids(tokenizer, problem, steps)
    assert ids.count(3) == len(steps)
    assert ids[-1] == 3
    assert SEPARATOR not in tokenizer.decode(ids)
    assert tokenizer.decode(ids).endswith("".join(step + STEP_TAG for step in steps))
