"""Prompts, rendered by small tokenizers with the families' special tokens and chat templates."""

import pytest

from tests.e2e.checkpoints import llama_tokenizer, qwen_tokenizer
from tests.unit.engines.conftest import refusal
from tts_ray.engines.prompts import DATE, REASON, prompt_family
from tts_ray.engines.reward_formats import FORMATS
from tts_ray.errors import ConfigError

R1_CHAT = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}<|User|>{{ m.content }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}<|Assistant|><think>\n{% endif %}"
)


def test_a_qwen_prompt_is_the_documented_chat():
    tokenizer = qwen_tokenizer()
    ids = prompt_family("qwen").render(tokenizer, "What is $1+1$?")
    assert tokenizer.decode(ids) == (
        f"<|im_start|>system\n{REASON}<|im_end|>\n"
        "<|im_start|>user\nWhat is $1+1$?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_llama_prompt_has_one_start_and_the_steps_of_the_paper():
    tokenizer = llama_tokenizer()
    ids = prompt_family("llama3").render(tokenizer, "What is $1+1$?")
    text = tokenizer.decode(ids)
    assert ids.count(tokenizer.bos_token_id) == 1
    assert text.startswith("<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nSolve")
    assert "## Step 1: [Concise description]" in text
    assert "Therefore, the final answer is: $\\boxed{answer}$. I hope it is correct." in text
    assert text.endswith(
        "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nWhat is $1+1$?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )


def test_a_template_that_prints_the_date_prints_a_fixed_one():
    tokenizer = llama_tokenizer()
    tokenizer.chat_template = "{{ date_string }}{{ messages[-1].content }}"
    ids = prompt_family("llama3").render(tokenizer, "?")
    assert tokenizer.decode(ids) == f"{DATE}?"


@pytest.mark.parametrize(
    "template",
    [
        "{{ strftime_now('%d %b %Y') }}",
        "{% set d = strftime_now('%d %b %Y') if strftime_now is defined else 'none' %}{{ d }}",
        "{% macro today() %}{{ strftime_now('%d %b %Y') }}{% endmacro %}{{ today() }}",
        "{% if not date_string is defined %}{{ 1 / 0 }}{% endif %}{{ date_string }}",
    ],
)
def test_the_clock_stands_still_for_a_template_however_it_asks(template):
    tokenizer = llama_tokenizer()
    tokenizer.chat_template = template + "{{ messages[-1].content }}"
    assert tokenizer.decode(prompt_family("llama3").render(tokenizer, "?")) == f"{DATE}?"


def test_a_reward_models_template_has_the_same_clock():
    tokenizer = llama_tokenizer()
    tokenizer.chat_template = "{{ strftime_now('%Y-%m-%d %H:%M') }}" + tokenizer.chat_template
    ids = FORMATS["outcome"](tokenizer).question("?")
    assert tokenizer.decode(ids).startswith("2024-07-26 00:00<|begin_of_text|>")


def test_an_r1_prompt_has_no_system_turn_and_opens_the_thought():
    tokenizer = llama_tokenizer()
    tokenizer.chat_template = R1_CHAT
    ids = prompt_family("r1").render(tokenizer, "What is $1+1$?")
    assert ids.count(tokenizer.bos_token_id) == 1
    assert tokenizer.decode(ids) == (
        f"<|begin_of_text|><|User|>What is $1+1$?\n{REASON}<|Assistant|><think>\n"
    )


def test_an_unknown_family_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"'lama'.*llama3, qwen, r1"):
        prompt_family("lama")


def refused(template, family="qwen"):
    tokenizer = llama_tokenizer()
    tokenizer.chat_template = template
    return refusal(prompt_family(family).refuse_other_template, tokenizer)


def test_a_checkpoint_without_a_chat_template_is_told_what_it_lacks():
    assert "has no chat template (chat_template.jinja" in refused(None)


@pytest.mark.parametrize(
    "template",
    [
        *("{% for m in messages %}{{ m.content }}", "{{ 1 / 0 }}", "{{ nothing.at.all }}", "{{"),
        *("{{ raise_exception('no system\nturn') }}", "{{ messages[7].content }}", "{% evil %}"),
        *("{{ messages.__class__.__mro__ }}", {"other": "x"}, 5),
    ],
)
def test_a_template_that_fails_is_one_line(template):
    refused(template)


@pytest.mark.parametrize("template", ["[]", "Answer me: ", "{{ messages[0].content }}"])
def test_a_template_that_leaves_the_question_out_is_refused(template):
    assert "leaves the question out" in refused(template)


@pytest.mark.parametrize("family", ["qwen", "llama3"])
def test_a_template_that_drops_the_system_turn_is_refused(family):
    only_user = "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}"
    assert "leaves the system turn out" in refused(only_user, family)


def test_a_template_that_writes_the_question_twice_is_refused():
    line = refused("{{ messages[0].content }}{{ messages[1].content * 2 }}")
    assert "writes the question twice" in line


def test_a_template_that_begins_with_two_bos_is_refused():
    twice = "{{ bos_token }}{{ bos_token }}{{ messages[0].content }}{{ messages[1].content }}"
    assert "begins with two BOS" in refused(twice)


def test_what_a_template_says_before_the_question_on_its_own_is_found():
    own = "{{ 'You are helpful.' if messages[0].role != 'system' }}"
    tokenizer = llama_tokenizer()
    tokenizer.chat_template = own + tokenizer.chat_template
    assert prompt_family("r1").inserted(tokenizer) == "You are helpful.user"
    assert prompt_family("qwen").inserted(tokenizer) == "system user"


def test_a_refusal_of_the_template_is_passed_on_with_the_turns():
    line = refused("{{ raise_exception('System role not supported') }}")
    assert "fails on turns of system, user: TemplateError: System role not supported" in line
