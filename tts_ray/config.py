"""The run's configuration: every key once, with its limits and what it means.

`fragments.py` merges files and arguments into one mapping, `typed.py` checks it against these
classes. Nothing past this module sees anything but plain typed objects.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from tts_ray.errors import ConfigError
from tts_ray.fragments import GROUPS, gather, join
from tts_ray.grading.equivalence import MAX_WORKERS, MIN_SECONDS
from tts_ray.grading.worker import MAX_SECONDS
from tts_ray.search.registry import SEARCHES
from tts_ray.search.search import Search
from tts_ray.search.strategy import Strategy
from tts_ray.search_grid import expand_grid, load_strategy
from tts_ray.typed import Count, Integer, Name, Positive, Seconds, Text, typed
from tts_ray.types import Sampling
from tts_ray.yaml_text import kind, short

METHODS, BUDGETS = [name for name in SEARCHES if name != "adaptive"], [4, 16, 64]
"""What runs if no search or budget is named."""
SCRIPTED = "scripted"
"""What `model` is where no model is loaded: an engine whose output follows from a script, and whose
`extra` says how slow it is and how it fails."""
HOTTEST = 2.0
"""The largest temperature that vLLM takes."""
MAX_LOGPROBS = 20
"""How many log-probabilities of a token vLLM gives, unless its `max_logprobs` says otherwise."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """A model and the replicas that serve it. `model` is a hub id, a folder, or pocket:NAME."""

    name: Name
    model: Text
    revision: Text | None = None
    parameters: Positive
    """Nominal parameter count, which FLOPs are computed from."""
    dtype: Text = "auto"
    max_model_len: Annotated[int, Field(strict=True, ge=8, le=2**24)] | None = None
    """Tokens of the longest sequence; null is what the model itself says."""
    max_num_seqs: Annotated[int, Field(strict=True, ge=1, le=2**16)] = 256
    replicas: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 1
    min_replicas: Annotated[int, Field(strict=True, ge=1)] | None = None
    """So many are enough to begin and to go on, and the others join as there is room for them;
    null needs all to begin and one to go on."""
    cpus: Annotated[float, Field(strict=True, ge=1e-4, le=10_000, allow_inf_nan=False)] = 1
    gpus: Annotated[float, Field(strict=True, ge=0, le=10_000, allow_inf_nan=False)] | None = None
    """GPUs of one replica: a fraction shares a card, a whole number splits the model over so many,
    0 runs on the CPU, null takes as few as hold it."""
    gpu_memory_utilization: Annotated[
        float, Field(strict=True, gt=0, le=1, allow_inf_nan=False)
    ] = 0.9
    kv_cache_gib: Annotated[float, Field(strict=True, gt=0, le=10_000, allow_inf_nan=False)] = 1.0
    core_process: Annotated[bool, Field(strict=True)] | None = None
    """Whether vLLM's engine core has a process of its own; null is so on GPUs alone."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Further vLLM engine arguments, as they are."""
    architecture: dict[str, Any] = field(default_factory=dict)
    """What its config.json says of its size, for planning where that file is not at hand."""

    @property
    def first_replicas(self) -> int:
        """How many a job begins with."""
        return self.min_replicas or self.replicas


@dataclass(frozen=True, kw_only=True)
class PolicyConfig(ModelConfig):
    """The policy. `prompt` is its prompt family, `separator` what ends a reasoning step."""

    prompt: Text
    separator: Text = "\n\n"
    confidence: Annotated[int, Field(strict=True, ge=0, le=MAX_LOGPROBS)] = 0
    """Of how many of the largest log-probabilities of each token a step's confidence is computed
    (DeepConf takes 20); 0 computes none."""


@dataclass(frozen=True, kw_only=True)
class PrmConfig(ModelConfig):
    """The process reward model. `format` is its input format and read-out."""

    format: Text


Level = Annotated[int, Field(strict=True, ge=-(2**31), lt=2**31)]


@dataclass(frozen=True, kw_only=True)
class DatasetConfig:
    """Problems: `path` is a file (.jsonl, .json, .csv or .parquet, each also with .gz), a Hugging
    Face dataset id, or "pocket"."""

    name: Name
    path: Text
    split: Text = "test"
    subset: Text | None = None
    revision: Text | None = None
    """A branch, tag or commit of a dataset of the hub; null is its newest state."""
    question: Text = "problem"
    answer: Text = "answer"
    level: Text | None = None
    limit: Count | None = None
    levels: Annotated[list[Level], Field(min_length=1)] | None = None
    ids: Annotated[list[Text], Field(min_length=1)] | None = None
    skip_bad: Annotated[bool, Field(strict=True)] = False
    """Whether rows without a usable question or answer, and repeated ones, are left out and
    counted; else the first of them stops the run."""
    changed: Literal["keep", "drop"] | None = None
    """What becomes of stored results whose problem the dataset no longer has: they count on, or
    they are left out. Without a choice such a run is refused. Results for an answer that was
    corrected are left out either way."""


