"""A sweep: grids of policies, PRMs, datasets, searches, budgets and seeds, as cells.

A cell is one search at one budget on one dataset with one policy, one PRM and one seed: a run
directory of its own, so that a cell can be added, resumed or fail alone. A search with a unit
(best-of-N, DVTS) is one cell at its largest budget, which holds the smaller ones; a best-of-N pool
holds majority voting too, so that is no cell beside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from tts_ray.config import RunConfig, load_config, searches
from tts_ray.errors import ConfigError
from tts_ray.fragments import gather
from tts_ray.search.registry import SEARCHES
from tts_ray.search.search import Search
from tts_ray.search_grid import held_by_larger
from tts_ray.typed import Integer, Name, Positive, Text, typed
from tts_ray.types import SearchId
from tts_ray.yaml_text import short

OF_A_GRID = {"policy": ("name", "model"), "prm": ("name", "model"), "dataset": ("name", "path")}
"""What the grids name, which `base` cannot name again."""
LONGEST_NAME = 255
"""Bytes that a file system allows the name of a directory."""
OF_A_CELL = ("run", "search", "seed")
"""What a cell has of its grid, so that `base` cannot set it."""
NO_PRM: list[str | None] = [None]


Names = Annotated[list[Name], Field(min_length=1)]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Every combination of its parts."""

    policies: Names
    datasets: Names
    prms: list[Name] = field(default_factory=list)
    seeds: Annotated[list[Integer], Field(min_length=1)] = field(default_factory=lambda: [0])
    search: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Limits:
    """Where a job stops by itself, to be resumed: GPU-hours of this job (places held, times
    hours), and FLOPs executed in the whole sweep."""

    gpu_hours: Positive | None = None
    flops: Annotated[float, Field(strict=True, gt=0, le=1e40, allow_inf_nan=False)] | None = None


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """A sweep. `base` holds settings of every cell: sampling, dataset, cluster, wandb, ..."""

    run: Text
    """The directory of the cells' run directories."""
    grids: Annotated[list[Grid], Field(min_length=1)]
    base: dict[str, Any] = field(default_factory=dict)
    limits: Limits = Limits()


def load_sweep(arguments: Sequence[str], configs: Path) -> tuple[SweepConfig, list[RunConfig]]:
    """A sweep and its cells, those that share models together.

    Raises:
        ConfigError: a file, key, name or value is wrong.
    """
    sweep = typed(SweepConfig, gather(arguments, configs, SweepConfig))
    refuse_overruled(sweep.base)
    found = [cell for grid in sweep.grids for cell in cells_of(grid, sweep, configs)]
    if not found:
        raise ConfigError("the sweep has no cells; name policies, datasets and searches")
    return sweep, ordered(largest_runs({cell.run: (cell, search) for cell, search in found}))


def refuse_overruled(base: Mapping[str, Any]) -> None:
    """Refuse settings of every cell that would take the place of what the grids name.

    Raises:
        ConfigError: there is one.
    """
    for key in OF_A_CELL:
        if key in base:
            raise ConfigError(f"base.{key} would be ignored: {key} is what cells differ in")
    for group, names in OF_A_GRID.items():
        own = base.get(group, {})
        if not isinstance(own, Mapping) or set(own) & set(names):
            raise ConfigError(
                f"base.{group}={short(own)} would take the place of what the grids name; give "
                f"settings that all of them share, without {', '.join(names)}"
            )


def largest_runs(cells: Mapping[str, tuple[RunConfig, Search]]) -> list[RunConfig]:
    """The cells but for those of which another grid has a larger one that holds them."""

    def family(cell: RunConfig) -> str:
        return repr({k: v for k, v in cell.identity().items() if k not in ("search", "run")})

    families: dict[str, list[SearchId]] = {}
    for cell, search in cells.values():
        families.setdefault(family(cell), []).append(search.id)
    held = {name: held_by_larger(found) for name, found in families.items()}
    return [cell for cell, search in cells.values() if search.id not in held[family(cell)]]


def cells_of(grid: Grid, sweep: SweepConfig, configs: Path) -> list[tuple[RunConfig, Search]]:
    """The cells of one grid, with their searches."""
    found = []
    for policy in grid.policies:
        for prm in grid.prms or NO_PRM:
            for dataset in grid.datasets:
                chosen = {"policy": policy, "prm": prm, "dataset": dataset}
                parts = [f"{key}={value}" for key, value in chosen.items() if value]
                grid_search = {"search": grid.search} if grid.search else {}
                whole = load_config([*parts, base_of(sweep, prm), grid_search], configs)
                for search in distinct(searches(whole), scored=prm is not None):
                    settings = dict(search.settings)
                    if settings.pop("strategy", None) and "strategy" in whole.search:
                        # A cell names the file, as the grid does.
                        settings["strategy"] = whole.search["strategy"]
                    own = {"search": {"name": search.name} | settings}
                    for seed in grid.seeds:
                        mine = own | {"seed": seed}
                        cell = cell_of(parts, search, mine, chosen, sweep=sweep, configs=configs)
                        found.append((cell, search))
    return found


def distinct(found: Sequence[Search], *, scored: bool) -> list[Search]:
    """The searches but for a majority vote that a best-of-N pool of at least its size holds."""
    pools = [search.n for search in found if search.name == "best_of_n" and scored]
    largest = max(pools, default=0)
    return [s for s in found if not (s.name == "majority" and s.n <= largest)]


def cell_of(
    parts: Sequence[str],
    search: Search,
    own: Mapping[str, Any],
    chosen: Mapping[str, str | None],
    *,
    sweep: SweepConfig,
    configs: Path,
) -> RunConfig:
    """The configuration of one cell, in a directory named after it."""
    prm = chosen["prm"] if SEARCHES[search.name].uses_reward else None
    # A search that scores nothing needs no PRM in its identity: one pool for every PRM.
    named = [chosen["policy"], prm, chosen["dataset"], slug(search), f"seed{own['seed']}"]
    name = "--".join(part for part in named if part)
    if len(name.encode()) > LONGEST_NAME:
        raise ConfigError(
            f"a cell's directory would have a name of {len(name.encode())} bytes, more than the "
            f"{LONGEST_NAME} that file systems allow: {short(name)}; choose shorter names"
        )
    wandb = {"wandb": {"group": Path(sweep.run).name}}
    kept = [part for part in parts if prm or not part.startswith("prm=")]
    run = {"run": f"{sweep.run.rstrip('/')}/{name}"}
    return load_config([*kept, wandb, base_of(sweep, prm), own, run], configs)


def base_of(sweep: SweepConfig, prm: str | None) -> dict[str, Any]:
    """The settings of every cell, without those of a PRM where there is none."""
    return {key: value for key, value in sweep.base.items() if prm or key != "prm"}


def slug(search: Search) -> str:
    """E.g. "beam_search-n16-m4": the name and what is not the default."""
    settings = {"n": search.n} | search.changed
    return "-".join([search.name, *(f"{key}{value}" for key, value in settings.items())])


def ordered(cells: list[RunConfig]) -> list[RunConfig]:
    """Cells by policy and then by PRM, in order of first appearance, so that as little as possible
    is loaded again; those without a PRM beside the first one of their policy."""

    def names(role: str) -> list[str | None]:
        return list(dict.fromkeys(getattr(getattr(cell, role), "name", None) for cell in cells))

    policies, prms = names("policy"), names("prm")

    def rank(cell: RunConfig) -> tuple[int, int]:
        prm = prms.index(cell.prm.name) if cell.prm else -1
        return policies.index(cell.policy.name), prm

    return sorted(cells, key=rank)
