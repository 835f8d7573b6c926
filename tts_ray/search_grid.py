"""From the settings of a run to its searches, and from a strategy file to the strategy."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from tts_ray.errors import ConfigError, suggest
from tts_ray.search.registry import SEARCHES, make_search, parameters
from tts_ray.search.search import Search
from tts_ray.search.strategy import Strategy
from tts_ray.types import SearchId
from tts_ray.yaml_text import kind, read_yaml, short


def expand_grid(
    settings: Mapping[str, Any], strategy_of: Callable[[str], Strategy]
) -> list[Search]:
    """Every search of a grid: `name` and parameters, where a list has one search for each value.

    A parameter is used by the named searches that have it. Of a search with a unit only the largest
    n runs, for all its other parameters: it holds the smaller ones.

    Raises:
        ConfigError: a name or parameter is unknown or a value does not fit.
    """
    grid = {key: value if isinstance(value, list) else [value] for key, value in settings.items()}
    for key, choices in grid.items():
        if not choices:
            raise ConfigError(f"search.{key}=[] has no value; leave it out, or name some")
    if grid.get("name", [None]) == [None]:
        raise ConfigError(f"search.name is missing; choose from {', '.join(SEARCHES)}")
    names = [str(name) for name in grid.pop("name")]
    known = sorted({key for name in SEARCHES for key in parameters(name)})
    for key in grid:
        if key not in known:
            raise ConfigError(f"search.{key} is no parameter of any search; {suggest(key, known)}")
    found: dict[SearchId, Search] = {}
    for name in names:
        own = parameters(name)
        mine = {key: values for key, values in grid.items() if key in own}
        if name == "greedy":
            mine.pop("n", None)
        if "strategy" in mine:
            mine["strategy"] = [strategy_of(str(file)) for file in mine["strategy"]]
        for values in itertools.product(*mine.values()):
            search = make_search(name, dict(zip(mine, values, strict=True)))
            found[search.id] = search
    held = held_by_larger(found)
    return [search for key, search in found.items() if key not in held]


def held_by_larger(searches: Iterable[SearchId]) -> set[SearchId]:
    """Those of which another one, larger and otherwise the same, has every budget of whole units:
    to run them says nothing that the larger run does not."""
    found = list(searches)
    largest: dict[SearchId, int] = {}
    for search in found:
        largest[search.at(1)] = max(largest.get(search.at(1), 1), search.n)
    return {
        search
        for search in found
        if search.unit and search.n % search.unit == 0 and search.n < largest[search.at(1)]
    }


def load_strategy(file: str, policy_parameters: float, dataset: str) -> Strategy:
    """The strategy of a YAML file; of a file with `rules`, the first that fits the dataset and the
    policy's size.

    Raises:
        ConfigError: there is no such file or it is no strategy.
    """
    if not Path(file).is_file():
        raise ConfigError(f"search.strategy={short(file)}: no such file")
    settings = read_yaml(file)
    if "rules" not in settings:
        return Strategy.of(settings)
    rules = settings.pop("rules")
    if settings:
        raise ConfigError(f"{file}: rules stand alone, without {', '.join(map(str, settings))}")
    for at, rule in enumerate(rules_of(rules, file)):
        try:
            strategy = Strategy.of({key: rule[key] for key in ("pilot", "budgets") if key in rule})
        except ConfigError as error:
            raise ConfigError(f"{file}: rules[{at}]: {error}") from None
        small = policy_parameters < rule.get("parameters_below", math.inf)
        if small and rule.get("dataset") in (None, dataset):
            return strategy
    raise ConfigError(
        f"{file} has no rule for dataset {dataset} and a policy of {policy_parameters:g} parameters"
    )


RULE: dict[str, type | tuple[type, ...]] = {
    "dataset": str,
    "parameters_below": (int, float),
    "pilot": object,
    "budgets": object,
}
"""The keys of a rule and what their values are; a strategy checks its own."""


def rules_of(rules: Any, file: str) -> list[Mapping[str, Any]]:
    """The rules of a strategy file.

    Raises:
        ConfigError: one of them is none.
    """
    if not isinstance(rules, list):
        raise ConfigError(f"{file}: rules is {kind(rules)}, not a list")
    for at, rule in enumerate(rules):
        if not isinstance(rule, Mapping):
            raise ConfigError(f"{file}: rules[{at}] is {kind(rule)}, not keys with values")
        for key, value in rule.items():
            if key not in RULE:
                hint = suggest(str(key), list(RULE))
                raise ConfigError(f"{file}: rules[{at}].{short(key)} is no key of a rule; {hint}")
            if not isinstance(value, RULE[key]) or isinstance(value, bool) or value != value:
                raise ConfigError(f"{file}: rules[{at}].{key} must not be {short(value)}")
    return rules
