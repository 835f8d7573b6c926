"""What run.yaml says of a run: what its records depend on, its models' sizes, its settings."""

from dataclasses import asdict, dataclass
from typing import Any

from tts_ray.data.problem_set import ProblemFacts
from tts_ray.errors import ConfigError, StoreError
from tts_ray.flops import Sizes
from tts_ray.results.folder import Folder
from tts_ray.typed import Text, typed
from tts_ray.yaml_text import dump_yaml, parse_yaml, utf8

FILE = "run.yaml"


@dataclass(frozen=True, kw_only=True)
class Named:
    """A part of a run that is known by its name."""

    name: Text


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The parts of an identity that a reader of results asks for."""

    policy: Named
    prm: Named | None = None
    dataset: Named
    search: dict[str, Any]
    seed: int


@dataclass(frozen=True, kw_only=True)
class Description:
    """What run.yaml says: the identity as it was written, and the parts of it that readers ask
    for; the sizes of the models; the settings; the problems as the last job found them, which
    runs of earlier versions do not say."""

    identity: dict[str, Any]
    of: Identity
    sizes: Sizes
    config: dict[str, Any]
    problems: ProblemFacts | None = None


def describe(folder: Folder) -> Description:
    """What run.yaml says, checked.

    Raises:
        StoreError: there is no run, run.yaml cannot be read, or it is damaged.
    """
    found = identity_and_more(folder)
    try:
        said = typed(Description, found | {"of": found.get("identity")}, more=True)
        check_sizes(said.sizes)
        return said
    except ConfigError as error:
        raise damaged(folder, error) from None


def check_sizes(sizes: Sizes) -> None:
    """Refuse sizes that no model has, by which FLOPs would be negative or no number.

    Raises:
        ConfigError: one is out of range.
    """
    for role, size in (("policy", sizes.policy), ("prm", sizes.prm)):
        if size is None:
            continue
        numbers = {"nominal": size.nominal}
        if size.dimensions:
            widths = ("layers", "hidden", "heads", "kv_heads", "head_size", "vocabulary")
            numbers |= {name: getattr(size.dimensions, name) for name in widths}
        for name, value in numbers.items():
            if not 0 < value < 1e18:
                raise ConfigError(f"sizes.{role}.{name}={value:g} is no model's")


def stored_identity(folder: Folder) -> dict[str, Any]:
    """What the records of a run depend on, as it was written.

    Raises:
        StoreError: there is no run, run.yaml cannot be read, or it is damaged.
    """
    identity = identity_and_more(folder).get("identity")
    if not isinstance(identity, dict):
        raise damaged(folder, "it has no identity")
    return identity


def restate_problems(folder: Folder, facts: ProblemFacts) -> None:
    """Write down what the problems are now, where the dataset has changed since run.yaml was
    written.

    Raises:
        StoreError: run.yaml is damaged, or cannot be written.
    """
    found = identity_and_more(folder)
    if found.get("problems") == asdict(facts):
        return
    try:
        folder.write(FILE, dump_yaml(found | {"problems": asdict(facts)}))
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error}") from None


def identity_and_more(folder: Folder) -> dict[str, Any]:
    """The keys and values of run.yaml."""
    try:
        text = utf8(folder.read(FILE), FILE)
        found = parse_yaml(text, FILE)
    except FileNotFoundError:
        raise StoreError(f"{folder} is no run directory: it has no {FILE}") from None
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error}") from None
    except ConfigError as error:
        raise damaged(folder, error) from None
    if not isinstance(found, dict):
        raise damaged(folder, "it holds no keys with values")
    return found


def damaged(folder: Folder, why: object) -> StoreError:
    return StoreError(
        f"{folder.address(FILE)} is damaged ({why}); restore it, or choose another run= and start "
        f"anew"
    )
