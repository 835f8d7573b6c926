"""Outcomes and model sizes of a run directory. Needs no engine, no cluster, and no lock."""

from tts_ray.analysis.outcomes import COLUMNS, Outcome
from tts_ray.dimensions import Dimensions
from tts_ray.flops import ModelSize, Sizes
from tts_ray.results.folder import Folder
from tts_ray.results.run_directory import description, read


def stored_outcomes(folder: Folder, *, failed: bool = False) -> list[Outcome]:
    """Every finished search of a run, once; with `failed`, every failed attempt too.

    Raises:
        StoreError: a result file cannot be read.
    """
    outcomes = [Outcome.from_row(row) for row in read(folder, COLUMNS).to_pylist()]
    return [outcome for outcome in outcomes if failed or outcome.error is None]


def stored_sizes(folder: Folder) -> Sizes:
    """The sizes of a run's models.

    Raises:
        StoreError: there is no run.
    """
    models = {
        role: ModelSize(size["nominal"], Dimensions(**size["dimensions"]))
        if size["dimensions"]
        else ModelSize(size["nominal"])
        for role, size in description(folder)["sizes"].items()
        if size is not None
    }
    return Sizes(**models)
