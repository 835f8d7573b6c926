"""Everything a run needs, checked before it costs anything; each failure with its remedy."""

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from rich.table import Table
from rich.text import Text

from tts_ray.config import SCRIPTED, DatasetConfig, RunConfig, WandbConfig
from tts_ray.engines.checkpoint import model_size
from tts_ray.engines.contexts import too_long_for_the_prm
from tts_ray.errors import PlacementError, TtsError
from tts_ray.results.folder import folder_at
from tts_ray.results.problem_list import problem_list, renewed
from tts_ray.results.stored_run import StoredRun, look_at
from tts_ray.results.tracking import unreachable
from tts_ray.runtime.actors import cause
from tts_ray.runtime.cell import problems_of
from tts_ray.runtime.console import literal
from tts_ray.runtime.fit import fitting, holds, remedy
from tts_ray.runtime.fleets import fleets
from tts_ray.runtime.node_report import NodeReport, report
from tts_ray.runtime.place import describe
from tts_ray.runtime.placement import cards, cluster, free_resources, refuse_what_never_fits
from tts_ray.runtime.plan import plan
from tts_ray.runtime.run import check_models
from tts_ray.runtime.session import connect
from tts_ray.runtime.versions import versions
from tts_ray.types import Problem

ANSWER_S = 120.0
"""How long a node may take to look around, in seconds, with nothing to fetch."""


FETCH = "fetch it: --fetch"
PROJECT_EVERYWHERE = "have the project and its .venv on every node"
SHARED = "put run= where every node can write: a shared path, or s3://"


@dataclass(frozen=True)
class Check:
    """What was looked at, where, and what was found. A `remedy` means that it will not do, or for
    a note that the run begins all the same and may disappoint."""

    what: str
    where: str
    found: str
    remedy: str = ""
    is_note: bool = False

    @property
    def has_failed(self) -> bool:
        return bool(self.remedy) and not self.is_note


def examine(config: RunConfig, *, fetch: bool = False) -> Iterator[Check]:
    """Check everything that a run of `config` needs, as far as it can be reached. With `fetch`,
    each node downloads the models that it lacks, once."""
    problems, check = check_dataset(config.dataset)
    yield check
    yield from check_these_models(config, problems)
    run = config.run if "://" in config.run else str(Path(config.run).absolute())
    left, check = check_run_directory(config, run, problems)
    yield check
    yield check_wandb(config.wandb)
    try:
        yield from check_cluster(config, run, left, fetch=fetch)
    finally:
        if left:
            with suppress(OSError):
                folder_at(run).delete(left)


def check_cluster(config: RunConfig, run: str, left: str, *, fetch: bool) -> Iterator[Check]:
    """Ray is there, with room for the replicas, and its nodes have what these need."""
    try:
        connect(config.cluster.address)
    except PlacementError as error:
        yield Check("Ray", str(config.cluster.address), str(error), "start it: cluster/README.md")
        return
    nodes = [node for node in ray.nodes() if node["Alive"]]
    yield Check("Ray", str(config.cluster.address or "this machine"), cluster())
    yield check_placement(config)
    yield from check_nodes(config, nodes, run, left, fetch=fetch)


def check_dataset(dataset: DatasetConfig) -> tuple[list[Problem], Check]:
    """The problems can be read; with them, what was found."""
    try:
        found = problems_of(dataset)
    except TtsError as error:
        return [], Check("dataset", "driver", str(error), "see dataset.path and its columns")
    return found.problems, Check("dataset", "driver", f"{dataset.name}: {found.summary}")


def check_these_models(config: RunConfig, problems: Sequence[Problem]) -> Iterator[Check]:
    """The models are what the config says, as far as this machine can tell, and the PRM reads what
    the policy may write."""
    try:
        found = check_models(config.models(), problems)
        for model in config.models().values():
            model_size(model.model, model.revision, model.architecture, model.parameters)
    except TtsError as error:
        yield Check("models", "driver", *with_remedy(str(error), "choose another"))
        return
    names = " and ".join(model.name for model in config.models().values())
    left = f"; not looked at here: {', '.join(found.unchecked)}" if found.unchecked else ""
    yield Check("models", "driver", names + left)
    if note := too_long_for_the_prm(config, found.rooms):
        yield Check("PRM's context", "driver", *with_remedy(note, ""), is_note=True)


def check_run_directory(
    config: RunConfig, run: str, problems: Sequence[Problem]
) -> tuple[str, Check]:
    """The run directory takes this job: it is nobody else's, holds results of this configuration
    and of these problems alone, and can be written. With it, the name of a file that is left there
    for the nodes to see; empty if the job would be refused."""

    def refused(found: str, remedy: str) -> tuple[str, Check]:
        return "", Check("run directory", "driver", found, remedy)

    try:
        folder = folder_at(run)
        stored = look_at(folder, config.identity())
        before = problem_list(folder)
    except TtsError as error:
        return refused(*with_remedy(str(error), "choose another run="))
    try:
        # A dataset that cannot be read is named already.
        if problems:
            renewed(before, problems, stored.questions, config.dataset.changed)
    except TtsError as error:
        found, _, advice = str(error).partition(". ")
        return refused(found, advice)
    left = f"probe-{uuid.uuid4().hex}"
    try:
        folder.write(left, b"written")
    except OSError as error:
        return refused(str(error), "choose another run=")
    return left, Check("run directory", "driver", f"{run} can be written{held(stored)}")


