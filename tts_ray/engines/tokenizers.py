"""A checkpoint's tokenizer, loaded as the engines load it and tried out.

transformers 5 makes a tokenizer without a vocabulary where tokenizer.json is missing, and says
nothing: every text is then no token, and every answer wrong.
"""

import os
import string
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tts_ray.dimensions import whole
from tts_ray.engines.checkpoint import own_config
from tts_ray.engines.foreign import called, refused
from tts_ray.errors import ConfigError
from tts_ray.imports import uncollected
from tts_ray.text import one_line

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PROBE = f"Step 1: The sum is {string.digits}.\n\n{string.ascii_letters} {string.punctuation}"
"""What every policy writes and every reward model reads."""
SETTINGS = ("tokenizer_config.json", "special_tokens_map.json")
"""Where the end-of-sequence token of a checkpoint is named, in either."""
VOCABULARIES = ("tokenizer.json", "*.model", "vocab.*", "*.tiktoken", "tekken.json")
"""The files of which a tokenizer has one at least."""
WHOLE = "copy or download the tokenizer's files again"


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder has a file of a tokenizer's vocabulary, and one of its settings."""
    return has_settings(folder) and any(any(folder.glob(pattern)) for pattern in VOCABULARIES)


def has_settings(folder: Path) -> bool:
    """Whether a folder has a file that may name the end-of-sequence token."""
    return any((folder / file).is_file() for file in SETTINGS)


@contextmanager
def quiet() -> Iterator[None]:
    """Without what transformers logs of a broken file: the refusal is one line."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def usable_tokenizer(
    model: str, revision: str | None, name: str, *, local: bool = False
) -> "PreTrainedTokenizerBase":
    """The tokenizer of a folder or hub id, which writes and reads plain text.

    Args:
        name: what messages call the model, as "policy.model=owner/name".
        local: leave the network alone, and take a hub id's from the cache.

    Raises:
        ConfigError: it cannot be loaded, or is none to work with.
    """
    if os.path.isdir(model) and not has_settings(Path(model)):
        raise ConfigError(
            f"{name} has no tokenizer_config.json, which names its end-of-sequence token; {WHOLE}"
        )
    # Slow to import, and not needed where there is nothing to load.
    with uncollected():
        from transformers import AutoTokenizer

    with quiet():
        with refused(f"the tokenizer of {name} cannot be loaded", WHOLE):
            tokenizer = AutoTokenizer.from_pretrained(
                model, revision=revision, local_files_only=local, trust_remote_code=False
            )
        with refused(f"the tokenizer of {name} does not work", WHOLE):
            refuse_unusable(tokenizer, name, own_config(model, revision, {}))
    return tokenizer


def refuse_unusable(
    tokenizer: "PreTrainedTokenizerBase", name: str, config: Mapping[str, Any]
) -> None:
    """Raises ConfigError if a tokenizer does not give a text back, does not know where a sequence
    ends, or has ids that the model of this config.json has not."""
    ids = list(tokenizer(PROBE, add_special_tokens=False)["input_ids"])
    back = str(tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))
    if "".join(back.split()) != "".join(PROBE.split()):
        raise ConfigError(
            f"the tokenizer of {name} does not give a text back: of {len(PROBE)} characters it "
            f"makes {len(ids)} tokens, which read {one_line(back, 60)!r}; its vocabulary "
            f"(tokenizer.json, tokenizer.model) is missing or damaged; {WHOLE}"
        )
    if "\n" not in back:
        raise ConfigError(f"the tokenizer of {name} has no token for the end of a line; {WHOLE}")
    end = tokenizer.eos_token_id
    if not isinstance(end, int):
        raise ConfigError(
            f"the tokenizer of {name} has no end-of-sequence token; give tokenizer_config.json "
            f"its eos_token, or {WHOLE}"
        )
    if config.get("vocab_size") is None:
        return
    with called(name):
        size = whole(config, "vocab_size")
    # Added tokens that no text holds, for padding or images, may lie behind the model's last one.
    added = set(tokenizer.added_tokens_decoder) - {*ids, end}
    used = {*ids, end, *(i for i in tokenizer.get_vocab().values() if i not in added)}
    if max(used) >= size or min(used) < 0:
        raise ConfigError(
            f"the tokenizer of {name} has ids from {min(used)} to {max(used)}, but the model's are "
            f"0 to {size - 1} (vocab_size of its config.json): they are not of one checkpoint, or "
            f"a file is damaged; {WHOLE}"
        )
