"""Text of datasets and models as token ids: a special token that is spelled out in it stays text.

A tokenizer finds its added tokens (special ones, and others such as <think>) wherever they are
spelled. In a copy of it they have other names, which nobody can guess: there they are found only
where those names were put.
"""

import json
import re
import secrets
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from tts_ray.engines.foreign import refused
from tts_ray.errors import ConfigError
from tts_ray.text import one_line

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
"""What an added token has beside its name."""


class PlainText:
    """What a tokenizer makes of text that is not to be trusted."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        self.tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder
        self.added = frozenset(added)
        self.not_special = frozenset(i for i, token in added.items() if not token.special)

    def spells(self, text: str) -> bool:
        """Whether the tokenizer finds one of its added tokens in a text."""
        ids = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return not self.added.isdisjoint(ids)

    def ids(self, text: str) -> list[int]:
        """Token ids of a text on its own.

        Raises:
            ConfigError: it spells a token that this tokenizer cannot be kept from finding.
        """
        found = self.tokenizer(
            text, add_special_tokens=False, split_special_tokens=True, verbose=False
        )["input_ids"]
        # Added tokens that are not special are found all the same.
        if not self.not_special.isdisjoint(found):
            return self.ids_between("", text, "")
        return list(found)

    def ids_between(self, before: str, text: str, after: str) -> list[int]:
        """Token ids of `text` within a template's own text, which has special tokens: those of the
        whole, as the tokenizer would give them if `text` spelled none.

        Raises:
            ConfigError: as `ids`.
        """
        copy, names, ids = self._renamed
        if names:
            spelled = re.compile("|".join(map(re.escape, sorted(names, key=len, reverse=True))))
            before, after = (spelled.sub(lambda m: names[m[0]], own) for own in (before, after))
        made = copy.encode(before + text + after, add_special_tokens=False)
        return [original(i, token, ids) for i, token in zip(made.ids, made.tokens, strict=True)]

    @cached_property
    def _renamed(self) -> tuple["Tokenizer", dict[str, str], dict[str, int]]:
        """The copy, the new name of each added token, and the id of each new name."""
        model = one_line(self.tokenizer.name_or_path)
        if not self.tokenizer.is_fast:
            raise ConfigError(
                f"a text spells a special token of {model}, whose tokenizer cannot keep it text; "
                f"take a checkpoint with a tokenizer.json, or leave that problem out with "
                f"dataset.ids"
            )
        from tokenizers import AddedToken, Tokenizer

        with refused(f"the tokenizer of {model} cannot be copied", "copy its files again"):
            saved = json.loads(self.tokenizer.backend_tokenizer.to_str())
            saved |= {key: None for key in ("post_processor", "truncation", "padding")}
            copy = Tokenizer.from_str(json.dumps(saved | {"added_tokens": []}))
            nonce = secrets.token_hex(8)
            names, ids = {}, {}
            for number, token in self.tokenizer.added_tokens_decoder.items():
                name = f"[{nonce}.{number}]"
                names[token.content], ids[name] = name, number
                flags = {flag: getattr(token, flag) for flag in FLAGS}
                copy.add_tokens([AddedToken(name, **flags)])
        return copy, names, ids


def original(number: int, token: str, ids: dict[str, int]) -> int:
    """The id that a token of the copy has in the tokenizer. A renamed token may hold the blanks
    beside it."""
    name = re.search(r"\[[0-9a-f]{16}\.\d+\]", token)
    return ids.get(name[0], number) if name else number


@lru_cache(maxsize=2)
def plain_text(tokenizer: "PreTrainedTokenizerBase") -> PlainText:
    """The one of a tokenizer; those of a policy and a PRM are kept."""
    return PlainText(tokenizer)
