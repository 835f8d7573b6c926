"""The driver at scale: memory over time and CPU per step of a large run on scripted engines.

    python benchmarks/scale.py [--problems 500] [--n 512] [--search best_of_n] [--depth 3]

The engines cost next to nothing, so what is measured is the rest: trees, calls, grading, Parquet.
Memory is the driver's resident set, as the mean of each fifth of the run.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tts_ray.results.compaction import counting_sizes
from tts_ray.results.folder import folder_at
from tts_ray.results.stored_parts import read

ROOT = Path(__file__).parents[1]
EVERY_S = 0.5


def command(run: Path, problems: int, n: int, search: str, depth: int) -> list[str]:
    """The job, on scripted engines and the large split of the pocket problems."""
    return [
        *(sys.executable, "jobs/evaluate.py", "configs/pocket.yaml", f"run={run}"),
        *("policy=scripted", "prm=scripted", "policy.cpus=0.5", "prm.cpus=0.5"),
        *("dataset.split=test_large", f"dataset.limit={problems}", "wandb.mode=disabled"),
        *(f"search.name={search}", f"search.n={n}", f"policy.extra.depth={depth}"),
    ]


def watch(process: subprocess.Popen[str]) -> tuple[list[float], float]:
    """Resident MiB of a process while it runs, and its CPU seconds."""
    watched, sizes, spent = psutil.Process(process.pid), [], 0.0
    while process.poll() is None:
        try:
            sizes.append(watched.memory_info().rss / 2**20)
            times = watched.cpu_times()
        except psutil.NoSuchProcess:
            break
        spent = times.user + times.system
        time.sleep(EVERY_S)
    return sizes, spent


def steps(run: Path) -> int:
    """Steps that were generated."""
    rows = read(folder_at(run), ["nodes.list.element.state"]).to_pylist()
    return sum(len(row["nodes"]) for row in rows)


def stored_bytes(run: Path) -> int:
    """Bytes of the result files."""
    return sum(counting_sizes(folder_at(run)).values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=500)
    parser.add_argument("--n", type=int, default=512)
    parser.add_argument("--search", default="best_of_n")
    parser.add_argument("--depth", type=int, default=3, help="steps of a solution (3)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        words = command(run, **vars(arguments))
        began = time.monotonic()
        process = subprocess.Popen(words, cwd=ROOT, text=True)
        sizes, spent = watch(process)
        if process.wait():
            return 1
        wall = time.monotonic() - began
        count, size = steps(run), stored_bytes(run)
    fifths = [sizes[at * len(sizes) // 5 : (at + 1) * len(sizes) // 5] for at in range(5)]
    means = " ".join(f"{statistics.mean(part):.0f}" for part in fifths)
    print(
        f"{count} steps in {wall:.0f} s; driver {spent:.0f} CPU s, "
        f"{spent / count * 1e6:.0f} us a step; {size / arguments.problems:,.0f} bytes a search"
    )
    print(f"driver MiB by fifths of the run: {means}; peak {max(sizes):.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
