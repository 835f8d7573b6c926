"""What a job says of itself while it runs, on a console that is no terminal and on one that is."""

import io
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.unit.builders import RIGHT, SEARCH, WRONG, outcome
from tts_ray.analysis.scoreboard import Scoreboard
from tts_ray.runtime import progress as module
from tts_ray.runtime.progress import PLAIN_S, RunProgress
from tts_ray.types import SearchId, Usage

ERROR = "EngineDied: gone"


@pytest.fixture
def clock(monkeypatch):
    """The time that progress sees, to be set."""
    now = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


def plain():
    return Console(file=io.StringIO(), force_terminal=False, width=40)


def lines(console):
    return console.file.getvalue().splitlines()


def add(board, *pools, error=None, **facts):
    for pool in pools:
        board.add(outcome("q", *pool, error=error, **facts))


def test_a_plain_line_says_counts_accuracy_and_speeds(clock):
    board, console = Scoreboard(total=4), plain()
    with RunProgress([board], 4, console) as progress:
        add(board, [RIGHT], [WRONG], generated=100, judged=50)
        clock.seconds += 20
        progress.show(board, SEARCH)
        assert lines(console) == [
            "2/4 best_of_n n=2 50.0% · policy 10 tok/s · PRM 5 tok/s · cache 0% ETA 20 s"
        ]


def test_a_line_is_not_broken_however_narrow_the_console_is(clock):
    board, console = Scoreboard(total=1), plain()
    with RunProgress([board], 1, console):
        pass
    assert lines(console) == ["0/1 policy 0 tok/s · PRM 0 tok/s · cache 0%"]


def test_plain_lines_are_ten_seconds_apart_at_least(clock):
    board, console = Scoreboard(total=100), plain()
    with RunProgress([board], 100, console) as progress:
        for _ in range(50):
            clock.seconds += PLAIN_S / 4
            add(board, [RIGHT])
            progress.show(board, SEARCH)
        assert [line.split()[0] for line in lines(console)] == [
            f"{done}/100" for done in range(4, 50, 4)
        ]


def test_the_last_line_is_always_said_and_names_no_search(clock):
    board, console = Scoreboard(total=1), plain()
    with RunProgress([board], 1, console) as progress:
        add(board, [RIGHT])
        progress.show(board, SEARCH)
        clock.seconds += 1
    assert lines(console) == ["1/1 policy 10 tok/s · PRM 0 tok/s · cache 0%"]


def test_what_earlier_jobs_did_is_counted_and_takes_no_part_in_speed_and_time(clock):
    board = Scoreboard(total=10)
    add(board, *[[RIGHT]] * 6, generated=1000)
    progress = RunProgress([board], 4, plain())
    assert (progress.rate, progress.judged) == (0.0, 0.0)
    assert "ETA" not in progress.line(board, SEARCH)
    add(board, [RIGHT], generated=30, judged=90)
    clock.seconds += 3
    assert (progress.rate, progress.judged) == (10.0, 30.0)
    line = progress.line(board, SEARCH)
    assert line.startswith("7/10 ")
    assert line.endswith(" ETA 9 s")


def test_a_search_that_fails_has_ended_and_is_not_done(clock):
    board, console = Scoreboard(total=4), plain()
    with RunProgress([board], 4, console) as progress:
        add(board, [RIGHT], [RIGHT])
        add(board, [], error=ERROR)
        clock.seconds += 30
        assert progress.line(board, SEARCH).endswith("· 1 failed ETA 10 s")
        add(board, [], error=ERROR)
    assert lines(console)[-1].startswith("2/4 ")
    assert lines(console)[-1].endswith(" · 2 failed")


def test_failures_of_an_earlier_job_are_shown_and_not_waited_for(clock):
    board = Scoreboard(total=3)
    add(board, [], error=ERROR)
    progress = RunProgress([board], 2, plain())
    add(board, [RIGHT])
    clock.seconds += 5
    assert progress.line(board, SEARCH).endswith("· 1 failed ETA 5 s")
    add(board, [RIGHT])
    assert progress.line(board, SEARCH).endswith("· 1 failed")


def test_a_failure_that_is_tried_again_is_one_of_those_to_do(clock):
    board = Scoreboard(total=2)
    board.spend(outcome("a", error=ERROR, generated=500))
    progress = RunProgress([board], 2, plain())
    clock.seconds += 7
    add(board, [RIGHT], generated=14)
    assert progress.rate == 2.0
    assert progress.line(board, SEARCH).endswith("cache 0% ETA 7 s")


def test_a_pilot_waits_for_its_own_searches_alone(clock):
    boards = [Scoreboard(total=500), Scoreboard(total=500)]
    progress = RunProgress(boards, 8, plain())
    for board in boards:
        add(board, [RIGHT])
    clock.seconds += 4
    line = progress.line(boards[0], SEARCH)
    assert line.startswith("2/1000 ")
    assert line.endswith(" ETA 12 s")


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 9)), max_size=12))
def test_several_boards_are_shown_as_their_sum(records):
    boards = [Scoreboard(total=12) for _ in range(3)]
    one = Scoreboard(total=36)
    progress, alone = RunProgress(boards, 12, plain()), RunProgress([one], 12, plain())
    for at, good, tokens in records:
        made = outcome("q", RIGHT, error=None if good else ERROR, generated=tokens)
        boards[at].add(made)
        one.add(made)
    for name in ("total", "done", "failed", "ended", "work", "count"):
        assert getattr(progress, name) == getattr(alone, name)


def test_the_cache_is_that_of_both_engines(clock):
    board = Scoreboard(total=1)
    progress = RunProgress([board], 1, plain())
    made = replace(
        outcome("q", RIGHT),
        policy_usage=Usage(prompt_tokens=30, cached_tokens=30),
        reward_usage=Usage(prompt_tokens=70, cached_tokens=20),
    )
    board.add(made)
    assert "cache 50%" in progress.line(board, SEARCH)


@pytest.mark.parametrize("search", [None, SearchId("another", 1)])
def test_a_search_without_an_accuracy_yet_is_not_shown(clock, search):
    board = Scoreboard(total=2)
    add(board, [RIGHT])
    assert "%" not in RunProgress([board], 1, plain()).facts(board, search).replace("cache 0%", "")


def shown(console):
    """What a terminal was sent, without its control sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())


def test_a_terminal_shows_the_same_words_in_one_live_line():
    board = Scoreboard(total=3)
    console = Console(file=io.StringIO(), force_terminal=True, width=160)
    strange = SearchId("[red]s[/red]", 2)
    with RunProgress([board], 2, console) as progress:
        assert "0/3" in shown(console)
        board.add(outcome("a", RIGHT, search=strange))
        progress.show(board, strange)
        board.add(outcome("b", error=ERROR))
        progress.show(board, strange)
    said = shown(console)
    assert "1/3 [red]s[/red] n=2 100.0% · policy" in said
    assert "1 failed" in said
    # Both searches of this job have ended, so there is no time left.
    assert "0:00:00" in said.splitlines()[-1]
