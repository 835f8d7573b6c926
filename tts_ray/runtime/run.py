"""A job, put together: cells in, full run directories out.

cells by models -> session: engines loaded, kept where the next models are the same
trials - finished -> evaluate -> cell: grade, Parquet, board, W&B
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from tts_ray.analysis.scoreboard import Scoreboard
from tts_ray.config import SCRIPTED, ModelConfig, RunConfig
from tts_ray.engines.contexts import too_long_for_the_prm
from tts_ray.engines.load import scripted_policy, scripted_reward
from tts_ray.engines.preflight import Preflight, refuse_unusable
from tts_ray.errors import TtsError
from tts_ray.evaluate import Trial, evaluate
from tts_ray.grading.equivalence import Grader
from tts_ray.runtime.cell import Cell, warn_of_rows
from tts_ray.runtime.console import say
from tts_ray.runtime.fleets import fleets
from tts_ray.runtime.interrupt import Interrupt
from tts_ray.runtime.log import job_log
from tts_ray.runtime.placement import cards
from tts_ray.runtime.plan import plan
from tts_ray.runtime.progress import RunProgress
from tts_ray.runtime.session import Session, connect
from tts_ray.types import Problem, Record

log = logging.getLogger(__name__)
Stop = Callable[[], bool]
UNSCORED_SHARE = 0.01
"""From this share of answers without a score on, a job warns."""


def run(config: RunConfig, console: Console, *, retry_failed: bool = False) -> Scoreboard:
    """Do what is left of one run and return its totals, those of earlier jobs included. Searches
    that failed in an earlier job are tried again with `retry_failed` only.

    Raises:
        TtsError: the run cannot start, or its results cannot be written.
    """
    with job_log(console) as kept, Cell(config, retry_failed=retry_failed) as cell:
        kept.keep_in(cell.directory.folder)
        warn_of_rows([cell])
        say(
            console,
            f"{len(cell.problems)} problems x {len(cell.searches)} searches, "
            f"{cell.board.done} of {cell.board.total} already done; "
            f"results in {cell.directory.folder}",
        )
        if cell.trials:
            found = check_models(config.models(), (trial.problem for trial in cell.trials))
            if note := too_long_for_the_prm(config, found.rooms):
                log.warning("%s", note)
            asyncio.run(run_cells([cell], console, raises=True))
            cell.directory.confirm()
            warn_of_unscored(cell.board)
        cell.directory.merge_parts()
    return cell.board


async def run_cells(
    cells: Sequence[Cell],
    console: Console,
    *,
    raises: bool = False,
    stop: Stop = lambda: False,
) -> dict[str, str]:
    """Do what is left of all cells, in order; models that follow each other stay loaded.

    Args:
        raises: whether models that cannot be loaded end the job; else only their cells go undone.
        stop: asked before each trial; once true, no more are begun and those in flight are ended.

    Returns:
        Why cells went undone, by run directory.

    Raises:
        Interrupted: SIGTERM or Ctrl-C asked the job to stop.
        EnginesLost: too few replicas were left to go on.
    """
    first = cells[0].config
    connect(first.cluster.address)
    failures: dict[str, str] = {}
    with Interrupt(first.cluster.grace_s, console) as interrupt:

        def over() -> bool:
            return interrupt.asked or stop()

        async with (
            Session(**first.cluster.session) as session,
            Grader(**asdict(first.grading)) as grader,
        ):
            for group in groups(cells):
                if over():
                    break
                try:
                    await load_models(session, group, console)
                except TtsError as error:
                    if raises:
                        raise
                    failures |= {cell.config.run: str(error) for cell in group}
                    continue
                with interrupt.graceful():
                    await run_group(session, group, grader, console, over)
    return failures


def groups(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Neighbours that the same engines serve: their models are those of one of them, or some."""
    found: list[list[Cell]] = []
    models: dict[str, Any] = {}
    for cell in cells:
        mine = {role: asdict(model) for role, model in cell.config.models().items()}
        if found and all(models.get(role, model) == model for role, model in mine.items()):
            found[-1].append(cell)
            models |= mine
        else:
            found.append([cell])
            models = mine
    return found


async def load_models(session: Session, group: Sequence[Cell], console: Console) -> None:
    """Load what a group of cells needs, but for what is loaded already."""
    config = max((cell.config for cell in group), key=lambda config: len(config.models()))
    made = plan(config, cards(config.cluster.gpu_gib))
    names = " and ".join(model.name for model in config.models().values())
    say(console, f"loading {names}")
    await session.use(fleets(config, made))


async def run_group(
    session: Session, group: Sequence[Cell], grader: Grader, console: Console, stop: Stop
) -> None:
    """Evaluate the trials of cells that share their engines, without a barrier between cells."""
    homes = {trial: cell for cell in group for trial in cell.trials}
    boards = [cell.board for cell in group]
    with RunProgress(boards, len(homes), console) as progress:

        async def keep(trial: Trial, record: Record) -> None:
            await homes[trial].keep(record, grader, gauges(session, progress))
            progress.show(homes[trial].board, record.search)

        await evaluate(until(stop, homes), session.engines, session.admission, keep)
        for cell in group:
            cell.rate = progress.rate


def gauges(session: Session, progress: RunProgress) -> dict[str, float]:
    """Speed and use of the engines, as W&B shows them beside a record."""
    found = {"tokens_per_s/policy": progress.rate, "tokens_per_s/prm": progress.judged}
    return found | {
        f"idle_share/{role}": share for role, share in session.engines.idle_shares.items()
    }


def until(stop: Stop, trials: Iterable[Trial]) -> Iterator[Trial]:
    """The trials in order, up to when `stop` says so."""
    for trial in trials:
        if stop():
            return
        yield trial


def warn_of_unscored(board: Scoreboard) -> None:
    """Say of which searches more than a few answers have no score."""
    for search, score in board.scores.items():
        if score.unscored_share > UNSCORED_SHARE:
            log.warning(
                "%s: %d of %d answers (%.1f %%) are longer than the PRM's context and have no "
                "score; lower sampling.max_tokens, raise prm.max_model_len or choose a PRM with a "
                "longer context",
                *(search, score.unscored, score.asked, 100 * score.unscored_share),
            )


def check_models(
    models: Mapping[str, ModelConfig], problems: Iterable[Problem], *, fetch_small: bool = True
) -> Preflight:
    """Refuse models that are not what the config says, or do not take these problems, before any
    place is reserved. With `fetch_small`, what is not here of a hub's configuration and tokenizer
    is fetched.

    Raises:
        ConfigError: what is wrong with a model, or how many questions do not fit it.
    """
    for role, model in models.items():
        if model.model == SCRIPTED:
            (scripted_policy if role == "policy" else scripted_reward)(model.extra)
    questions = list(dict.fromkeys(problem.question for problem in problems))
    return refuse_unusable(models, questions, fetch_small=fetch_small)
