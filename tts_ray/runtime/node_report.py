"""What a node finds when it is asked: its versions, its GPUs, the models, the run directory."""

import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

from tts_ray.engines.checkpoint import complete_checkpoint
from tts_ray.errors import TtsError
from tts_ray.results.folder import folder_at
from tts_ray.runtime.versions import versions
from tts_ray.text import one_line

Model = tuple[str, str | None]
"""A hub id or folder, and its revision."""


@dataclass(frozen=True)
class NodeReport:
    """Facts of one node. `missing` says of a model why it cannot be loaded here, `shut` why the run
    directory cannot be used; both are empty where all is well."""

    versions: dict[str, str]
    cards: list[tuple[str, float]]
    """Name and GiB of each GPU; nan where it does not say."""
    driver: str
    missing: dict[str, str]
    shut: str


def report(models: Sequence[Model], run: str, left: str, *, fetch: bool) -> NodeReport:
    """Look around on this node. `left` is the name of a file that the driver left in `run`; without
    one, `run` is not looked at."""
    cards, driver = nvidia()
    return NodeReport(
        versions(),
        cards,
        driver,
        {name: why for name, revision in models if (why := lacks(name, revision, fetch=fetch))},
        shuts(run, left) if left else "",
    )


def nvidia() -> tuple[list[tuple[str, float]], str]:
    """The GPUs of this node and the version of their driver, as nvidia-smi tells them."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version"]
    try:
        said = subprocess.run(
            [*query, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return [], ""
    rows = [[word.strip() for word in line.split(",")] for line in said.splitlines()]
    found = [(name, float(mib) / 1024 if mib.isdigit() else nan) for name, mib, _ in rows]
    return found, rows[0][2] if rows else ""


def lacks(model: str, revision: str | None, *, fetch: bool) -> str:
    """Why a model cannot be loaded on this node; empty if it can. Its weights, configuration and
    tokenizer are looked at."""
    # Slow to import, and of use on nodes with models alone.
    from tts_ray.engines.tokenizers import usable_tokenizer

    try:
        folder = complete_checkpoint(model, revision, fetch=fetch)
        usable_tokenizer(str(folder), None, one_line(model), local=True)
    except TtsError as error:
        return str(error)
    return ""


def shuts(run: str, left: str) -> str:
    """Why the run directory cannot be used from this node; empty if it can: what the driver left is
    there, and files can be written, renamed and deleted."""
    mine = f"probe-{uuid.uuid4().hex}"
    try:
        folder = folder_at(run)
        if left not in folder.files():
            return "it is not the one that the driver sees"
        folder.write(mine, b"written")
        folder.rename(mine, f"{mine}-renamed")
        folder.delete(f"{mine}-renamed")
    except (OSError, TtsError) as error:
        return str(error)
    return ""