def held(stored: StoredRun) -> str:
    """What a run directory holds, in words."""
    found = f"; {stored.searches} searches are done" if stored.searches else ""
    if stored.bad_parts:
        found += f"; damaged, to be set aside and done again: {', '.join(stored.bad_parts[:3])}"
        found += ", ..." if len(stored.bad_parts) > 3 else ""
    return found


def with_remedy(said: str, otherwise: str) -> tuple[str, str]:
    """What a refusal found, and the remedy that it ends with, if it has one."""
    found, _, remedy = said.rpartition("; ")
    return (found, remedy) if found else (said, otherwise)


def check_wandb(settings: WandbConfig) -> Check:
    """W&B is off, or offline, or answers."""
    mode, why = unreachable(settings)
    if why:
        return Check("W&B", "driver", f"{mode}: {why}", "set WANDB_API_KEY, or wandb.mode=offline")
    return Check("W&B", "driver", mode)


def check_placement(config: RunConfig) -> Check:
    """All replicas that the run begins with have room now."""
    try:
        made = fleets(config, plan(config, cards(config.cluster.gpu_gib)))
        places = [(role, fleet.place) for role, fleet in made.items() for _ in range(fleet.gang)]
        refuse_what_never_fits(places)
    except TtsError as error:
        found, _, advice = str(error).partition(". ")
        return Check("placement", "cluster", found, advice or "change the config")
    free = free_resources()
    if len(fitting(places, free)) < len(places):
        found = f"{describe(places)}; {cluster()}"
        return Check("placement", "cluster", found, f"wait, or: {remedy(places, free)}")
    return Check("placement", "cluster", describe(places))


def check_nodes(
    config: RunConfig, nodes: list[Any], run: str, left: str, *, fetch: bool
) -> Iterator[Check]:
    """Every node has the driver's versions, and the run directory; where replicas may come to lie,
    their models and GPUs too."""
    places = needs(config)
    models = {
        node["NodeID"]: [
            config.models()[role]
            for role, bundle in places.items()
            if holds(node["Resources"], bundle) and config.models()[role].model != SCRIPTED
        ]
        for node in nodes
    }
    asked = {
        node["NodeID"]: ray.remote(report)
        .options(
            num_cpus=0,
            max_retries=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
        )
        .remote([(m.model, m.revision) for m in models[node["NodeID"]]], run, left, fetch=fetch)
        for node in nodes
    }
    ends = time.monotonic() + (config.cluster.load_s if fetch else ANSWER_S)
    for node in nodes:
        name = f"{node['NodeManagerAddress']} ({node['NodeID'][:6]})"
        try:
            found = ray.get(asked[node["NodeID"]], timeout=max(0.0, ends - time.monotonic()))
        except RayTaskError as error:
            yield Check("node", name, cause(error.cause), PROJECT_EVERYWHERE)
        except RayError as error:
            yield Check("node", name, cause(error), "see Ray's logs on that node")
        else:
            yield check_versions(name, found)
            if any(bundle.get("GPU") for bundle in places.values()):
                yield check_gpus(name, node["Resources"].get("GPU", 0), found, config)
            for model in models[node["NodeID"]]:
                why = found.missing.get(model.model, "")
                yield Check("model", name, *(with_remedy(why, FETCH) if why else (model.model,)))
            if left:
                yield Check("run directory", name, found.shut or "the same", found.shut and SHARED)


def needs(config: RunConfig) -> dict[str, dict[str, float]]:
    """The first bundle of a replica of each role; a CPU where no plan can be made."""
    try:
        made = fleets(config, plan(config, cards(config.cluster.gpu_gib)))
    except TtsError:
        return {role: {"CPU": model.cpus} for role, model in config.models().items()}
    return {role: fleet.place.bundles[0] for role, fleet in made.items()}


def check_versions(name: str, found: NodeReport) -> Check:
    """A node has what the driver has."""
    mine = versions()
    other = [
        f"{package} {found.versions.get(package, 'missing')}, not {mine.get(package, 'there')}"
        for package in sorted({*mine, *found.versions})
        if mine.get(package) != found.versions.get(package)
    ]
    if other:
        return Check("versions", name, "; ".join(other), "install the same (constraints.txt)")
    return Check("versions", name, "as the driver's")


def check_gpus(name: str, gpus: float, found: NodeReport, config: RunConfig) -> Check:
    """Ray's GPUs are there, and as large as the plan takes them to be."""
    kinds = ", ".join(sorted({f"{card} {size:.0f} GiB" for card, size in found.cards}))
    said = f"{len(found.cards)} ({kinds}; driver {found.driver})" if found.cards else "none"
    if gpus > len(found.cards):
        words = f"Ray counts {gpus:g}, nvidia-smi finds {said}"
        return Check(
            "GPUs", name, words, "install the driver again, or start Ray with the right --num-gpus"
        )
    gib = config.cluster.gpu_gib
    small = min((size for _, size in found.cards), default=gib)
    if gpus and small < 0.9 * gib:
        return Check("GPUs", name, said, f"set cluster.gpu_gib={small:.0f}")
    return Check("GPUs", name, said)


def checks_table(checks: list[Check]) -> Table:
    """A row for each check."""
    table = Table("", "check", "where", "found", "remedy")
    for check in checks:
        mark = Text("failed", "red") if check.has_failed else Text("ok", "green")
        if check.is_note:
            mark = Text("note", "yellow")
        table.add_row(mark, *map(literal, (check.what, check.where, check.found, check.remedy)))
    return table
