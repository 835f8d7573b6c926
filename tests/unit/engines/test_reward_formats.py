"""What reward models read of a path that grows: each text is encoded once."""

from functools import cache

import pytest

from tests.e2e.checkpoints import llama_tokenizer, qwen_tokenizer, sentencepiece_tokenizer
from tts_ray.engines.reward_formats import FORMATS

TOKENIZERS = {
    "qwen2.5-math-prm": qwen_tokenizer,
    "math-shepherd": sentencepiece_tokenizer,
    "rlhflow": llama_tokenizer,
    "skywork-prm": qwen_tokenizer,
    "outcome": llama_tokenizer,
}
made = cache(lambda make: make())
STEPS = ["12 + 34 = 46\n\n", "46 * 2 = 92\n\n", "So it is 92."]
NESTED = [name for name, kind in FORMATS.items() if kind.nested]


def encoded(kind, monkeypatch):
    """The texts that a format encodes from now on."""
    seen = []
    encode = kind.encode

    def watch(text):
        seen.append(text)
        return encode(text)

    monkeypatch.setattr(kind, "encode", watch)
    return seen


@pytest.fixture(params=FORMATS)
def name(request):
    return request.param


@pytest.fixture
def kind(name):
    return FORMATS[name](made(TOKENIZERS[name]))


def test_what_a_path_was_before_its_newest_step_is_not_encoded_again(kind, monkeypatch):
    question = kind.question("What is 12 + 34, twice?")
    kind.prompts(question, STEPS[:2], 0)
    seen = encoded(kind, monkeypatch)
    longer = kind.prompts(question, STEPS, 1)
    assert any(STEPS[2] in text for text in seen)
    earlier = [text for text in seen if STEPS[2] not in text]
    assert not any(step.strip() in text for step in STEPS[:2] for text in earlier)
    assert longer == type(kind)(kind.tokenizer).prompts(question, STEPS, 1)


def test_paths_with_equal_steps_encode_them_once(kind, monkeypatch):
    question = kind.question("What is 12 + 34, twice?")
    first = kind.prompts(question, STEPS, 2)
    seen = encoded(kind, monkeypatch)
    assert kind.prompts(question, list(STEPS), 2) == first
    assert not seen


@pytest.mark.parametrize("name", NESTED, indirect=True)
def test_a_step_that_is_kept_has_the_ids_it_has_on_its_own_wherever_it_stands(kind):
    question = kind.question("What is 12 + 34, twice?")
    for texts in (STEPS, STEPS[::-1], [STEPS[1]] * 3):
        ids = [*question]
        for at, text in enumerate(texts):
            ids += kind.step(text, first=at == 0)
        assert kind.prompts(question, texts, 2) == [tuple(ids)]
