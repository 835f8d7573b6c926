"""The searches by name. A new one is a file here, an entry in SEARCHES, and a test."""

from collections.abc import Mapping
from dataclasses import fields

from tts_ray.errors import ConfigError, suggest
from tts_ray.search.adaptive import Adaptive
from tts_ray.search.beam_search import BeamSearch
from tts_ray.search.best_of_n import BestOfN, Majority
from tts_ray.search.dvts import Dvts
from tts_ray.search.greedy import Greedy
from tts_ray.search.search import Search

SEARCHES: dict[str, type[Search]] = {
    search.name: search for search in (Greedy, Majority, BestOfN, BeamSearch, Dvts, Adaptive)
}


def parameters(name: str) -> list[str]:
    """The parameters of the search called `name`.

    Raises:
        ConfigError: there is no such search.
    """
    if name not in SEARCHES:
        raise ConfigError(f"unknown search {name!r}; {suggest(name, list(SEARCHES))}")
    return [field.name for field in fields(SEARCHES[name])]


def make_search(name: str, settings: Mapping[str, object]) -> Search:
    """Build a search from its name and parameters.

    Raises:
        ConfigError: the name or a parameter is unknown, or a value does not fit.
    """
    known = parameters(name)
    for key in settings:
        if key not in known:
            raise ConfigError(f"search {name!r} has no parameter {key!r}; {suggest(key, known)}")
    return SEARCHES[name](**settings)  # type: ignore[arg-type]