@dataclass(frozen=True)
class ClusterConfig:
    """The cluster, and how long the job waits for it."""

    address: Text | None = None
    """A Ray address, "auto", or null to start Ray on this machine."""
    gpu_gib: Annotated[float, Field(strict=True, gt=0, le=10_000, allow_inf_nan=False)] = 80.0
    """Memory of one GPU, which the plan counts with."""
    placement_s: Annotated[float, Field(strict=True, ge=0, le=1e9, allow_inf_nan=False)] = 120.0
    """How long to wait for room for all replicas, in seconds; likewise below."""
    load_s: Seconds = 1800.0
    revival_s: Seconds = 300.0
    """How long a job with too few living replicas waits for one to come back."""
    stall_s: Seconds = 300.0
    """How long a replica with work may make no progress before it is taken for dead."""
    grace_s: Annotated[float, Field(strict=True, ge=0, le=1e9, allow_inf_nan=False)] = 30.0
    """How long searches in flight may go on after the job is asked to stop."""
    attempts: Annotated[int, Field(strict=True, ge=1, le=1000)] = 3
    """How often one engine call is tried in all."""
    searchers: Annotated[int, Field(strict=True, ge=0, le=10_000)] | None = None
    """Processes that run the searches, each on its share of the replicas. 0 leaves them to the
    job's own; null is 0 for up to 16 policy replicas, and one for every 16 of more."""

    @property
    def session(self) -> dict[str, Any]:
        """What a session keeps to."""
        names = ("placement_s", "load_s", "revival_s", "stall_s", "attempts", "searchers")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class GradingConfig:
    """The processes that compare answers."""

    workers: Annotated[int, Field(strict=True, ge=1, le=MAX_WORKERS)] = 1
    seconds: Annotated[
        float, Field(strict=True, ge=MIN_SECONDS, le=MAX_SECONDS, allow_inf_nan=False)
    ] = 5.0
    """CPU time that one comparison of two answers may take."""


@dataclass(frozen=True)
class WandbConfig:
    """Where the run is shown."""

    mode: Literal["auto", "online", "offline", "disabled"] = "auto"
    """auto: online if there is a key, else offline."""
    project: Text = "tts_ray"
    entity: Text | None = None
    group: Text | None = None


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One run: every search of `search` on every problem of `dataset`."""

    policy: PolicyConfig
    dataset: DatasetConfig
    prm: PrmConfig | None = None
    search: dict[str, Any] = field(default_factory=dict)
    """`name` and parameters of a search; a list of values means one search for each."""
    sampling: Sampling = field(default_factory=Sampling)
    seed: Integer = 0
    run: Text
    """The run directory."""
    cluster: ClusterConfig = ClusterConfig()
    grading: GradingConfig = GradingConfig()
    wandb: WandbConfig = WandbConfig()

    def identity(self) -> dict[str, Any]:
        """What the records depend on. Where and how fast it runs is not part of it."""
        where = {"replicas", "min_replicas", "cpus", "gpus", "max_num_seqs", "kv_cache_gib"}
        where |= {"gpu_memory_utilization", "core_process", "architecture"}
        values = asdict(self)
        # What the dataset holds is compared by content (results/problem_list.py).
        del values["dataset"]["changed"]
        # Runs from before there were these settings have none of them.
        later = {"dataset": ("revision", "skip_bad"), "policy": ("confidence",)}
        for group, names in later.items():
            for name in names:
                if not values[group][name]:
                    del values[group][name]
        for role in ("policy", "prm"):
            if values[role]:
                kept = {k: v for k, v in values[role].items() if k not in where}
                # An engine argument such as a quantization changes what is generated.
                if not kept["extra"] or kept["model"] == SCRIPTED:
                    del kept["extra"]
                # Nor has a run from before there was confidence.
                if not kept.get("confidence", True):
                    del kept["confidence"]
                values[role] = kept
        if isinstance(self.search.get("strategy"), str):
            # What the file says, and not where it lies.
            strategy = strategy_of(self, self.search["strategy"])
            values["search"]["strategy"] = strategy.settings()
        return {k: values[k] for k in ("policy", "prm", "dataset", "search", "sampling", "seed")}

    def models(self) -> dict[str, ModelConfig]:
        """The models of the run by role: "policy", and "prm" if there is one."""
        return {"policy": self.policy} | ({"prm": self.prm} if self.prm else {})

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()[:16]


def load_config(arguments: Sequence[str | Mapping[str, Any]], configs: Path) -> RunConfig:
    """Merge `arguments` (YAML files, group choices, dotted overrides; or the values themselves)
    into a checked config.

    Raises:
        ConfigError: a file, key or value is wrong; the message says which and what would fit.
    """
    config = typed(RunConfig, with_defaults(gather(arguments, configs, RunConfig)))
    check(config)
    return config


def with_defaults(merged: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with a policy's own sampling and searches under the run's, and what a run of
    named parts alone leaves open: the searches, and a run directory named after the parts.

    Raises:
        ConfigError: a group is neither a name nor settings.
    """
    found = dict(merged)
    for group in GROUPS:
        if not isinstance(found.get(group), dict | None):
            raise ConfigError(
                f"{group} is {kind(found[group])}; give a name of configs/{group}, or settings"
            )
    policy = dict(found.get("policy") or {})
    sampling, search = policy.pop("sampling", None), policy.pop("search", None)
    for key, value in (("sampling", sampling), ("search", search)):
        if not isinstance(value, dict | None):
            raise ConfigError(f"policy.{key} is {kind(value)}, not settings")
    if policy:
        found["policy"] = policy
    if isinstance(found.get("sampling") or {}, dict):
        for key, value in ((found.get("sampling") or {}) | (sampling or {})).items():
            if not isinstance(value, int | float) or isinstance(value, bool):
                raise ConfigError(f"sampling.{short(key)}={short(value)} must be a number")
    if found.get("sampling") is None:
        found["sampling"] = sampling or {}
    elif isinstance(found["sampling"], dict):
        found["sampling"] = join(sampling or {}, found["sampling"])
    if found.get("search") is None:
        found["search"] = chosen = dict(search or {"name": METHODS, "n": BUDGETS})
        if found.get("prm") is None:
            names = chosen.get("name")
            chosen["name"] = [
                name
                for name in (names if isinstance(names, list) else [names])
                if name not in SEARCHES or not SEARCHES[name].uses_reward
            ]
    if "run" not in found:
        parts = [found[group].get("name") for group in GROUPS[:3] if found.get(group)]
        if all(isinstance(part, str) for part in parts):
            found["run"] = f"runs/{'-'.join(parts)}"
    return found


