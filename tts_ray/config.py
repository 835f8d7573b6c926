"""The run's configuration: YAML fragments and overrides in, plain typed objects out.

Fragments merge left to right. `policy=NAME`, `prm=NAME`, `dataset=NAME` and `search=NAME` load
configs/<group>/NAME.yaml under that key; `key.sub=value` sets one value. The only home of
omegaconf: nothing past this module sees a config node.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tts_ray.errors import ConfigError
from tts_ray.search.registry import SEARCHES, suggest
from tts_ray.search.search import Search
from tts_ray.search.strategy import Strategy
from tts_ray.search_grid import expand_grid, load_strategy
from tts_ray.types import Sampling

T = TypeVar("T")

REQUIRED: Any = MISSING
"""The default of a setting without one."""

GROUPS = ("policy", "prm", "dataset", "search")
METHODS, BUDGETS = [name for name in SEARCHES if name != "adaptive"], [4, 16, 64]
"""What runs if no search or budget is named."""


@dataclass(frozen=True)
class ModelConfig:
    """A model and the replicas that serve it. `model` is a hub id, a folder, or pocket:NAME."""

    name: str = MISSING
    model: str = MISSING
    revision: str | None = None
    parameters: float = MISSING
    """Nominal parameter count, which FLOPs are computed from."""
    dtype: str = "auto"
    max_model_len: int | None = None
    max_num_seqs: int = 256
    replicas: int = 1
    min_replicas: int | None = None
    """So many are enough to begin and to go on, and the others join as there is room for them;
    null needs all to begin and one to go on."""
    cpus: float = 1
    gpus: float | None = None
    """GPUs of one replica: a fraction shares a card, a whole number splits the model over so many,
    0 runs on the CPU, null takes as few as hold it."""
    gpu_memory_utilization: float = 0.9
    kv_cache_gib: float = 1.0
    extra: dict[str, Any] = field(default_factory=dict)
    """Further vLLM engine arguments, as they are."""
    architecture: dict[str, Any] = field(default_factory=dict)
    """What its config.json says of its size, for planning where that file is not at hand."""


@dataclass(frozen=True)
class PolicyConfig(ModelConfig):
    prompt: str = MISSING
    separator: str = "\n\n"


@dataclass(frozen=True)
class PrmConfig(ModelConfig):
    format: str = MISSING


@dataclass(frozen=True)
class DatasetConfig:
    """Problems: `path` is a .jsonl or .parquet file, a Hugging Face dataset id, or "pocket"."""

    name: str = MISSING
    path: str = MISSING
    split: str = "test"
    subset: str | None = None
    question: str = "problem"
    answer: str = "answer"
    level: str | None = None
    limit: int | None = None
    levels: list[int] | None = None
    ids: list[str] | None = None


@dataclass(frozen=True)
class ClusterConfig:
    address: str | None = None
    """A Ray address, "auto", or null to start Ray on this machine."""
    gpu_gib: float = 80.0
    """Memory of one GPU, which the plan counts with."""
    placement_s: float = 120.0
    """How long to wait for room for all replicas, in seconds; likewise below."""
    load_s: float = 1800.0
    revival_s: float = 300.0
    """How long a job with too few living replicas waits for one to come back."""
    stall_s: float = 300.0
    """How long a replica with work may make no progress before it is taken for dead."""
    grace_s: float = 30.0
    """How long searches in flight may go on after the job is asked to stop."""
    attempts: int = 3

    @property
    def session(self) -> dict[str, Any]:
        """What a session keeps to."""
        names = ("placement_s", "load_s", "revival_s", "stall_s", "attempts")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class GradingConfig:
    workers: int = 1
    seconds: float = 5.0
    """Time limit of one comparison of two answers."""


@dataclass(frozen=True)
class WandbConfig:
    mode: Literal["auto", "online", "offline", "disabled"] = "auto"
    """auto: online if there is a key, else offline."""
    project: str = "tts_ray"
    entity: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class RunConfig:
    """One run: every search of `search` on every problem of `dataset`."""

    policy: PolicyConfig
    dataset: DatasetConfig
    prm: PrmConfig | None = None
    search: dict[str, Any] = field(default_factory=dict)
    """`name` and parameters of a search; a list of values means one search for each."""
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    run: str = MISSING
    """The run directory."""
    cluster: ClusterConfig = ClusterConfig()
    grading: GradingConfig = GradingConfig()
    wandb: WandbConfig = WandbConfig()

    def identity(self) -> dict[str, Any]:
        """What the records depend on. Where and how fast it runs is not part of it."""
        where = {"replicas", "min_replicas", "cpus", "gpus", "max_num_seqs", "kv_cache_gib"}
        where |= {"gpu_memory_utilization", "extra", "architecture"}
        values = asdict(self)
        for role in ("policy", "prm"):
            if values[role]:
                values[role] = {k: v for k, v in values[role].items() if k not in where}
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
    config = merge(arguments, configs, RunConfig, with_defaults)
    check(config)
    return config


def merge(
    arguments: Sequence[str | Mapping[str, Any]],
    configs: Path,
    schema: type[T],
    complete: Callable[[Any], Any] = lambda merged: merged,
) -> T:
    """Merge `arguments` left to right, `complete` what they leave open, and type the result.

    Raises:
        ConfigError: a file, key or value is wrong.
    """
    merged: Any = OmegaConf.create({})
    try:
        for argument in arguments:
            merged = OmegaConf.merge(merged, fragment(argument, configs, merged))
        # A null group is "not used"; the schema would read it as one to fill in.
        typed = OmegaConf.merge(OmegaConf.structured(schema), schema_free(complete(merged)))
        config = OmegaConf.to_object(typed)
    except OmegaConfBaseException as error:
        key = f"{error.full_key}: " if error.full_key else ""
        raise ConfigError(f"{key}{str(error).splitlines()[0]}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"not YAML: {' '.join(str(error).split())}") from None
    assert isinstance(config, schema)
    return config


def with_defaults(merged: Any) -> Any:
    """The fragments with a policy's own sampling and searches under the run's, and what a run of
    named parts alone leaves open: the searches, and a run directory named after the parts."""
    chosen: dict[str, Any] = {
        key: merged.get(key) if OmegaConf.is_dict(merged.get(key)) else None for key in GROUPS
    }
    policy = chosen["policy"] if chosen["policy"] is not None else OmegaConf.create({})
    sampling, search = policy.pop("sampling", None), policy.pop("search", None)
    if sampling is not None:
        merged.sampling = OmegaConf.merge(sampling, merged.get("sampling") or {})
    if chosen["search"] is None:
        merged.search = search or {"name": METHODS, "n": BUDGETS}
        if chosen["prm"] is None:
            names = [name for name in merged.search.name if not SEARCHES[name].uses_reward]
            merged.search.name = names
    if "run" not in merged:
        names = [chosen[key].get("name") for key in ("policy", "prm", "dataset") if chosen[key]]
        if all(names):
            merged.run = f"runs/{'-'.join(names)}"
    return merged


def schema_free(merged: Any) -> Any:
    """The merged fragments as plain containers, so that groups merge by the schema's types."""
    return OmegaConf.create(OmegaConf.to_container(merged, resolve=True))


