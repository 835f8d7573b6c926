"""A sweep as a job: open its cells, plan it or run it, stop at its limits."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property

from rich.console import Console

from tts_ray.analysis.live import show_sweep
from tts_ray.config import RunConfig
from tts_ray.engines.contexts import too_long_for_the_prm
from tts_ray.errors import ConfigError
from tts_ray.flops import flops
from tts_ray.results.folder import folder_at
from tts_ray.results.run_directory import refuse_other_files
from tts_ray.results.tracking import sweep_tracker
from tts_ray.runtime.cell import Cell, warn_of_rows
from tts_ray.runtime.console import say
from tts_ray.runtime.forecast import forecast_table, pilot_trials
from tts_ray.runtime.log import job_log
from tts_ray.runtime.placement import cards
from tts_ray.runtime.plan import plan
from tts_ray.runtime.run import check_models, run_cells, warn_of_unscored
from tts_ray.runtime.session import connect
from tts_ray.sweep import Limits, SweepConfig

log = logging.getLogger(__name__)

DONE, FAILED, LIMITED = 0, 1, 3


def run_sweep(
    sweep: SweepConfig,
    configs: Sequence[RunConfig],
    console: Console,
    *,
    pilot: int | None = None,
    retry_failed: bool = False,
) -> int:
    """Do what is left of a sweep; with `pilot`, that many problems of the smallest budgets only,
    and print what the rest takes. Searches that failed in an earlier job are tried again with
    `retry_failed` only. Returns the exit code.

    Raises:
        TtsError: the sweep cannot start or go on.
    """
    with ExitStack() as opened:
        log = opened.enter_context(job_log(console))
        refuse_other_files(folder_at(sweep.run))
        cells = [opened.enter_context(Cell(c, retry_failed=retry_failed)) for c in configs]
        done, total = sum(c.board.done for c in cells), sum(c.board.total for c in cells)
        log.keep_in(folder_at(sweep.run))
        warn_of_rows(cells)
        say(
            console,
            f"{len(cells)} cells, {done} of {total} searches already done; results in {sweep.run}",
        )
        if pilot is not None:
            for cell in cells:
                cell.trials = pilot_trials(cell, cells, pilot)
        todo = [cell for cell in cells if cell.trials]
        unusable = check_cells(todo)
        todo = [cell for cell in todo if cell.config.run not in unusable]
        meter = Meter(sweep.limits, cells)
        failures = asyncio.run(run_cells(todo, console, stop=meter.is_over)) if todo else {}
        failures |= unusable
        for cell in cells:
            cell.directory.confirm()
            cell.directory.merge_parts()
        for cell in todo:
            warn_of_unscored(cell.board)
        if todo:
            show(sweep, cells)
        if pilot is not None:
            # A pilot of an earlier job may leave nothing to do here.
            connect(configs[0].cluster.address)
            console.print(forecast_table(cells, meter.gpus))
            return FAILED if failures else DONE
        return report(cells, failures, meter, console)


def check_cells(cells: Sequence[Cell]) -> dict[str, str]:
    """Look at the models of the cells and whether they take what is left; why some cannot be done,
    by run directory.

    Raises:
        ConfigError: none of them can be done.
    """
    alike: dict[str, list[Cell]] = {}
    for cell in cells:
        alike.setdefault(repr((cell.config.models(), cell.config.dataset)), []).append(cell)
    unusable: dict[str, str] = {}
    notes: dict[str, None] = {}
    for same in alike.values():
        try:
            problems = (trial.problem for cell in same for trial in cell.trials)
            rooms = check_models(same[0].config.models(), problems).rooms
            notes |= dict.fromkeys(too_long_for_the_prm(cell.config, rooms) for cell in same)
        except ConfigError as error:
            unusable |= {cell.config.run: str(error) for cell in same}
    if cells and len(unusable) == len(cells):
        raise ConfigError(next(iter(unusable.values())))
    for note in filter(None, notes):
        log.warning("%s", note)
    return unusable


def show(sweep: SweepConfig, cells: Sequence[Cell]) -> None:
    """Show the sweep as a whole in W&B."""
    folder = folder_at(sweep.run)
    boards = {cell.directory.folder.name: (cell.board, cell.sizes) for cell in cells}
    with sweep_tracker(folder, cells[0].config.wandb, boards) as tracker:
        try:
            show_sweep(tracker, folder, boards)
        except OSError as error:
            log.warning("W&B does not show the sweep: %s", error)


def report(
    cells: Sequence[Cell], failures: dict[str, str], meter: "Meter", console: Console
) -> int:
    """Say what is not done and why; the exit code."""
    for run, reason in failures.items():
        say(console, f"{run}: {reason}")
    left = {cell.config.run: cell.unfinished for cell in cells if cell.unfinished}
    if not left:
        return DONE
    if meter.reached:
        say(
            console,
            f"stopped at {meter.reached}; {sum(left.values())} searches are left. "
            f"Raise the limit and run the same command to go on",
        )
        return LIMITED
    say(
        console,
        f"{sum(left.values())} searches in {len(left)} cells are not done; "
        f"run the same command for the rest, with --retry-failed for those that failed",
    )
    return FAILED


class Meter:
    """Watches the limits of a sweep; asked before each trial."""

    def __init__(self, limits: Limits, cells: Sequence[Cell]) -> None:
        self.limits = limits
        self.cells = cells
        self.began = time.monotonic()
        self.reached = ""

    def is_over(self) -> bool:
        """Whether a limit is reached."""
        if self.limits.gpu_hours is not None and self.gpu_hours >= self.limits.gpu_hours:
            self.reached = f"limits.gpu_hours={self.limits.gpu_hours:g}"
        if self.limits.flops is not None and self.flops >= self.limits.flops:
            self.reached = f"limits.flops={self.limits.flops:g}"
        return bool(self.reached)

    @property
    def gpu_hours(self) -> float:
        """GPUs of the largest cell times the hours since the job began."""
        return self.gpus * (time.monotonic() - self.began) / 3600

    @cached_property
    def gpus(self) -> float:
        """The most GPUs that a cell holds. Asks the cluster, so it must be connected."""
        return max(
            plan(cell.config, cards(cell.config.cluster.gpu_gib)).gpus(cell.config)
            for cell in self.cells
        )

    @property
    def flops(self) -> float:
        """FLOPs executed so far, by all jobs of the sweep."""
        return sum(
            found.get("executed", found["paper"])
            for found in (flops(cell.board.work, cell.sizes) for cell in self.cells)
        )
