"""A sweep's directory as studies: the cells of one policy, PRM, dataset and seed together."""

from dataclasses import dataclass

from tts_ray.analysis.compute_optimal import Evidence, gather
from tts_ray.analysis.outcomes import Outcome
from tts_ray.analysis.stored import stored_outcomes, stored_sizes
from tts_ray.errors import StoreError
from tts_ray.flops import Sizes
from tts_ray.results.description import describe
from tts_ray.results.folder import Folder
from tts_ray.results.run_directory import runs_in
from tts_ray.search.adaptive import Adaptive
from tts_ray.search.registry import make_search
from tts_ray.search.strategy import Strategy
from tts_ray.types import SearchId


@dataclass(frozen=True)
class Study:
    """The cells of one policy, PRM, dataset and seed."""

    policy: str
    prm: str
    dataset: str
    seed: int
    outcomes: list[Outcome]
    sizes: Sizes
    strategies: dict[SearchId, Strategy]
    """The strategy of each adaptive search, by the search."""

    @property
    def name(self) -> str:
        seed = f", seed {self.seed}" if self.seed else ""
        return f"{self.policy} with {self.prm} on {self.dataset}{seed}"

    def evidence(self) -> Evidence:
        """The arms of the searches that chose nothing themselves."""
        plain = [each for each in self.outcomes if each.search.name != "adaptive"]
        return gather(plain, self.sizes)


def studies(sweep: Folder) -> list[Study]:
    """The studies of a sweep's directory. A cell without a PRM belongs to each of its policy's.

    Raises:
        StoreError: there is no cell, or a result file cannot be read.
    """
    cells = []
    for cell in runs_in(sweep):
        of = describe(cell).of
        key = (of.policy.name, of.prm.name if of.prm else None, of.dataset.name, of.seed)
        cells.append((key, cell))
    if not cells:
        raise StoreError(f"{sweep} holds no cell of a sweep")
    found = []
    for key in dict.fromkeys(key for key, _ in cells if key[1]):
        policy, prm, dataset, seed = key
        mine = [path for other, path in cells if other in (key, (policy, None, dataset, seed))]
        outcomes = [outcome for path in mine for outcome in stored_outcomes(path)]
        scored = next(path for other, path in cells if other == key)
        routed = {k: v for path in mine for k, v in strategies_of(path).items()}
        sizes = stored_sizes(scored)
        found.append(Study(policy, str(prm), dataset, seed, outcomes, sizes, routed))
    return sorted(found, key=lambda study: study.sizes.policy.nominal)


def differing_datasets(sweep: Folder) -> list[str]:
    """The names of datasets of which cells of a sweep hold different problems, a line each with
    what they hold.

    Raises:
        StoreError: a cell's run.yaml is damaged.
    """
    held: dict[str, dict[str, tuple[str, int]]] = {}
    for cell in runs_in(sweep):
        said = describe(cell)
        if said.problems:
            of = held.setdefault(said.of.dataset.name, {})
            of.setdefault(said.problems.digest, (cell.name, said.problems.count))
    return [
        f"The cells on {dataset} do not all have the same problems: "
        + ", ".join(f"{name} has {count} ({key[:8]})" for key, (name, count) in of.items())
        + ". A search without all problems of the largest best-of-N pool is left out; running the "
        "sweep again does what is missing."
        for dataset, of in held.items()
        if len(of) > 1
    ]


def strategies_of(cell: Folder) -> dict[SearchId, Strategy]:
    """The strategy of a cell's search, if it is an adaptive one."""
    search = describe(cell).of.search
    if search.get("name") != "adaptive":
        return {}
    settings = {key: value for key, value in search.items() if key != "name"}
    if "strategy" in settings:
        settings["strategy"] = Strategy.of(settings["strategy"])
    adaptive = make_search("adaptive", settings)
    assert isinstance(adaptive, Adaptive)
    return {adaptive.id: adaptive.strategy}
