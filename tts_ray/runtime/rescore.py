"""A stored pool, scored by another PRM without sampling again.

Only where that is what the search would have done: a best-of-N or majority pool was sampled without
looking at scores, a beam was not. The new run directory is the one that a search with the other PRM
would have made, policy usage included, so a sweep takes it as a finished cell.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console

from tts_ray.config import RunConfig, load_config
from tts_ray.errors import ConfigError
from tts_ray.evaluate import Trial, evaluate
from tts_ray.grading.equivalence import Grader
from tts_ray.results.description import describe
from tts_ray.results.folder import Folder
from tts_ray.results.stored_parts import records
from tts_ray.runtime.cell import Cell, warn_of_rows
from tts_ray.runtime.fleets import fleets
from tts_ray.runtime.interrupt import Interrupt
from tts_ray.runtime.log import job_log
from tts_ray.runtime.placement import cards
from tts_ray.runtime.plan import plan
from tts_ray.runtime.progress import RunProgress
from tts_ray.runtime.run import check_models, gauges, until, warn_of_unscored
from tts_ray.runtime.session import Session, connect
from tts_ray.search.best_of_n import BestOfN
from tts_ray.search.registry import SEARCHES
from tts_ray.search.replay import Replay
from tts_ray.types import Record


def rescored_config(source: Folder, changes: list[str], configs: Path) -> RunConfig:
    """The configuration of a stored run with another PRM.

    Raises:
        ConfigError: the run's search is guided by scores, or no PRM is named.
        StoreError: there is no run.
    """
    said = describe(source)
    stored, search = dict(said.config), said.of.search
    names = search.get("name", [])
    name = names if isinstance(names, str) else next(iter(names)) if len(names) == 1 else ""
    if name not in SEARCHES or not issubclass(SEARCHES[name], BestOfN):
        raise ConfigError(
            f"{source} holds {names}: only a pool of one best_of_n or majority search can be "
            f"scored again, for others were guided by the scores they had"
        )
    stored |= {"prm": None, "run": f"{source}-rescored"}
    stored["search"] = search | {"name": "best_of_n"}
    config = load_config([stored, *changes], configs)
    if config.prm is None:
        raise ConfigError("name the PRM that is to score the pool: prm=NAME")
    return config


def rescore(source: Folder, config: RunConfig, console: Console) -> int:
    """Score every stored pool of `source` into the run directory of `config`; return how many
    are not done.

    Raises:
        TtsError: it cannot start, or results cannot be written.
    """
    with job_log(console) as log, Cell(config, retry_failed=True) as cell:
        log.keep_in(cell.directory.folder)
        warn_of_rows([cell])
        if cell.trials:
            problems = (trial.problem for trial in cell.trials)
            check_models({"prm": config.models()["prm"]}, problems)
            asyncio.run(score_all(source, cell, console))
            cell.directory.confirm()
            warn_of_unscored(cell.board)
        cell.directory.merge_parts()
        return cell.unfinished


async def score_all(source: Folder, cell: Cell, console: Console) -> None:
    """Load the PRM and send every tree that is left through it, to grading and to disk.

    Raises:
        Interrupted: SIGTERM or Ctrl-C asked the job to stop.
        EnginesLost: too few replicas were left to go on.
    """
    config = cell.config
    connect(config.cluster.address)
    made = fleets(config, plan(config, cards(config.cluster.gpu_gib)))
    with Interrupt(config.cluster.grace_s, console) as interrupt:
        async with (
            Session(**config.cluster.session) as session,
            Grader(**asdict(config.grading)) as grader,
        ):
            await session.use({"prm": made["prm"]})
            with (
                interrupt.graceful(),
                RunProgress([cell.board], len(cell.trials), console) as progress,
            ):

                async def keep(trial: Trial, record: Record) -> None:
                    await cell.keep(record, grader, gauges(session, progress))
                    progress.show(cell.board, record.search)

                replays = until(lambda: interrupt.asked, replays_of(source, cell.trials))
                await evaluate(replays, session.engines, session.admission, keep)


def replays_of(source: Folder, trials: Sequence[Trial]) -> Iterator[Trial]:
    """The trials with their searches replayed on the stored trees, which are read as they are
    asked for."""
    left = {trial.problem.id: trial for trial in trials}
    for record in records(source):
        if trial := left.get(record.problem.id):
            search = Replay(n=trial.search.n, of=trial.search, record=record)
            yield replace(trial, search=search)
