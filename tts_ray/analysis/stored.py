"""Outcomes and model sizes of a run directory. Needs no engine, no cluster, and no lock."""

from pathlib import Path

import yaml

from tts_ray.analysis.outcomes import COLUMNS, Outcome
from tts_ray.errors import StoreError
from tts_ray.results.run_directory import read


def stored_outcomes(path: Path) -> list[Outcome]:
    """Every finished search of a run, once; one that still fails is left out.

    Raises:
        StoreError: a result file cannot be read.
    """
    outcomes = [Outcome.from_row(row) for row in read(path, COLUMNS).to_pylist()]
    return [outcome for outcome in outcomes if outcome.error is None]


def stored_parameters(path: Path) -> tuple[float, float]:
    """Parameter counts of a run's policy and PRM (0 without one).

    Raises:
        StoreError: there is no run.
    """
    file = path / "run.yaml"
    if not file.is_file():
        raise StoreError(f"{path} is no run directory: it has no run.yaml")
    identity = yaml.safe_load(file.read_text())["identity"]
    prm = identity["prm"]
    return identity["policy"]["parameters"], prm["parameters"] if prm else 0.0
