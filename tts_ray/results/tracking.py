"""W&B as a view of a run. Nothing is kept there that Parquet does not hold; a W&B that is away,
slow or off changes nothing about the run."""

import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Any, Literal, Protocol, Self

import wandb

from tts_ray.results.folder import Folder

log = logging.getLogger(__name__)

Mode = Literal["auto", "online", "offline", "disabled"]


INIT_S = 30.0
"""How long W&B may take to answer at all, in seconds, before the run is logged offline."""
FINISH_S = 120.0
"""How long the end of a job waits for W&B, in seconds."""
REMEDY = "everything is in {0}: show it again with jobs/sync.py {0}"


def asked_mode(mode: Mode) -> Mode:
    """What is asked for; where nothing is, what WANDB_MODE says."""
    said = os.environ.get("WANDB_MODE")
    if mode == "auto" and said in ("online", "offline", "disabled"):
        return said  # type: ignore[return-value]
    return mode


def resolve_mode(mode: Mode) -> Literal["online", "offline", "disabled"]:
    """What "auto" means here: online if there is a key, offline if not. Asks no server."""
    asked = asked_mode(mode)
    if asked != "auto":
        return asked
    try:
        return "online" if wandb.login(prompt=False, verify=False) else "offline"
    except wandb.errors.Error:
        # There is a key, but none that W&B could have given; it is refused when the run opens.
        return "online"


def unreachable(settings: "Settings") -> tuple[str, str]:
    """The mode that `settings` mean, and why W&B will not take runs in it; empty if it will."""
    asked = asked_mode(settings.mode)
    if asked in ("offline", "disabled"):
        return asked, ""
    try:
        known = wandb.login(prompt=False, verify=True, timeout=int(INIT_S))
    except (wandb.errors.Error, ValueError, OSError) as error:
        return "online", f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    if asked == "auto" and not known:
        return "offline", ""
    return "online", "" if known else "there is no key"


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


def tracker_of(
    identity: Mapping[str, Any],
    settings: Settings,
    folder: Folder,
    problems: Mapping[str, Any] | None = None,
) -> "Tracker":
    """The W&B run of a run directory: its id follows from the identity. `problems` is shown beside
    that: what the dataset is now."""
    shown = {**identity, "problems": problems} if problems else identity
    return Tracker(folder, run_id(folder.name, identity), folder.name, shown, settings)


def run_id(name: str, identity: Mapping[str, Any]) -> str:
    """At most 64 letters, digits and . _ - that name a run: the end of its name, and a digest of
    what its records depend on. W&B and Ray take no others."""
    digest = hashlib.sha256(json.dumps(dict(identity), sort_keys=True).encode()).hexdigest()[:16]
    return f"{escaped(name)[-47:].lstrip('-.')}-{digest}"


