"""One configuration's share of a job: what is left to do, what counts, what is stored and shown."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.patience import PATIENCE_S
from tests.unit.builders import RIGHT, WRONG, candidate, failed, record
from tests.unit.runtime.test_changed_dataset import ROWS
from tts_ray.admission import Admission
from tts_ray.analysis.outcomes import Outcome
from tts_ray.analysis.stored import all_outcomes, stored_outcomes, stored_sizes
from tts_ray.engines.scripted import Faults, ScriptedPolicy, ScriptedReward
from tts_ray.errors import ConfigError, StoreError
from tts_ray.evaluate import Engines, evaluate
from tts_ray.grading.equivalence import Grader
from tts_ray.replicas import PolicyPool, RewardPool
from tts_ray.results.description import describe
from tts_ray.results.folder import folder_at
from tts_ray.results.stored_parts import records
from tts_ray.runtime import cell as module
from tts_ray.runtime.cell import Cell

FEW = ROWS[:4]
BOTH = ("search.name=[best_of_n,beam_search]", "search.n=4")
GAUGES = {"tokens_per_s/policy": 12.5}


def again(cell, *, retry_failed=False):
    """The same run as a job that follows would open it."""
    return Cell(cell.config, retry_failed=retry_failed)


def store(cell, *made):
    """Store records as they are, in this order."""
    for each in made:
        asyncio.run(cell.directory.append(each))


def finished(trial, *candidates, **facts):
    return record(trial.problem, *(candidates or (RIGHT,)), search=trial.search.id, **facts)


def lost(trial, **facts):
    return failed(trial.problem, search=trial.search.id, **facts)


def solve(cell, policy=None, trials=None):
    """Do what is left of an open cell on scripted engines, with a real grader."""

    async def go():
        engines = Engines(PolicyPool([policy or ScriptedPolicy()]), RewardPool([ScriptedReward()]))
        async with Grader(1, 5.0) as grader:

            async def keep(_, each):
                await cell.keep(each, grader, GAUGES)

            await evaluate(trials or cell.trials, engines, Admission(64, 1 << 20), keep)

    asyncio.run(asyncio.wait_for(go(), PATIENCE_S))


def totals(board):
    """Everything a board says but how long it took, which no two jobs agree on."""
    untimed = {key: replace(s, seconds=0.0, times=[]) for key, s in board.scores.items()}
    return board.total, untimed


def test_a_new_run_has_every_search_of_every_problem_to_do(cell):
    with cell(FEW, *BOTH) as opened:
        made = [(trial.problem.question, trial.search.name) for trial in opened.trials]
        assert made == [
            (row["problem"], name) for name in ("best_of_n", "beam_search") for row in FEW
        ]
        assert {(t.sampling, t.seed) for t in opened.trials} == {(opened.config.sampling, 0)}
        assert (opened.board.total, opened.board.done, opened.unfinished) == (8, 0, 8)
        said = describe(opened.directory.folder)
        assert (said.of.policy.name, said.of.seed) == ("scripted", 0)
        assert said.config["run"] == opened.config.run
        assert stored_sizes(opened.directory.folder) == opened.sizes


def test_a_record_is_graded_stored_and_then_counted(cell):
    with cell(FEW, *BOTH) as opened:
        solve(opened)
        folder = opened.directory.folder
        kept = list(records(folder))
        assert len(kept) == 8
        assert all(c.grade is not None for each in kept for c in each.candidates)
        for each in kept:
            for made in each.candidates:
                boxed = each.path(made.leaf).text.rpartition("boxed{")[2][0]
                assert made.grade.answer == boxed
                assert made.grade.correct == (boxed == each.problem.answer)
        board = opened.board
        assert (board.done, board.failed, opened.unfinished) == (8, 0, 0)
        right = {key: score.right["majority"] for key, score in board.scores.items()}
        for search, count in right.items():
            mine = [o for o in stored_outcomes(folder) if o.search == search]
            assert count == sum(each.right("majority") for each in mine)


def test_what_could_not_be_stored_is_not_counted(cell, monkeypatch):
    async def refuse(_):
        raise StoreError("the disk is full")

    with cell(FEW) as opened:
        monkeypatch.setattr(opened.directory, "append", refuse)
        with pytest.raises(StoreError, match="the disk is full"):
            solve(opened, trials=opened.trials[:1])
        assert (opened.board.done, opened.board.failed) == (0, 0)
        assert opened.board.scores == {}


@pytest.mark.parametrize("first", [1, 3, 7])
def test_two_jobs_count_what_one_would_have(cell, first, tmp_path):
    with cell(FEW, *BOTH, f"run={tmp_path / 'at-once'}") as once:
        solve(once)
    with cell(FEW, *BOTH, f"run={tmp_path / 'in-two'}") as begun:
        solve(begun, trials=begun.trials[:first])
    with again(begun) as gone_on:
        assert totals(gone_on.board) == totals(begun.board)
        assert [t.problem.id for t in gone_on.trials] == [
            t.problem.id for t in begun.trials[first:]
        ]
        solve(gone_on)
    with again(gone_on) as over:
        assert over.trials == []
        assert totals(over.board) == totals(gone_on.board) == totals(once.board)


@st.composite
def histories(draw):
    """Attempts at four problems over several jobs, in order: (problem, whether it came to
    something). What was finished is not tried again."""
    tried = draw(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=8))
    done, history = set(), []
    for at, good in tried:
        if at not in done:
            history.append((at, good))
        if good:
            done.add(at)
    return history


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories(), st.booleans())
def test_every_attempt_is_spent_and_the_last_one_says_what_came_of_it(cell, history, retry_failed):
    opened = cell(FEW)
    (search,) = opened.searches
    made = [
        record(
            opened.problems[at],
            *([RIGHT] if good else []),
            search=search.id,
            generated=2**place,
            error=None if good else "EngineDied: gone",
        )
        for place, (at, good) in enumerate(history)
    ]
    opened.retry_failed = retry_failed
    outcomes = [Outcome.of(each) for each in made]
    ended = opened.recall(outcomes)
    done = {at for at, good in history if good}
    only_failed = {at for at, _ in history} - done
    assert opened.board.work.policy.generated_tokens == 2 ** len(history) - 1
    assert (opened.board.done, opened.board.total) == (len(done), 4)
    assert opened.board.failed == (0 if retry_failed else len(only_failed))
    ids = {opened.problems[at].id for at in done | (set() if retry_failed else only_failed)}
    assert {problem for problem, _ in ended} == ids
    cost = sum(score.finished.policy.generated_tokens for score in opened.board.scores.values())
    assert cost == sum(2**place for place, (_, good) in enumerate(history) if good)


def test_a_failure_of_an_earlier_job_is_tried_again_only_if_asked(cell):
    with cell(FEW) as first:
        solve(first, ScriptedPolicy(faults=Faults(poison="What is 2?")))
        assert (first.board.done, first.board.failed, first.unfinished) == (3, 1, 1)
    with again(first) as second:
        assert second.trials == []
        assert (second.board.done, second.board.failed) == (3, 1)
    with again(first, retry_failed=True) as third:
        (trial,) = third.trials
        assert trial.problem.question == "What is 2?"
        assert (third.board.done, third.board.failed) == (3, 0)
        solve(third)
        assert (third.board.done, third.board.failed, third.unfinished) == (4, 0, 0)
    with again(first, retry_failed=True) as last:
        assert last.trials == []
        assert totals(last.board) == totals(third.board)


def test_a_failed_attempt_behind_a_finished_one_is_not_tried_again(cell):
    with cell(FEW) as opened:
        trial = opened.trials[0]
        store(opened, finished(trial, generated=7), lost(trial, generated=2))
    with again(opened, retry_failed=True) as resumed:
        assert trial.problem.id not in {t.problem.id for t in resumed.trials}
        assert (resumed.board.done, resumed.board.failed) == (1, 0)
        assert resumed.board.work.policy.generated_tokens == 9
        (score,) = resumed.board.scores.values()
        assert score.finished.policy.generated_tokens == 7
        assert len(stored_outcomes(resumed.directory.folder)) == resumed.board.done


def test_failures_of_problems_that_are_gone_are_spent_and_neither_failed_nor_left(cell):
    with cell(FEW) as opened:
        store(opened, *(finished(trial) for trial in opened.trials[:2]))
        store(opened, lost(opened.trials[2], generated=5))
    with cell(FEW[:1], "dataset.changed=keep") as resumed:
        assert resumed.trials == []
        # The problem that the dataset has, and the one that was done and still counts.
        assert (resumed.board.done, resumed.board.failed, resumed.board.total) == (2, 0, 2)
        assert resumed.board.work.policy.generated_tokens == 10 + 10 + 5


def test_what_is_dropped_is_neither_counted_nor_spent(cell):
    with cell(FEW) as opened:
        store(opened, *(finished(trial) for trial in opened.trials[:3]))
    with cell(FEW[:1], "dataset.changed=drop") as resumed:
        assert (resumed.board.done, resumed.board.total) == (1, 1)
        assert resumed.board.work.policy.generated_tokens == 10
        assert len(all_outcomes(resumed.directory.folder)) == 3


def test_a_job_that_is_refused_gives_the_directory_back(cell):
    with cell(FEW) as opened:
        store(opened, *map(finished, opened.trials))
        with pytest.raises(StoreError, match="another job"), again(opened):
            pass
    refused = cell(FEW[:1])
    with pytest.raises(ConfigError, match=r"dataset\.changed"), refused:
        pass
    assert not folder_at(opened.config.run).is_locked()
    with cell(FEW) as resumed:
        assert resumed.trials == []


class Shown:
    """What W&B was shown, in place of its run."""

    def __init__(self):
        self.id, self.rows, self.tables, self.files = "run", [], [], []
        self.entered = self.left = 0

    def __enter__(self):
        self.entered += 1
        return self

    def __exit__(self, *_):
        self.left += 1

    def log(self, values):
        self.rows.append(dict(values))

    def table(self, name, columns, rows):
        self.tables.append(name)

    def keep(self, name, addresses):
        self.files += addresses


@pytest.fixture
def shown(monkeypatch):
    found = Shown()
    monkeypatch.setattr(module, "tracker_of", lambda *_: found)
    return found


def test_each_record_is_a_row_with_the_jobs_gauges_and_the_end_has_the_tables(cell, shown):
    with cell(FEW) as opened:
        assert not shown.entered
        solve(opened)
        assert shown.entered == 1
        assert [row["problems_done"] for row in shown.rows] == [1, 2, 3, 4]
        assert all(GAUGES.items() <= row.items() for row in shown.rows)
        assert not shown.left
    assert shown.left == 1
    assert shown.tables == ["searches", "problems"]
    assert any(file.endswith("run.yaml") for file in shown.files)


def test_a_job_with_nothing_to_do_opens_no_run_in_wandb(cell, shown):
    with cell(FEW):
        pass
    assert (shown.entered, shown.left) == (0, 0)


@pytest.mark.parametrize(
    ("error", "tables"),
    [(StoreError("the disk is full"), []), (KeyboardInterrupt(), ["searches", "problems"])],
)
def test_how_a_run_ended_is_shown_unless_its_directory_failed(cell, shown, error, tables):
    with pytest.raises(type(error)), cell(FEW) as opened:
        solve(opened, trials=opened.trials[:1])
        raise error
    assert shown.tables == tables
    assert shown.left == 1
    assert not folder_at(opened.config.run).is_locked()


def test_a_last_view_that_cannot_be_made_is_a_warning_and_no_error(cell, shown, caplog):
    with cell(FEW) as opened:
        solve(opened, trials=opened.trials[:1])
        folder = opened.directory.folder
        (part,) = [name for name in folder.files() if name.startswith("part-")]
        folder.write(part, b"damaged")
    assert "W&B does not show the end of the run" in caplog.text
    assert shown.left == 1


@pytest.mark.parametrize("grades", [[RIGHT], [WRONG, RIGHT, RIGHT], [candidate(None)]])
def test_what_one_job_counted_the_next_one_recalls(cell, grades):
    with cell(FEW) as opened:
        made = [finished(trial, *grades, repeats=1, judged=9) for trial in opened.trials]
        for each in made:
            opened.board.add(Outcome.of(each))
        store(opened, *made)
    with again(opened) as resumed:
        assert resumed.board.scores == opened.board.scores
