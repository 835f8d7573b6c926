"""What a sweep will take: the pilot's numbers, multiplied by hand."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.unit.builders import RIGHT, failed, record
from tts_ray.analysis.outcomes import Outcome
from tts_ray.config import load_config
from tts_ray.runtime.cell import Cell
from tts_ray.runtime.forecast import amounts, family, forecast, forecast_table, pilot_trials

CONFIGS = Path(__file__).parents[3] / "configs"
PARTS = ("policy=scripted", "prm=scripted", "dataset=pocket", "wandb.mode=disabled")
PROBLEMS = 10


@pytest.fixture
def cells(tmp_path):
    """Opens one cell for each of these lists of settings, all on the same ten problems."""
    with ExitStack() as stack:

        def opened(*settings):
            return [
                stack.enter_context(
                    Cell(
                        load_config(
                            [
                                *(*PARTS, f"dataset.limit={PROBLEMS}", f"run={tmp_path / str(at)}"),
                                *mine,
                            ],
                            CONFIGS,
                        )
                    )
                )
                for at, mine in enumerate(settings)
            ]

        yield opened


def beam(n, *more):
    return ["search.name=beam_search", f"search.n={n}", *more]


def do(cell, tokens):
    """Finish so many of a cell's problems, each at so many tokens; None is a failure."""
    for trial, generated in zip(cell.trials, tokens, strict=False):
        facts = {"search": trial.search.id, "generated": generated or 1}
        made = (
            failed(trial.problem, **facts)
            if generated is None
            else record(trial.problem, RIGHT, **facts)
        )
        asyncio.run(cell.directory.append(made))
        cell.board.add(Outcome.of(made))


def test_tokens_grow_with_the_budget_and_with_the_problems_that_are_left(cells):
    small, large = cells(beam(4), beam(16))
    do(small, [100, 300])
    small.rate = 50.0
    found = forecast(large, [small, large])
    mean, low, high = found.tokens
    assert mean == 200 * 4 * PROBLEMS
    assert (low, high) == (100 * 4 * PROBLEMS, 300 * 4 * PROBLEMS)
    assert found.seconds == mean / 50.0
    # The pocket policy's dimensions are not known of a scripted one: 2 * parameters * tokens.
    assert found.flops == 2 * 1.0 * mean


def test_what_the_pilot_did_itself_is_not_left(cells):
    small, large = cells(beam(4), beam(16))
    do(small, [100, 100, 100])
    small.rate = 10.0
    do(large, [1600] * 4)
    found = {each: forecast(each, [small, large]) for each in (small, large)}
    assert found[small].tokens[0] == 100 * (PROBLEMS - 3)
    assert found[large].tokens[0] == 400 * (PROBLEMS - 4)
    assert found[large].seconds == 240.0


def test_a_pilot_that_failed_in_part_is_read_by_what_it_finished(cells):
    small, large = cells(beam(4), beam(8))
    do(small, [100, None, 100, None])
    small.rate = 10.0
    assert forecast(large, [small, large]).tokens == (2000.0, 2000.0, 2000.0)


def test_a_pilot_that_came_to_nothing_tells_nothing(cells):
    small, large = cells(beam(4), beam(8))
    do(small, [None, None])
    small.rate = 10.0
    found = forecast(large, [small, large])
    assert (found.tokens, found.flops, found.seconds) == (None, 0.0, None)


def test_a_pilot_of_an_earlier_job_has_no_rate(cells):
    small, large = cells(beam(4), beam(8))
    do(small, [100])
    found = forecast(large, [small, large])
    assert found.tokens[0] == 200 * PROBLEMS
    assert found.seconds is None


@pytest.mark.parametrize("apart", ["search.depth=5", "search.m=2", "search.rank=min"])
def test_only_a_search_of_the_same_settings_is_a_pilot(cells, apart):
    small, large, other = cells(beam(4), beam(8), beam(8, apart))
    assert family(small) == family(large) != family(other)
    do(other, [7])
    assert forecast(large, [small, other, large]).tokens is None
    assert [
        len(pilot_trials(each, [small, large, other], 2)) for each in (small, large, other)
    ] == [*(2, 0, 2)]