def fragment(argument: str | Mapping[str, Any], configs: Path, merged: Any) -> Any:
    """What one argument adds."""
    if not isinstance(argument, str):
        return expand_groups(OmegaConf.create(dict(argument)), configs)
    if argument.endswith((".yaml", ".yml")) and "=" not in argument:
        if not Path(argument).is_file():
            raise ConfigError(f"no config file {argument!r}")
        return expand_groups(OmegaConf.load(argument), configs)
    key, equals, value = argument.partition("=")
    if not equals:
        raise ConfigError(f"{argument!r} is neither a .yaml file nor key=value")
    if key in GROUPS and value not in ("", "null") and value[0] not in "{[":
        # A group choice replaces the group: the rest of another choice must not shine through.
        merged[key] = None
    return expand_groups(OmegaConf.from_dotlist([argument]), configs)


def expand_groups(node: Any, configs: Path) -> Any:
    """Replace `group: NAME` by the fragment configs/group/NAME.yaml."""
    for group in GROUPS:
        choice = node.get(group) if OmegaConf.is_dict(node) else None
        if isinstance(choice, str):
            file = configs / group / f"{choice}.yaml"
            if not file.is_file():
                known = sorted(path.stem for path in (configs / group).glob("*.yaml"))
                raise ConfigError(f"no {group} {choice!r} in {configs}; {suggest(choice, known)}")
            node[group] = OmegaConf.load(file)
    return node


def check(config: RunConfig) -> None:
    """Refuse what types cannot: before any GPU is reserved."""
    for role, model in config.models().items():
        if model.replicas < 1:
            raise ConfigError(f"{role}.replicas={model.replicas} must be at least 1")
        if model.min_replicas is not None and not 1 <= model.min_replicas <= model.replicas:
            raise ConfigError(
                f"{role}.min_replicas={model.min_replicas} must be in "
                f"1..{model.replicas}, the replicas"
            )
        if model.cpus <= 0:
            raise ConfigError(f"{role}.cpus={model.cpus:g} must be above 0")
        gpus = model.gpus or 0.0
        if gpus < 0 or (gpus > 1 and gpus != int(gpus)):
            raise ConfigError(f"{role}.gpus={gpus:g} is neither a share of one GPU nor whole GPUs")
    sampling = config.sampling
    if sampling.temperature < 0:
        raise ConfigError(f"sampling.temperature={sampling.temperature} must not be negative")
    if not 0 < sampling.top_p <= 1:
        raise ConfigError(f"sampling.top_p={sampling.top_p} must be in (0, 1]")
    for name in ("max_step_tokens", "max_tokens"):
        if getattr(sampling, name) < 1:
            raise ConfigError(f"sampling.{name}={getattr(sampling, name)} must be at least 1")
    for search in searches(config):
        if search.uses_reward and config.prm is None:
            raise ConfigError(f"{search.key} needs a reward model; choose one with prm=NAME")


def searches(config: RunConfig) -> list[Search]:
    """Every search the grid `config.search` spells out, once, in order.

    Raises:
        ConfigError: a name or parameter is unknown or a value does not fit.
    """
    return expand_grid(config.search, lambda file: strategy_of(config, file))


def strategy_of(config: RunConfig, file: str) -> Strategy:
    """The strategy of a YAML file for the policy and dataset of a run."""
    return load_strategy(file, config.policy.parameters, config.dataset.name)
