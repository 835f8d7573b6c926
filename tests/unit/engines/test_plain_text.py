"""What a question or a step spells is text, whatever the tokenizer has tokens for."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken

from tests.e2e.checkpoints import llama_tokenizer, qwen_tokenizer, sentencepiece_tokenizer
from tests.unit.engines.conftest import refusal
from tts_ray.engines.plain_text import PlainText
from tts_ray.engines.prompts import around, chat, prompt_family, template_ids
from tts_ray.engines.reward_formats import FORMATS, MathShepherd, RlhflowPrm

INSTRUCT = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content | trim }} "
    "[/INST]{% endif %}{% endfor %}"
)
THOUGHT = [AddedToken("<think>", special=False), AddedToken("</think>", special=False, rstrip=True)]
MAKERS = {
    "qwen": qwen_tokenizer,
    "llama3": llama_tokenizer,
    "r1": sentencepiece_tokenizer,
}
"""A tokenizer for each prompt family."""


def made(family):
    tokenizer = MAKERS[family]()
    if family == "r1":
        tokenizer.chat_template = INSTRUCT
        tokenizer.add_special_tokens({"additional_special_tokens": ["[INST]", "[/INST]"]})
    tokenizer.add_tokens(THOUGHT)
    return tokenizer


TOKENIZERS = {family: made(family) for family in MAKERS}
SPELLED = [
    (family, token.content)
    for family, tokenizer in TOKENIZERS.items()
    for token in tokenizer.added_tokens_decoder.values()
]


def added(tokenizer, ids):
    """The added tokens among ids, in order."""
    return [i for i in ids if i in tokenizer.added_tokens_decoder]


@pytest.mark.parametrize(("family", "token"), SPELLED)
@pytest.mark.parametrize("question", ["{0}", "What is {0}?", "{0}{0} 1", " a\n{0} \n{0}", "1{0}\n"])
def test_a_token_that_a_question_spells_is_text_in_the_prompt(family, token, question):
    tokenizer, family = TOKENIZERS[family], prompt_family(family)
    question = question.format(token)
    ids = family.render(tokenizer, question)
    assert added(tokenizer, ids) == added(tokenizer, family.render(tokenizer, "What?"))
    text = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    assert "".join(question.split()) in "".join(text.split())


@pytest.mark.parametrize(("family", "token"), SPELLED)
def test_a_token_that_a_step_spells_is_text_for_the_reward_model(family, token):
    tokenizer = TOKENIZERS[family]
    ids = PlainText(tokenizer).ids(f"So {token} is 1")
    assert added(tokenizer, ids) == []
    assert tokenizer.decode(ids).strip() == f"So {token} is 1"


@pytest.mark.parametrize("family", TOKENIZERS)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(question=st.text(max_size=30) | st.sampled_from(["", " ", "\n\n1", " 1 + 1 ", "é≤数"]))
@example(question=" \n a  b\n")
def test_any_other_question_has_the_ids_that_the_tokenizer_gives_the_whole(family, question):
    tokenizer, prompt = TOKENIZERS[family], prompt_family(family)
    whole = chat(tokenizer, prompt.messages(question), open_turn=True)
    assert prompt.render(tokenizer, question) == template_ids(tokenizer, whole)
    if not question.strip():
        return
    before, after = around(chat(tokenizer, prompt.messages("WORD"), open_turn=True), "WORD")
    own = whole[len(before) : len(whole) - len(after)]
    assert PlainText(tokenizer).ids_between(before, own, after) == template_ids(tokenizer, whole)


@pytest.mark.parametrize("family", TOKENIZERS)
@given(text=st.text(max_size=30))
@settings(deadline=None)
def test_any_other_text_on_its_own_has_the_ids_that_the_tokenizer_gives_it(family, text):
    tokenizer = TOKENIZERS[family]
    plain = PlainText(tokenizer)
    assert plain.ids(text) == plain.ids_between("", text, "") == template_ids(tokenizer, text)


def test_a_question_is_joined_to_the_template_as_if_it_spelled_nothing():
    """A blank before a word is part of its token; the start of a text is another one's."""
    tokenizer = TOKENIZERS["r1"]
    ids = prompt_family("r1").render(tokenizer, "ки </s> ки")
    assert tokenizer.convert_ids_to_tokens(ids)[:5] == ["<s>", "[INST]", "▁", "▁ки", "▁"]


def test_the_question_is_text_for_the_reward_model_too():
    for kind in (RlhflowPrm, MathShepherd, FORMATS["qwen2.5-math-prm"], FORMATS["outcome"]):
        tokenizer = {MathShepherd: TOKENIZERS["r1"], FORMATS["qwen2.5-math-prm"]: made("qwen")}.get(
            kind, TOKENIZERS["llama3"]
        )
        made_of = kind(tokenizer)
        spelled = " ".join(token.content for token in tokenizer.added_tokens_decoder.values())
        question = made_of.question(f"{spelled} ?")
        assert added(tokenizer, question) == added(tokenizer, made_of.question("What?"))


def test_a_text_of_a_tokenizer_that_cannot_be_copied_is_refused_only_if_it_spells_a_token(
    monkeypatch,
):
    tokenizer = made("qwen")
    monkeypatch.setattr(type(tokenizer), "is_fast", False)
    assert prompt_family("qwen").render(tokenizer, "What?")
    line = refusal(prompt_family("qwen").render, tokenizer, "What is <|im_end|>?")
    assert "whose tokenizer cannot keep it text" in line


def test_a_template_that_looks_at_what_a_question_spells_is_refused_with_the_question():
    tokenizer = made("qwen")
    tokenizer.chat_template = (
        "{{ 'THINK' if '</think>' in messages[-1].content }}{{ messages[-1].content }}"
    )
    line = refusal(prompt_family("r1").render, tokenizer, "What is </think>?")
    assert "other text around the question 'What is </think>?'" in line
    assert "dataset.ids" in line
