"""W&B as a view of a run. Nothing is kept there that Parquet does not hold; a W&B that is away,
slow or off changes nothing about the run."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self

import wandb

Mode = Literal["auto", "online", "offline", "disabled"]


def resolve_mode(mode: Mode) -> Literal["online", "offline", "disabled"]:
    """What "auto" means here: online if there is a key, offline if not. WANDB_MODE is obeyed."""
    if mode != "auto":
        return mode
    asked = os.environ.get("WANDB_MODE")
    if asked in ("online", "offline", "disabled"):
        return asked  # type: ignore[return-value]
    return "online" if wandb.login(prompt=False) else "offline"


class Settings(Protocol):
    """Where runs are logged."""

    @property
    def mode(self) -> Mode: ...
    @property
    def project(self) -> str: ...
    @property
    def entity(self) -> str | None: ...
    @property
    def group(self) -> str | None: ...


def tracker_of(identity: Mapping[str, Any], settings: Settings, directory: Path) -> "Tracker":
    """The W&B run of a run directory: its id follows from the identity."""
    digest = hashlib.sha256(json.dumps(dict(identity), sort_keys=True).encode()).hexdigest()[:16]
    run_id = f"{directory.name}-{digest}"[-64:]
    return Tracker(directory, run_id, directory.name, identity, settings)


def sweep_tracker(sweep: Path, settings: Settings, cells: Iterable[str]) -> "Tracker":
    """The W&B run that shows a sweep as a whole, beside those of its cells."""
    return Tracker(sweep, f"{sweep.name}-sweep"[-64:], sweep.name, {"cells": [*cells]}, settings)


class Tracker:
    """One W&B run; a context manager. The id is stable, so a resumed run goes on in place.

    Args:
        directory: where offline data goes.
        run_id: at most 64 letters, digits and dashes.
        config: the resolved configuration.
    """

    def __init__(
        self,
        directory: Path,
        run_id: str,
        name: str,
        config: Mapping[str, Any],
        settings: Settings,
    ) -> None:
        self.id = run_id
        self.mode = resolve_mode(settings.mode)
        self.arguments: dict[str, Any] = {
            "id": run_id,
            "name": name,
            "config": dict(config),
            "mode": self.mode,
            "project": settings.project,
            "entity": settings.entity,
            "group": settings.group,
            "dir": str(directory),
            "resume": "allow" if self.mode == "online" else None,
            "reinit": "create_new",
            # W&B's own monitor samples the memory and load of this machine's GPUs.
            "settings": wandb.Settings(
                console="off", silent=True, x_disable_stats=self.mode != "online"
            ),
        }
        self.run: Any = None

    def __enter__(self) -> Self:
        self.run = wandb.init(**self.arguments)
        self.run.define_metric("problems_done")
        self.run.define_metric("*", step_metric="problems_done")
        self.run.define_metric("flops/*", step_metric="problems_done")
        for accuracy in ("accuracy", "accuracy_low", "accuracy_high", "accuracy_by_level"):
            self.run.define_metric(f"{accuracy}/*", step_metric="flops/paper")
        self.run.define_metric("curve/flops_paper")
        self.run.define_metric("curve/*", step_metric="curve/flops_paper")
        return self

    def log(self, values: Mapping[str, float | int]) -> None:
        """Log one row of metrics."""
        self.run.log(dict(values))

    def table(self, name: str, columns: list[str], rows: list[list[Any]]) -> None:
        """Log a table."""
        self.run.log({name: wandb.Table(columns=columns, data=rows)})

    def keep(self, name: str, files: Iterable[Path]) -> None:
        """Keep files as an artifact; none is made of no files. They are referred to where they
        lie until they are uploaded, not copied."""
        artifact = wandb.Artifact(name, type="results")
        for file in files:
            artifact.add_file(str(file), policy="immutable", skip_cache=True)
        if artifact.manifest.entries:
            self.run.log_artifact(artifact)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.run.finish(exit_code=0 if error is None else 1)
