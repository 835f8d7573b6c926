"""From the settings of a run to its searches, and from a strategy file to the strategy."""

import itertools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tts_ray.errors import ConfigError
from tts_ray.search.registry import SEARCHES, make_search, parameters, suggest
from tts_ray.search.search import Search
from tts_ray.search.strategy import Strategy


def expand_grid(
    settings: Mapping[str, Any], strategy_of: Callable[[str], Strategy]
) -> list[Search]:
    """Every search of a grid: `name` and parameters, where a list has one search for each value.

    A parameter is used by the named searches that have it. Of a search whose candidates are
    i.i.d. only the largest n runs: its pool holds every smaller budget.

    Raises:
        ConfigError: a name or parameter is unknown or a value does not fit.
    """
    grid = {key: value if isinstance(value, list) else [value] for key, value in settings.items()}
    if not grid.get("name"):
        raise ConfigError(f"search.name is missing; choose from {', '.join(SEARCHES)}")
    names = [str(name) for name in grid.pop("name")]
    known = sorted({key for name in SEARCHES for key in parameters(name)})
    for key in grid:
        if key not in known:
            raise ConfigError(f"search.{key} is no parameter of any search; {suggest(key, known)}")
    found: dict[str, Search] = {}
    for name in names:
        mine = {key: values for key, values in grid.items() if key in parameters(name)}
        if name == "greedy":
            mine.pop("n", None)
        if SEARCHES[name].pools and all(type(n) is int for n in mine.get("n", [])):
            mine |= {"n": [max(mine["n"])]} if "n" in mine else {}
        if "strategy" in mine:
            mine["strategy"] = [strategy_of(str(file)) for file in mine["strategy"]]
        for values in itertools.product(*mine.values()):
            search = make_search(name, dict(zip(mine, values, strict=True)))
            found[search.key] = search
    return list(found.values())


def load_strategy(file: str, policy_parameters: float, dataset: str) -> Strategy:
    """The strategy of a YAML file; of a file with `rules`, the first that fits the dataset and the
    policy's size.

    Raises:
        ConfigError: there is no such file or it is no strategy.
    """
    if not Path(file).is_file():
        raise ConfigError(f"search.strategy={file!r}: no such file")
    settings = yaml.safe_load(Path(file).read_text())
    if not isinstance(settings, dict):
        raise ConfigError(f"{file} is no strategy")
    if "rules" not in settings:
        return Strategy.of(settings)
    for rule in settings["rules"]:
        small = policy_parameters < rule.get("parameters_below", math.inf)
        if small and rule.get("dataset") in (None, dataset):
            return Strategy.of({key: rule[key] for key in ("pilot", "budgets") if key in rule})
    raise ConfigError(
        f"{file} has no rule for dataset {dataset} and a policy of {policy_parameters:g} parameters"
    )
