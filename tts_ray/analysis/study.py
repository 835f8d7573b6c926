"""A sweep's directory as studies: the cells of one policy, PRM and dataset together."""

from collections.abc import Sequence
from dataclasses import dataclass

from tts_ray.analysis.compute_optimal import Evidence, gather, runs_of
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
    """The cells of one policy, PRM and dataset, of all seeds."""

    policy: str
    prm: str
    dataset: str
    outcomes: dict[int, list[Outcome]]
    """By seed."""
    sizes: Sizes
    strategies: dict[SearchId, Strategy]
    """The strategy of each adaptive search, by the search."""

    @property
    def name(self) -> str:
        seeds = sorted(self.outcomes)
        word = "seeds" if len(seeds) > 1 else "seed"
        said = f", {word} {', '.join(map(str, seeds))}" if seeds != [0] else ""
        return f"{self.policy} with {self.prm} on {self.dataset}{said}"

    def evidence(self) -> Evidence:
        """The arms of the searches that chose nothing themselves.

        Raises:
            StoreError: there is too little to choose from, as `gather` says.
        """
        plain = {
            seed: [each for each in mine if each.search.name != "adaptive"]
            for seed, mine in self.outcomes.items()
        }
        return gather(plain, self.sizes)

    def of(self, search: SearchId, problems: Sequence[str]) -> list[list[Outcome]]:
        """What a search did on these problems, in their order, by each seed that has them all."""
        by_seed = runs_of(self.outcomes).get(search, {})
        return [
            [runs[problem] for problem in problems]
            for runs in by_seed.values()
            if set(runs) >= set(problems)
        ]


def studies(sweep: Folder) -> list[Study]:
    """The studies of a sweep's directory. A cell without a PRM belongs to each of its policy's.

    Raises:
        StoreError: there is no cell, or a result file cannot be read.
    """
    cells = []
    for cell in runs_in(sweep):
        of = describe(cell).of
        key = (of.policy.name, of.prm.name if of.prm else None, of.dataset.name)
        cells.append((key, of.seed, cell))
    if not cells:
        raise StoreError(f"{sweep} holds no cell of a sweep")
    found = []
    for key in dict.fromkeys(key for key, _, _ in cells if key[1]):
        policy, prm, dataset = key
        mine = [
            (seed, cell) for other, seed, cell in cells if other in (key, (policy, None, dataset))
        ]
        outcomes: dict[int, list[Outcome]] = {seed: [] for seed in sorted({s for s, _ in mine})}
        for seed, cell in mine:
            outcomes[seed] += stored_outcomes(cell)
        routed = {k: v for _, cell in mine for k, v in strategies_of(cell).items()}
        sizes = stored_sizes(next(cell for other, _, cell in cells if other == key))
        found.append(Study(policy, str(prm), dataset, outcomes, sizes, routed))
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
