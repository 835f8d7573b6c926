"""Running totals of a run, per search: what the terminal and W&B show while it goes on."""

from dataclasses import dataclass, field

from tts_ray.analysis.outcomes import Outcome
from tts_ray.types import NO_USAGE, Usage

HEADLINE = "last-vote"
"""The aggregation of the running accuracy where there are scores; else the majority vote."""


@dataclass
class Score:
    """One search so far."""

    done: int = 0
    failed: int = 0
    repeats: int = 0
    seconds: float = 0.0
    right: dict[str, int] = field(default_factory=dict)
    policy_usage: Usage = NO_USAGE
    reward_usage: Usage = NO_USAGE

    def add(self, outcome: Outcome) -> None:
        """Count one finished search, failed ones included."""
        self.policy_usage += outcome.policy_usage
        self.reward_usage += outcome.reward_usage
        self.repeats += outcome.repeats
        self.seconds += outcome.seconds
        if outcome.error is not None:
            self.failed += 1
            return
        self.done += 1
        for aggregation in outcome.aggregations:
            right = self.right.get(aggregation, 0)
            self.right[aggregation] = right + outcome.right(aggregation)

    @property
    def accuracy(self) -> dict[str, float]:
        """The share of finished problems answered correctly, by aggregation."""
        return {name: right / self.done for name, right in self.right.items()} if self.done else {}

    @property
    def headline(self) -> float | None:
        """The running accuracy to show, if there is one."""
        return self.accuracy.get(HEADLINE, self.accuracy.get("majority"))


@dataclass
class Scoreboard:
    """All searches of a run."""

    total: int
    scores: dict[str, Score] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        self.scores.setdefault(outcome.search, Score()).add(outcome)

    @property
    def done(self) -> int:
        return sum(score.done for score in self.scores.values())

    @property
    def failed(self) -> int:
        return sum(score.failed for score in self.scores.values())

    @property
    def policy_usage(self) -> Usage:
        return sum((score.policy_usage for score in self.scores.values()), Usage())

    @property
    def reward_usage(self) -> Usage:
        return sum((score.reward_usage for score in self.scores.values()), Usage())
