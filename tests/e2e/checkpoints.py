"""Tiny random checkpoints of the reward models' real architectures, with their special tokens.

Weights are drawn wide, so that scores differ between steps.
"""

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from tts_ray import pocket
from tts_ray.pocket import task

SHAPE = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 512,
    "initializer_range": 0.1,
}
LLAMA_CHAT = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
    "{{ m.content | trim }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}"
    "<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
LLAMA_WORDS = r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)| ?\p{L}+|\s+"


def sentencepiece_tokenizer():
    """A byte-fallback BPE as Mistral's, with the tokens Math-Shepherd reads and writes."""
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokens += [chr(code) for code in range(33, 127)] + ["▁", "к", "и", "ки", "▁ки", "▁+", "▁-"]
    merges = [("к", "и"), ("▁", "ки"), ("▁", "+"), ("▁", "-")]
    vocab = {token: index for index, token in enumerate(tokens)}
    tokenizer = Tokenizer(
        models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def llama_tokenizer():
    """A byte-level BPE as Llama 3's, with its chat template's special tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA_WORDS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [f"{item.question} {item.solution}" for item in task.split("dev")[:50]]
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=special[0],
        eos_token=special[3],
        chat_template=LLAMA_CHAT,
    )


def qwen_tokenizer():
    """The pocket suite's, which has Qwen's split, chat template and <extra_0>."""
    return AutoTokenizer.from_pretrained(pocket.weights("pocket-prm"))


def vocabulary(tokenizer):
    return {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": 0,
    }


def write(folder, model, tokenizer):
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def math_shepherd(folder):
    torch.manual_seed(1)
    tokenizer = sentencepiece_tokenizer()
    config = MistralConfig(**SHAPE, **vocabulary(tokenizer), sliding_window=None)
    write(folder, MistralForCausalLM(config), tokenizer)


def rlhflow(folder):
    torch.manual_seed(2)
    tokenizer = llama_tokenizer()
    write(folder, LlamaForCausalLM(LlamaConfig(**SHAPE, **vocabulary(tokenizer))), tokenizer)


def outcome(folder):
    torch.manual_seed(3)
    tokenizer = llama_tokenizer()
    config = LlamaConfig(**SHAPE, **vocabulary(tokenizer), num_labels=1)
    write(folder, LlamaForSequenceClassification(config), tokenizer)


def head_of(architecture, hidden):
    """A reward head's tensors, random, for hidden states of that width."""
    shapes = {
        "Qwen2ForPrmModel": {"v_head.summary.weight": (1, hidden), "v_head.summary.bias": (1,)},
        "Qwen2ForProcessRewardModel": {
            "score.0.weight": (hidden, hidden),
            "score.0.bias": (hidden,),
            "score.2.weight": (2, hidden),
            "score.2.bias": (2,),
        },
    }
    return {name: torch.randn(shape) / hidden**0.5 for name, shape in shapes[architecture].items()}


def with_head(folder, architecture, **settings):
    """A Qwen2 checkpoint with a reward head."""
    torch.manual_seed(4)
    tokenizer = qwen_tokenizer()
    config = Qwen2Config(**SHAPE, **vocabulary(tokenizer), **settings)
    model = Qwen2ForCausalLM(config)
    model.config.architectures = [architecture]
    write(folder, model, tokenizer)
    config.architectures = [architecture]
    config.save_pretrained(folder)
    file = folder / "model.safetensors"
    tensors = load_file(file) | head_of(architecture, SHAPE["hidden_size"])
    save_file(tensors, file, metadata={"format": "pt"})


def skywork_prm(folder):
    with_head(folder, "Qwen2ForPrmModel")


def qwen_math_prm(folder):
    with_head(folder, "Qwen2ForProcessRewardModel", num_labels=2)


CHECKPOINTS = {
    "math-shepherd": math_shepherd,
    "rlhflow": rlhflow,
    "skywork-prm": skywork_prm,
    "qwen2.5-math-prm": qwen_math_prm,
    "outcome": outcome,
}