def test_a_seed_or_a_directory_makes_no_pilot_of_its_own(cells):
    first, second = cells(beam(4), beam(4, "seed=1"))
    assert [len(pilot_trials(each, [first, second], 3)) for each in (first, second)] == [3, 0]


@pytest.mark.parametrize("wanted", [1, 3, 4, PROBLEMS, 99])
def test_a_pilots_problems_are_spread_over_the_dataset(cells, wanted):
    (cell,) = cells(beam(4))
    order = [problem.id for problem in cell.problems]
    places = [order.index(trial.problem.id) for trial in pilot_trials(cell, [cell], wanted)]
    count = min(wanted, PROBLEMS)
    assert places == [at * PROBLEMS // count for at in range(count)]
    assert len(set(places)) == count


def test_of_a_pilot_that_was_stopped_only_the_rest_is_done(cells):
    (cell,) = cells(beam(4))
    first, *_ = pilot_trials(cell, [cell], 4)
    cell.trials.remove(first)
    assert first not in pilot_trials(cell, [cell], 4)
    assert len(pilot_trials(cell, [cell], 4)) == 3


def shown(table):
    console = Console(width=200, force_terminal=False)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def row(text, name):
    """The cells of a row of a printed table."""
    (line,) = [
        line for line in text.splitlines() if line.startswith("│") and line.split()[1] == name
    ]
    return [each.strip() for each in line.strip()[1:-1].split("│")]


def test_the_table_has_a_row_for_each_cell_with_searches_left_and_their_sum(cells):
    small, large, done = cells(beam(4), beam(16), ["search.name=greedy"])
    do(small, [3_000_000])
    small.rate = 1e6
    do(done, [1] * PROBLEMS)
    text = shown(forecast_table([small, large, done], gpus=2))
    assert row(text, "0") == ["0", "9", "27 [27, 27]", "5.4e+07", "0.0075", "0.015"]
    assert row(text, "1") == ["1", "10", "120 [120, 120]", "2.4e+08", "0.0333", "0.0667"]
    assert row(text, "all") == ["all", "19", "147 [147, 147]", "2.94e+08", "0.0408", "0.0817"]
    assert ["2"] not in [line.split()[1:2] for line in text.splitlines()]
    assert "finished by" in text
    assert "not counted" not in text


def test_what_the_sums_leave_out_is_said(cells):
    small, large, lost, lost_too = cells(
        beam(4), beam(16), beam(4, "search.m=2"), beam(8, "search.m=2")
    )
    do(small, [1000])
    small.rate = 10.0
    do(lost, [None])
    text = shown(forecast_table([small, large, lost, lost_too], gpus=1))
    assert row(text, "2")[:3] == ["2", "10", "pilot failed"]
    assert "finished by" in text
    assert "not counted: 2 cells whose pilot failed" in text


def test_a_plan_whose_pilots_all_failed_says_nothing_of_an_earlier_job(cells):
    (lost,) = cells(beam(4))
    do(lost, [None])
    text = shown(forecast_table([lost], gpus=1))
    assert "not counted: 1 cell whose pilot failed" in text
    assert "earlier job" not in text
    assert "finished by" not in text


def test_a_pilot_of_an_earlier_job_leaves_the_time_open(cells):
    small, large = cells(beam(4), beam(8))
    do(small, [1000])
    text = shown(forecast_table([small, large], gpus=1))
    assert "the pilot ran in an earlier job" in text
    assert row(text, "all")[-2:] == ["", ""]


def test_a_sweep_with_nothing_left_promises_nothing(cells):
    (cell,) = cells(beam(4))
    do(cell, [1] * PROBLEMS)
    text = shown(forecast_table([cell], gpus=1))
    assert row(text, "all")[:2] == ["all", "0"]
    assert "earlier job" not in text


@given(st.floats(0, 1e6), st.floats(0, 64))
def test_gpu_hours_are_hours_times_the_gpus_held(seconds, gpus):
    _, _, hours, gpu_hours = amounts((1e6, 1e6, 1e6), 1.0, seconds, gpus)
    assert float(hours) == pytest.approx(seconds / 3600, rel=0.01)
    assert float(gpu_hours) == pytest.approx(seconds / 3600 * gpus, rel=0.01)
