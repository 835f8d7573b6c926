"""Outcomes and model sizes of a run directory. Needs no engine, no cluster, and no lock."""

from pathlib import Path

import yaml

from tts_ray.analysis.outcomes import COLUMNS, Outcome
from tts_ray.dimensions import Dimensions
from tts_ray.errors import StoreError
from tts_ray.flops import ModelSize, Sizes
from tts_ray.results.run_directory import read


def stored_outcomes(path: Path, *, failed: bool = False) -> list[Outcome]:
    """Every finished search of a run, once; with `failed`, every failed attempt too.

    Raises:
        StoreError: a result file cannot be read.
    """
    outcomes = [Outcome.from_row(row) for row in read(path, COLUMNS).to_pylist()]
    return [outcome for outcome in outcomes if failed or outcome.error is None]


def stored_sizes(path: Path) -> Sizes:
    """The sizes of a run's models.

    Raises:
        StoreError: there is no run.
    """
    file = path / "run.yaml"
    if not file.is_file():
        raise StoreError(f"{path} is no run directory: it has no run.yaml")
    models = {
        role: ModelSize(size["nominal"], Dimensions(**size["dimensions"]))
        if size["dimensions"]
        else ModelSize(size["nominal"])
        for role, size in yaml.safe_load(file.read_text())["sizes"].items()
        if size is not None
    }
    return Sizes(**models)
