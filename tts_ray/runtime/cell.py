"""One configuration's share of a job: its problems, its run directory, its totals, its W&B run.

Records come in from `evaluate`; each is graded, stored, and only then counted and shown.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from types import TracebackType
from typing import Self

from tts_ray.analysis.live import metrics, show_results
from tts_ray.analysis.outcomes import Outcome
from tts_ray.analysis.scoreboard import Scoreboard
from tts_ray.analysis.stored import all_outcomes, last_attempts
from tts_ray.config import DatasetConfig, RunConfig, searches
from tts_ray.data.problem_set import ProblemSet
from tts_ray.data.problems import load_problems
from tts_ray.engines.checkpoint import model_size
from tts_ray.errors import StoreError, TtsError
from tts_ray.evaluate import Trial
from tts_ray.flops import Sizes
from tts_ray.grading.answers import extract_answer
from tts_ray.grading.equivalence import Grader
from tts_ray.results.description import restate_problems
from tts_ray.results.folder import folder_at
from tts_ray.results.problem_list import ProblemList, problem_list, renewed
from tts_ray.results.run_directory import RunDirectory
from tts_ray.results.stored_parts import read
from tts_ray.results.tracking import Tracker, tracker_of
from tts_ray.runtime.versions import revision, versions
from tts_ray.types import Grade, Record, SearchId, State

log = logging.getLogger(__name__)


class Cell:
    """A context manager that holds the run directory of one configuration.

    `trials` are what is left to do; searches that failed in an earlier job are among them with
    `retry_failed` only. The W&B run is opened with the first record.

    Raises:
        TtsError: the problems cannot be read, or the directory cannot be used.
    """

    def __init__(self, config: RunConfig, *, retry_failed: bool = False) -> None:
        self.config = config
        self.retry_failed = retry_failed
        found = problems_of(config.dataset)
        self.problems, self.facts, self.remarks = found.problems, found.facts, found.remarks
        self.searches = searches(config)
        self.sizes = Sizes(
            **{
                role: model_size(model.model, model.revision, model.architecture, model.parameters)
                for role, model in config.models().items()
            }
        )
        self.board = Scoreboard(total=len(self.problems) * len(self.searches))
        self.rate: float | None = None
        """Tokens per second that its engines generated, once they have."""
        self._tracker: Tracker | None = None

    def __enter__(self) -> Self:
        about = {
            "digest": self.config.digest,
            "versions": versions() | revision(),
            "sizes": asdict(self.sizes),
            "config": asdict(self.config),
            "problems": asdict(self.facts),
        }
        folder = folder_at(self.config.run)
        self.directory = RunDirectory(folder, self.config.identity(), about).__enter__()
        try:
            outcomes = all_outcomes(folder)
            listed = self._list_problems({outcome.problem_id for outcome in outcomes})
            restate_problems(folder, self.facts)
            dropped = set(listed.dropped)
            ended = self.recall([o for o in outcomes if o.problem_id not in dropped])
        except BaseException:
            self.directory.__exit__(None, None, None)
            raise
        self.trials = [
            Trial(problem, search, self.config.sampling, self.config.seed)
            for search in self.searches
            for problem in self.problems
            if (problem.id, search.id) not in ended
        ]
        return self

    def _list_problems(self, done: set[str]) -> ProblemList:
        """Compare the dataset with the problems that have results, and write down what counts."""
        folder = self.directory.folder
        known = {problem.id for problem in self.problems}
        stored = {}
        if done - known:
            rows = read(folder, ["problem_id", "question"]).to_pylist()
            stored = {row["problem_id"]: row["question"] for row in rows}
        before = problem_list(folder)
        listed = renewed(before, self.problems, stored, self.config.dataset.changed)
        if listed.kept or listed.dropped:
            log.warning(
                "the dataset no longer has %d problems with results: those of %d still count",
                len(listed.kept) + len(listed.dropped),
                len(listed.kept),
            )
        if listed != before:
            try:
                listed.write(folder)
            except OSError as error:
                raise StoreError(f"{folder} cannot be written: {error}") from None
        return listed

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self._tracker:
                # A place that cannot be written is not read for a last view either.
                if not isinstance(error, StoreError):
                    self._show()
                self._tracker.__exit__(kind, error, traceback)
        finally:
            self.directory.__exit__(kind, error, traceback)

    def _show(self) -> None:
        """Show how the run ended. A view: what is amiss with it is no error of the run."""
        assert self._tracker is not None
        folder = self.directory.folder
        try:
            show_results(self._tracker, self._tracker.id, self.board, self.sizes, folder)
        except TtsError as error:
            log.warning("W&B does not show the end of the run: %s", error)

    def recall(self, outcomes: Sequence[Outcome]) -> set[tuple[str, SearchId]]:
        """Count what earlier jobs did; return (problem id, search) of what is not to be done
        again. Every attempt cost something; the one that finished a search, or else the last one,
        says what came of it."""
        last = last_attempts(outcomes)
        ended = {key for key, end in last.items() if end.error is None or not self.retry_failed}
        problems = {problem.id for problem in self.problems}
        searches = {search.id for search in self.searches}
        for outcome in outcomes:
            key = (outcome.problem_id, outcome.search)
            is_asked = outcome.problem_id in problems and outcome.search in searches
            if key in ended and outcome is last[key] and (is_asked or outcome.error is None):
                self.board.add(outcome)
                # A problem that the dataset no longer has is part of the total once it is done, and
                # so is a search that an earlier version ran beside a larger one that holds it.
                self.board.total += not is_asked
            else:
                self.board.spend(outcome)
        return ended

    @property
    def unfinished(self) -> int:
        """Searches that are not done."""
        return self.board.total - self.board.done

    async def keep(self, record: Record, grader: Grader, gauges: Mapping[str, float]) -> None:
        """Grade a record and store it, then count it and show it beside `gauges`, which tell of
        the job at this moment and not of the record."""
        graded = await grade(record, grader)
        await self.directory.append(graded)
        self.board.add(Outcome.of(graded))
        if self._tracker is None:
            folder = self.directory.folder
            identity, facts = self.config.identity(), asdict(self.facts)
            tracker = tracker_of(identity, self.config.wandb, folder, facts)
            self._tracker = tracker.__enter__()
        row = dict(metrics(self.board, self.sizes, graded.search))
        self._tracker.log(row | dict(gauges))


def warn_of_rows(cells: Sequence[Cell]) -> None:
    """Say what a reader of the results must know of the datasets' rows, each once."""
    remarks = [f"{cell.config.dataset.name}: {each}" for cell in cells for each in cell.remarks]
    for remark in dict.fromkeys(remarks):
        log.warning("%s", remark)


def problems_of(dataset: DatasetConfig) -> ProblemSet:
    """The problems that a configuration names.

    Raises:
        ConfigError: they cannot be read.
    """
    settings = {k: v for k, v in asdict(dataset).items() if k not in ("name", "changed")}
    return load_problems(**settings)


async def grade(record: Record, grader: Grader) -> Record:
    """The record with a grade for every candidate; only a complete path has an answer."""
    answers = [
        extract_answer(record.path(each.leaf).text)
        if record.nodes[each.leaf].state is State.COMPLETE
        else None
        for each in record.candidates
    ]
    grades: list[Grade] = await grader.grade(answers, record.problem.answers)
    graded = zip(record.candidates, grades, strict=True)
    return replace(record, candidates=tuple(replace(each, grade=found) for each, found in graded))