def check(config: RunConfig) -> None:
    """Refuse what no single value shows: before any GPU is reserved.

    Raises:
        ConfigError: values do not go together.
    """
    for role, model in config.models().items():
        if model.min_replicas is not None and model.min_replicas > model.replicas:
            raise ConfigError(
                f"{role}.min_replicas={model.min_replicas} must be in "
                f"1..{model.replicas}, the replicas"
            )
        if (config.cluster.searchers or 0) > model.first_replicas:
            raise ConfigError(
                f"cluster.searchers={config.cluster.searchers} must be in 0..{model.first_replicas}"
                f", the replicas of the {role} that a job begins with: each searcher has its own"
            )
        gpus = model.gpus or 0.0
        if gpus > 1 and gpus != int(gpus):
            raise ConfigError(f"{role}.gpus={gpus:g} is neither a share of one GPU nor whole GPUs")
    check_sampling(config.sampling)
    check_confidence(config.policy)
    for search in searches(config):
        if search.uses_reward and config.prm is None:
            raise ConfigError(f"{search.id} needs a reward model; choose one with prm=NAME")


def check_sampling(sampling: Sampling) -> None:
    """Refuse what the engines would refuse once they are loaded.

    Raises:
        ConfigError: a value is out of its range.
    """
    if not 0 <= sampling.temperature <= HOTTEST:
        raise ConfigError(
            f"sampling.temperature={sampling.temperature:g} must be in [0, {HOTTEST:g}]"
        )
    if not 0 < sampling.top_p <= 1:
        raise ConfigError(f"sampling.top_p={sampling.top_p:g} must be in (0, 1]")
    if sampling.top_k < -1:
        raise ConfigError(f"sampling.top_k={sampling.top_k} must be at least 1, or 0 for all")
    for name in ("max_step_tokens", "max_tokens"):
        if not 1 <= getattr(sampling, name) <= 2**24:
            raise ConfigError(f"sampling.{name}={getattr(sampling, name)} must be in 1..{2**24}")


def check_confidence(policy: PolicyConfig) -> None:
    """Refuse confidence where an engine has no log-probabilities to compute it from.

    Raises:
        ConfigError: the policy is scripted, or its engine arguments stand against it.
    """
    if not policy.confidence:
        return
    asked = f"policy.confidence={policy.confidence}"
    if policy.model == SCRIPTED:
        raise ConfigError(f"{asked}: a scripted policy has no probabilities; leave it 0")
    mode = policy.extra.get("logprobs_mode", "raw_logprobs")
    if mode != "raw_logprobs":
        raise ConfigError(
            f"{asked} is computed from raw_logprobs, and policy.extra.logprobs_mode is "
            f"{short(mode)}; leave one of them out"
        )
    most = policy.extra.get("max_logprobs", MAX_LOGPROBS)
    if isinstance(most, int) and 0 <= most < policy.confidence:
        raise ConfigError(f"{asked} must be at most policy.extra.max_logprobs={most}")


def searches(config: RunConfig) -> list[Search]:
    """Every search the grid `config.search` spells out, once, in order.

    Raises:
        ConfigError: a name or parameter is unknown or a value does not fit.
    """
    return expand_grid(config.search, lambda file: strategy_of(config, file))


def strategy_of(config: RunConfig, file: str) -> Strategy:
    """The strategy of a YAML file for the policy and dataset of a run."""
    return load_strategy(file, config.policy.parameters, config.dataset.name)
