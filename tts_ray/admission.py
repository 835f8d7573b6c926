"""How many trees may be in flight: as many as the engines can hold, not a batch size.

A tree of budget n is taken to hold n sequences of the mean length seen so far. Trees alternate
between policy and reward model, so `OVERLAP` times the policy's room keeps both busy.
"""

import asyncio

from tts_ray.types import Record

OVERLAP = 2
FIRST_GUESS = 512
"""Tokens a candidate is taken to hold before any tree has ended."""


class Admission:
    """Lets trees in while their sequences and tokens fit.

    Args:
        sequences: sequences that all policy replicas run at once.
        kv_tokens: tokens that all policy replicas' KV caches hold.
    """

    def __init__(self, sequences: int, kv_tokens: int) -> None:
        self.sequences = sequences * OVERLAP
        self.kv_tokens = kv_tokens * OVERLAP
        self.inside = 0
        self._tokens = 0
        self._candidates = 0
        self._left = asyncio.Event()

    @property
    def mean_tokens(self) -> float:
        """Mean length of a candidate in tokens, as far as known."""
        return self._tokens / self._candidates if self._candidates else FIRST_GUESS

    @property
    def room(self) -> int:
        """Sequences that fit now, at the mean length."""
        return max(1, min(self.sequences, int(self.kv_tokens / self.mean_tokens)))

    def grow(self, sequences: int, kv_tokens: int) -> None:
        """Count in what a further replica holds."""
        self.sequences += sequences * OVERLAP
        self.kv_tokens += kv_tokens * OVERLAP
        self._left.set()

    async def enter(self, n: int) -> None:
        """Wait until a tree of budget `n` fits; one that never fits runs alone."""
        while self.inside and self.inside + n > self.room:
            self._left.clear()
            await self._left.wait()
        self.inside += n

    def leave(self, n: int) -> None:
        """Give the room of a tree of budget `n` back."""
        self.inside -= n
        self._left.set()

    def learn(self, record: Record) -> None:
        """Take the lengths of a finished tree into the mean."""
        for candidate in record.candidates:
            steps = record.path(candidate.leaf).steps
            self._tokens += sum(len(step.token_ids) for step in steps)
            self._candidates += 1
