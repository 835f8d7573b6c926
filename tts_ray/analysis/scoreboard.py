"""Running totals of a run, per search: what the terminal and W&B show while it goes on."""

from bisect import insort
from dataclasses import dataclass, field

from tts_ray.analysis.ceiling import closed_share
from tts_ray.analysis.endings import NO_ENDINGS, Endings
from tts_ray.analysis.outcomes import HEADLINE, Outcome
from tts_ray.flops import NO_WORK, Work
from tts_ray.grading.selection import MAJORITY
from tts_ray.types import SearchId


@dataclass
class Tally:
    """Problems done, and how many of them right."""

    done: int = 0
    right: int = 0


@dataclass
class Score:
    """One search so far."""

    done: int = 0
    failed: int = 0
    repeats: int = 0
    seconds: float = 0.0
    right: dict[str, int] = field(default_factory=dict)
    """By aggregation."""
    levels: dict[int, Tally] = field(default_factory=dict)
    """By the dataset's level, with the headline aggregation."""
    work: Work = NO_WORK
    """Of all attempts, failed ones included: what was spent."""
    finished: Work = NO_WORK
    """Of the problems done: what the method costs."""
    ungraded: int = 0
    """Of the problems done, those of which a kept candidate's grade is not certain: so many could
    be scored otherwise, if no comparison had been given up."""
    asked: int = 0
    """Answers, on all problems done, that a reward model was asked about."""
    unscored: int = 0
    """Those of them that are longer than its context."""
    covered: int = 0
    """Problems with a right answer among the kept candidates, which no selection can exceed."""
    tied: int = 0
    """Problems whose majority vote is decided by order."""
    endings: Endings = NO_ENDINGS
    """Of all candidates of the problems done."""
    samples: int = 0
    """Candidates of i.i.d. pools."""
    right_samples: int = 0
    times: list[float] = field(default_factory=list)
    """Seconds of each problem done, rising."""

    def spend(self, outcome: Outcome) -> None:
        """Count what an attempt cost, not whether it came to something."""
        self.work += outcome.work
        self.repeats += outcome.repeats
        self.seconds += outcome.seconds

    def add(self, outcome: Outcome) -> None:
        """Count one finished search, failed ones included."""
        self.spend(outcome)
        if outcome.error is not None:
            self.failed += 1
            return
        self.done += 1
        self.finished += outcome.work
        self.ungraded += outcome.ungraded > 0
        self.asked += outcome.asked
        self.unscored += outcome.unscored
        self.covered += outcome.right_candidates > 0
        self.tied += outcome.is_tied
        self.endings += outcome.endings
        if outcome.search.is_pool:
            self.samples += len(outcome.pool.groups)
            self.right_samples += outcome.right_candidates
        insort(self.times, outcome.seconds)
        for aggregation in outcome.aggregations:
            is_right = outcome.right(aggregation)
            self.right[aggregation] = self.right.get(aggregation, 0) + is_right
            if outcome.level is not None and aggregation == outcome.headline:
                tally = self.levels.setdefault(outcome.level, Tally())
                tally.done += 1
                tally.right += is_right

    @property
    def unscored_share(self) -> float:
        """The share of answers that are longer than the reward model's context; 0 without one."""
        return self.unscored / self.asked if self.asked else 0.0

    @property
    def accuracy(self) -> dict[str, float]:
        """The share of finished problems answered correctly, by aggregation."""
        return {name: right / self.done for name, right in self.right.items()} if self.done else {}

    @property
    def coverage(self) -> float | None:
        """pass@N over the problems done, if there is one."""
        return self.covered / self.done if self.done else None

    @property
    def tied_share(self) -> float | None:
        """The share of problems done whose majority vote is decided by order."""
        return self.tied / self.done if self.done else None

    @property
    def closed(self) -> dict[str, float | None]:
        """The share of the gap from pass@1 to pass@N that each aggregation closes, of an i.i.d.
        pool; None for another search, and where there is no gap."""
        pass_at_1 = self.right_samples / self.samples if self.samples else None
        coverage = self.coverage or 0.0
        return {
            name: closed_share(accuracy, pass_at_1, coverage)
            for name, accuracy in self.accuracy.items()
        }

    @property
    def headline(self) -> float | None:
        """The running accuracy to show, if there is one."""
        return self.accuracy.get(HEADLINE, self.accuracy.get(MAJORITY))


@dataclass
class Scoreboard:
    """All searches of a run."""

    total: int
    scores: dict[SearchId, Score] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Count a search that ended now, or that is done since an earlier job."""
        self.scores.setdefault(outcome.search, Score()).add(outcome)

    def spend(self, outcome: Outcome) -> None:
        """Count what an earlier, failed attempt cost."""
        self.scores.setdefault(outcome.search, Score()).spend(outcome)

    @property
    def done(self) -> int:
        return sum(score.done for score in self.scores.values())

    @property
    def failed(self) -> int:
        return sum(score.failed for score in self.scores.values())

    @property
    def ungraded(self) -> int:
        return sum(score.ungraded for score in self.scores.values())

    @property
    def unscored_share(self) -> float:
        """As of a search, of all together."""
        asked = sum(score.asked for score in self.scores.values())
        return sum(s.unscored for s in self.scores.values()) / asked if asked else 0.0

    @property
    def work(self) -> Work:
        return sum((score.work for score in self.scores.values()), Work())
