"""How many trees may be in flight: as many as keep the engines full, not a batch size.

A call takes as long as its longest child, and its other sequences end before that. So a tree of
budget n runs far fewer than n sequences at a time: n times the share of their call that sequences
run, which the calls that have ended tell. And it needs far less of the KV cache than all its
candidates: what its live paths have in common counts once. Trees alternate between policy and
reward model, and their paths end one by one, so `OVERLAP` times the policy's room keeps both busy.
"""

import asyncio

from tts_ray.types import Record

OVERLAP = 2
FIRST_GUESS = 512
"""Tokens that a tree is taken to hold for each unit of its budget before any tree has ended."""
FORGET = 1 / 1024
"""What each call takes from the weight of those before it."""


class Admission:
    """Lets trees in while their sequences and tokens fit.

    Args:
        sequences: sequences that all policy replicas run at once.
        kv_tokens: tokens that all policy replicas' KV caches hold.
    """

    def __init__(self, sequences: int, kv_tokens: int) -> None:
        self.sequences = sequences
        self.kv_tokens = kv_tokens
        self.inside = 0
        self._generated = 0.0
        self._kept_waiting = 0.0
        self._held = 0.0
        self._budget = 0
        self._changed = asyncio.Event()

    @property
    def running_share(self) -> float:
        """Share of a call's time that its sequences run, on average; 1 before any has ended."""
        return self._generated / self._kept_waiting if self._kept_waiting else 1.0

    @property
    def held_tokens(self) -> float:
        """Tokens that a tree holds for each unit of its budget, as far as known."""
        return self._held / self._budget if self._held else FIRST_GUESS

    @property
    def room(self) -> int:
        """Budget of all trees that fit."""
        sequences = OVERLAP * self.sequences / self.running_share
        return max(1, int(min(sequences, OVERLAP * self.kv_tokens / self.held_tokens)))

    def grow(self, sequences: int, kv_tokens: int) -> None:
        """Count in what a further replica holds."""
        self.sequences += sequences
        self.kv_tokens += kv_tokens
        self._changed.set()

    async def enter(self, n: int) -> None:
        """Wait until a tree of budget `n` fits; one that never fits runs alone."""
        while self.inside and self.inside + n > self.room:
            self._changed.clear()
            await self._changed.wait()
        self.inside += n

    def leave(self, n: int) -> None:
        """Give the room of a tree of budget `n` back."""
        self.inside -= n
        self._changed.set()

    def learn(self, record: Record) -> None:
        """Take what a finished tree held into the mean; one that failed tells nothing."""
        if record.error is None:
            self._held += held_tokens(record)
            self._budget += record.search.n

    def learn_call(self, generated: float, kept_waiting: float) -> None:
        """Take one or more calls that ended into the mean: see search.tree.Tell."""
        self._generated += generated - FORGET * self._generated
        self._kept_waiting += kept_waiting - FORGET * self._kept_waiting
        self._changed.set()


def held_tokens(record: Record) -> float:
    """Tokens of a tree's live paths, averaged over its depths, each counted once: a step lives from
    its own depth to that of its last descendant."""
    depths: list[int] = []
    for node in record.nodes:
        depths.append(1 if node.parent is None else depths[node.parent] + 1)
    last = list(depths)
    lived = 0
    for at in range(len(record.nodes) - 1, -1, -1):
        node = record.nodes[at]
        if node.parent is not None:
            last[node.parent] = max(last[node.parent], last[at])
        lived += len(node.step.token_ids) * (last[at] - depths[at] + 1)
    return lived / max(depths, default=1)
