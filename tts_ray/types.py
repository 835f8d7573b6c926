"""The nouns every layer shares: frozen values, stdlib only, cheap to pickle between actors.

Token ids are the truth of a path; its text is what people and process reward models read.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self

UNSCORED = math.nan
"""The score of a step that no reward model can judge (nothing was written yet, or the path does
not fit its context). It ranks below every number and enters no vote."""


class Finish(StrEnum):
    """Why a step ended."""

    STEP = "step"
    """At the step separator: the path goes on."""
    EOS = "eos"
    """The policy ended its answer: the path is complete."""
    LENGTH = "length"
    """A token limit cut it: the path is closed and never an answer."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a dataset. `id` is a hash of its content, which a resumed run matches on.

    `answer` is the one to show; any of `also` is right too.
    """

    id: str
    question: str
    answer: str
    level: int | None = None
    also: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, question: str, answer: str, level: int | None = None, also: tuple[str, ...] = ()
    ) -> Self:
        """Build a problem whose id depends on the question and the accepted answers alone, not on
        the order of these."""
        content = "\0".join([question, *sorted((answer, *also))])
        return cls(hashlib.sha256(content.encode()).hexdigest()[:16], question, answer, level, also)

    @property
    def answers(self) -> tuple[str, ...]:
        """All accepted answers."""
        return (self.answer, *self.also)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a policy samples. Limits are in tokens; the paper's values are the defaults.

    `max_step_tokens` bounds one step of a step-wise search, `max_tokens` a whole response.
    """

    temperature: float = 0.7
    top_p: float = 1.0
    top_k: int = 0
    max_step_tokens: int = 2048
    max_tokens: int = 8192


@dataclass(frozen=True, slots=True)
class Confidence:
    """How sure the policy was of a step's tokens, from its K largest log-probabilities at each of
    them. In nats, before temperature.

    mean         of the tokens' confidences C_t = -(mean of the K log-probabilities); the higher,
                 the more one token stands out
    lowest_group the lowest mean of C_t over 2,048 consecutive tokens that end in this step, among
                 those that were generated together: a whole solution, or one step. None if no such
                 group ends here. Fewer tokens are one group, which ends in their last step. Its
                 minimum over a whole solution is DeepConf's lowest group confidence.
    entropy      mean over the tokens of the entropy of the K probabilities, scaled to a sum of 1
    """

    mean: float
    lowest_group: float | None
    entropy: float


@dataclass(frozen=True, slots=True)
class Step:
    """One reasoning step as sampled; `text` keeps its separator, `logprob` sums over its tokens.
    `confidence` is None unless it was asked for, and of a step without tokens."""

    text: str
    token_ids: tuple[int, ...]
    finish: Finish
    logprob: float
    confidence: Confidence | None = None

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing in it to read, hence nothing to score."""
        return not self.text.strip()


@dataclass(frozen=True, slots=True)
class Path:
    """A partial or whole solution: steps from the root, and the score of each scored step.

    `lineage` holds the child index taken at each expansion. It names the path in its tree, so
    two siblings with the same text stay two paths and draw different continuations.
    """

    steps: tuple[Step, ...] = ()
    scores: tuple[float, ...] = ()
    lineage: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        return "".join(step.text for step in self.steps)

    @property
    def token_ids(self) -> list[int]:
        return [token for step in self.steps for token in step.token_ids]

    @property
    def is_open(self) -> bool:
        """Whether it can still be extended."""
        return not self.steps or self.steps[-1].finish is Finish.STEP

    @property
    def is_complete(self) -> bool:
        """Whether the policy itself ended it; only such a path can be an answer."""
        return bool(self.steps) and self.steps[-1].finish is Finish.EOS

    @property
    def is_scratch(self) -> bool:
        """Whether some of it was sampled only to look ahead: it is never an answer. Such children
        are numbered -1, -2, ..., so that those beside them are what they would be without."""
        return bool(self.lineage) and min(self.lineage) < 0

    def extend(self, steps: tuple[Step, ...], child: int) -> "Path":
        """The path one expansion further on, as child number `child`; new steps are unscored."""
        return Path(self.steps + steps, self.scores, (*self.lineage, child))

    def scored(self, scores: tuple[float, ...]) -> "Path":
        """The same path with the scores of its newest steps appended."""
        return Path(self.steps, self.scores + scores, self.lineage)


def pairs_up_to(length: int) -> int:
    """Pairs of a token and one it attends to, itself included, in a causal sequence."""
    return length * (length + 1) // 2


@dataclass(frozen=True, slots=True)
class Usage:
    """What went through one engine: counted where it happens, added with `+`.

    prompt_tokens    of every path that was extended or scored, as it was sent
    cached_tokens    the part of them that the prefix cache held
    generated_tokens sampled
    calls            to the engine, of many paths each
    computed_tokens  that the model ran: prompts without their cached part, and generated tokens
                     but the last of a request, which nothing follows
    computed_pairs   of a computed token and a token that it attends to
    generated_pairs  of a generated token and a token before it or itself, cached or not
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    calls: int = 0
    computed_tokens: int = 0
    computed_pairs: int = 0
    generated_pairs: int = 0

    @classmethod
    def of_request(cls, prompt: int, cached: int, generated: int = 0) -> Self:
        """One request of `prompt` tokens, of which `cached` were cached. It is not a call."""
        run = prompt + max(0, generated - 1)
        return cls(
            prompt_tokens=prompt,
            cached_tokens=cached,
            generated_tokens=generated,
            computed_tokens=run - cached,
            computed_pairs=pairs_up_to(run) - pairs_up_to(cached),
            generated_pairs=pairs_up_to(prompt + generated) - pairs_up_to(prompt),
        )

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.generated_tokens + other.generated_tokens,
            self.calls + other.calls,
            self.computed_tokens + other.computed_tokens,
            self.computed_pairs + other.computed_pairs,
            self.generated_pairs + other.generated_pairs,
        )

    @property
    def hit_rate(self) -> float:
        """The share of prompt tokens that the prefix cache held; 0 without any."""
        return self.cached_tokens / self.prompt_tokens if self.prompt_tokens else 0.0


