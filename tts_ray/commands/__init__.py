"""What is run: each module parses the arguments of one job, calls the package, and returns an exit
code. `tts_ray.door` lets them in."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
CONFIGS = PROJECT / "configs"
