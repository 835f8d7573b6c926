"""A stored pool, scored by another PRM without sampling again.

Only where that is what the search would have done: a best-of-N or majority pool was sampled without
looking at scores, a beam was not. The new run directory is the one that a search with the other PRM
would have made, policy usage included, so a sweep takes it as a finished cell.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console

from tts_ray.concurrency import together
from tts_ray.config import RunConfig, load_config
from tts_ray.errors import ConfigError, EngineError
from tts_ray.evaluate import Trial
from tts_ray.grading.equivalence import Grader
from tts_ray.protocols import LeasedReward, Pool
from tts_ray.results.description import describe
from tts_ray.results.folder import Folder
from tts_ray.results.run_directory import records
from tts_ray.runtime.cell import Cell, warn_of_rows
from tts_ray.runtime.fleets import fleets
from tts_ray.runtime.interrupt import Interrupt
from tts_ray.runtime.log import job_log
from tts_ray.runtime.placement import cards
from tts_ray.runtime.plan import plan
from tts_ray.runtime.progress import RunProgress
from tts_ray.runtime.run import check_models, gauges, warn_of_unscored
from tts_ray.runtime.session import Session, connect
from tts_ray.search.best_of_n import BestOfN
from tts_ray.search.registry import SEARCHES
from tts_ray.search.tree import SLICE
from tts_ray.types import NO_USAGE, Candidate, Record

AT_ONCE = 8
"""Problems in flight for each replica: enough to keep it busy, few enough to hold in memory."""


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
    are owed still.

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
        return cell.owed


async def score_all(source: Folder, cell: Cell, console: Console) -> None:
    """Load the PRM and send every record that is left through it, to grading and to disk.

    Raises:
        Interrupted: SIGTERM or Ctrl-C asked the job to stop.
    """
    config = cell.config
    connect(config.cluster.address)
    made = fleets(config, plan(config, cards(config.cluster.gpu_gib)))
    left = {trial.problem.id: trial for trial in cell.trials}
    with Interrupt(config.cluster.grace_s, console) as interrupt:
        async with (
            Session(**config.cluster.session) as session,
            Grader(**asdict(config.grading)) as grader,
        ):
            await session.use({"prm": made["prm"]})
            assert session.rewards is not None
            room = asyncio.Semaphore(AT_ONCE * made["prm"].replicas)
            progress = RunProgress([cell.board], len(left), console)

            async def run(record: Record, trial: Trial) -> None:
                try:
                    scored = await score(record, trial, session.rewards)
                    await cell.keep(scored, grader, gauges(session, progress))
                finally:
                    room.release()
                progress.show(cell.board, trial.search.id)

            try:
                with interrupt.graceful(), progress:
                    async with asyncio.TaskGroup() as group:
                        for record in left_of(source, left):
                            await room.acquire()
                            if interrupt.asked:
                                break
                            group.create_task(run(record, left[record.problem.id]))
            except ExceptionGroup as failures:
                raise failures.exceptions[0] from None


def left_of(source: Folder, left: dict[str, Trial]) -> Iterator[Record]:
    """The stored records of the problems that are left."""
    return (record for record in records(source) if record.problem.id in left)


async def score(record: Record, trial: Trial, rewards: Pool[LeasedReward] | None) -> Record:
    """The record as the trial's search would have left it: scored anew."""
    assert rewards is not None
    paths = [replace(candidate.path, scores=()) for candidate in record.candidates]
    slices = [paths[at : at + SLICE] for at in range(0, len(paths), SLICE)]
    leases = [rewards.lease() for _ in slices]
    blank = replace(
        record, search=trial.search.id, reward_usage=NO_USAGE, candidates=(), error=None
    )
    try:
        found = await together(
            lease.score(trial.problem, part) for lease, part in zip(leases, slices, strict=True)
        )
    except EngineError as failure:
        return replace(blank, error=f"{type(failure).__name__}: {failure}")
    scores = [each for part, _ in found for each in part]
    return replace(
        blank,
        candidates=tuple(
            Candidate(path.scored(new), candidate.kept)
            for candidate, path, new in zip(record.candidates, paths, scores, strict=True)
        ),
        reward_usage=sum((usage for _, usage in found), NO_USAGE),
        repeats=record.repeats + sum(lease.repeats for lease in leases),
    )