NO_USAGE = Usage()


class Ungraded(StrEnum):
    """Why a comparison of grading came to no result. Both answers then count as different."""

    TIME = "time"
    """Comparing it with the reference took more than the limit of CPU time."""
    MEMORY = "memory"
    """Comparing it with the reference took more than a grading worker's memory."""
    LOST = "lost"
    """The grading worker died or fell silent in every attempt to compare it with the reference."""
    GROUP = "group"
    """It was compared with the reference, but for one of those reasons not with every other answer:
    its group may be a part of another."""


@dataclass(frozen=True, slots=True)
class Grade:
    """What grading found of one candidate. Candidates with equivalent answers share a `group`
    (numbered from 0 in order of first appearance); a missing answer is None, in no group.
    `ungraded` says what of it is not known; unless that is the group, `correct` is then False."""

    answer: str | None = None
    group: int | None = None
    correct: bool = False
    ungraded: Ungraded | None = None


Setting = str | int | float | bool | None | tuple["Setting", ...]
"""A parameter of a search, as a plain value."""


@dataclass(frozen=True, slots=True)
class SearchId:
    """A search as a value: what records, outcomes, arms, curves and plots know it by.

    `settings` are all its parameters but the budget `n`, with their names, in their order. The rest
    is for readers who may not have the search, and takes no part in equality: `plain_label` its
    name and what is not its default, `unit` how much of the budget is one exchangeable unit (1: its
    candidates are i.i.d., None: there is none), `uses_reward` whether it asks a reward model.
    """

    name: str
    n: int
    settings: tuple[tuple[str, Setting], ...] = ()
    plain_label: str = field(default="", compare=False)
    unit: int | None = field(default=None, compare=False)
    uses_reward: bool = field(default=True, compare=False)

    @property
    def label(self) -> str:
        """The search at whatever budget, e.g. "beam_search m=8"."""
        return self.plain_label or self.name

    @property
    def is_pool(self) -> bool:
        """Whether any k of its candidates are a run at budget k."""
        return self.unit == 1

    def at(self, n: int) -> "SearchId":
        """The same search at another budget."""
        return replace(self, n=n)

    def __str__(self) -> str:
        """E.g. "beam_search n=16 m=8"."""
        return f"{self.name} n={self.n}{self.label.removeprefix(self.name)}"


class State(StrEnum):
    """What became of a node of a search tree."""

    KEPT = "kept"
    """The search went on from it."""
    PRUNED = "pruned"
    """It could have been continued, and was not."""
    COMPLETE = "complete"
    """The policy ended its answer there."""
    CUT = "cut"
    """A token limit cut it."""
    SCRATCH = "scratch"
    """It was sampled only to look ahead."""


@dataclass(frozen=True, slots=True)
class Node:
    """One generated step in its tree.

    `parent` is the index of the node before it, None for a first step. `child` is its number among
    the children of its parent; None if it was sampled in one go with the node before it, as the
    steps of a whole solution are. `score` is None if no reward model was asked about it.
    """

    parent: int | None
    child: int | None
    step: Step
    score: float | None
    state: State


@dataclass(frozen=True, slots=True)
class Candidate:
    """A path that ended, by the index of its last node, and whether the search kept it as an
    answer."""

    leaf: int
    kept: bool
    grade: Grade | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """Everything one search did on one problem: evidence, not conclusions.

    `nodes` are all generated steps, pruned ones included, depth first: a node's parent comes before
    it, siblings in the order of their numbers. `candidates` are the paths that ended, but for
    scratch ones, in that order. `question_tokens` is the length of the rendered question, the
    root of the tree; 0 if nothing was sampled. `repeats` counts engine calls that had to be made
    again; `error` is set when the search failed, and it is then not finished.
    """

    problem: Problem
    search: SearchId
    seed: int
    nodes: tuple[Node, ...]
    candidates: tuple[Candidate, ...]
    policy_usage: Usage
    reward_usage: Usage
    repeats: int
    seconds: float
    error: str | None = None
    question_tokens: int = 0

    def path(self, leaf: int) -> Path:
        """The path from the question to a node, itself included."""
        return path_to(self.nodes, leaf)


def path_to(nodes: Sequence[Node], leaf: int) -> Path:
    """The path from the question to the node `leaf`, itself included."""
    on_it: list[Node] = []
    at: int | None = leaf
    while at is not None:
        on_it.append(nodes[at])
        at = nodes[at].parent
    on_it.reverse()
    return Path(
        tuple(node.step for node in on_it),
        tuple(node.score for node in on_it if node.score is not None),
        tuple(node.child for node in on_it if node.child is not None),
    )