def escaped(name: str) -> str:
    """A name of letters, digits and . _ - alone; one that had others gets a digest of what it was,
    so that two such names stay two."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "run"
    if plain == name:
        return name
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def sweep_tracker(sweep: Folder, settings: Settings, cells: Iterable[str]) -> "Tracker":
    """The W&B run that shows a sweep as a whole, beside those of its cells."""
    shown = f"{escaped(sweep.name)[-58:].lstrip('-.')}-sweep"
    return Tracker(sweep, shown, sweep.name, {"cells": [*cells]}, settings)


class Tracker:
    """One W&B run; a context manager. The id is stable, so a resumed run goes on in place.

    Nothing here waits for W&B but the end, and that not for long: a thread does the work. What
    went wrong is in `problem` and logged; it is never an error of the run.

    Args:
        folder: the run's; offline data goes there, or beside it if that is no local folder.
        run_id: at most 64 letters, digits, dots, dashes and underscores.
        name: the run's own, which is shown as it is.
        config: the resolved configuration.
    """

    def __init__(
        self,
        folder: Folder,
        run_id: str,
        name: str,
        config: Mapping[str, Any],
        settings: Settings,
    ) -> None:
        self.folder = folder
        self.id = run_id
        self.name = name
        self.config = {**config, "run_path": str(folder)}
        self.settings = settings
        self.problem = ""
        """Why W&B does not show the run, or not all of it."""
        self._work: SimpleQueue[Callable[[Any], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._show, name=f"wandb {run_id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def log(self, values: Mapping[str, float | int]) -> None:
        """Log one row of metrics."""
        row = dict(values)
        self._work.put(lambda run: run.log(row))

    def table(self, name: str, columns: list[str], rows: list[list[Any]]) -> None:
        """Log a table."""
        self._work.put(lambda run: run.log({name: wandb.Table(columns=columns, data=rows)}))

    def keep(self, name: str, addresses: Iterable[str]) -> None:
        """Keep local files as an artifact, if there are any; those of an object store stay there.
        They are referred to where they lie until they are uploaded, not copied."""
        files = [address for address in addresses if "://" not in address]

        def log_files(run: Any) -> None:
            artifact = wandb.Artifact(escaped(name)[-128:], type="results")
            for file in files:
                artifact.add_file(file, policy="immutable", skip_cache=True)
            run.log_artifact(artifact)

        if files:
            self._work.put(log_files)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._work.put(lambda run: run.finish(exit_code=0 if error is None else 1))
        self._work.put(None)
        self._thread.join(FINISH_S)
        if self._thread.is_alive():
            self.problem = f"W&B did not finish within {FINISH_S:g} s"
        if self.problem:
            log.warning("%s; %s", self.problem, REMEDY.format(self.folder))

    def _show(self) -> None:
        """Do the work in order, in a thread of its own: the run waits for none of it."""
        run: Any = None
        try:
            run = self._open()
        except Exception as error:
            # W&B is a view: whatever goes wrong with it, the run goes on.
            self.problem = failure(error)
        while work := self._work.get():
            try:
                if run is not None:
                    work(run)
            except Exception as error:
                # One row, table or file less; the rest is still shown, and the run is ended.
                self.problem = failure(error)

    def _open(self) -> Any:
        self.folder.scratch.mkdir(parents=True, exist_ok=True)
        mode = resolve_mode(self.settings.mode)
        arguments: dict[str, Any] = {
            "id": self.id,
            "name": self.name[-128:],
            "config": self.config,
            "mode": mode,
            "project": self.settings.project,
            "entity": self.settings.entity,
            "group": self.settings.group,
            "dir": str(self.folder.scratch),
            "resume": "allow" if mode == "online" else None,
            "reinit": "create_new",
            # W&B's own monitor samples the memory and load of this machine's GPUs.
            "settings": wandb.Settings(
                console="off",
                silent=True,
                init_timeout=INIT_S,
                x_disable_stats=mode != "online",
            ),
        }
        try:
            run = wandb.init(**arguments)
        except wandb.errors.Error as error:
            if mode != "online":
                raise
            why = " ".join(str(error).split())
            self.problem = f"W&B cannot be reached, so the run is logged offline: {why}"
            # W&B's service holds the id for the attempt that failed.
            apart = {"id": f"{self.id[-56:]}-offline", "mode": "offline", "resume": None}
            run = wandb.init(**arguments | apart)
        run.define_metric("problems_done")
        run.define_metric("*", step_metric="problems_done")
        run.define_metric("flops/*", step_metric="problems_done")
        accuracies = ("accuracy", "accuracy_low", "accuracy_high", "accuracy_by_level")
        for kind in (*accuracies, "coverage", "closed"):
            run.define_metric(f"{kind}/*", step_metric="flops/paper")
        run.define_metric("curve/flops_paper")
        run.define_metric("curve/*", step_metric="curve/flops_paper")
        return run


def failure(error: Exception) -> str:
    """What went wrong, in one line."""
    return f"W&B failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
