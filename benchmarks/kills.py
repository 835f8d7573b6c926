"""Drivers that are killed: a run is started, killed by SIGKILL, and started again by the same
command until it is done; then the next run, until there were enough kills.

    python benchmarks/kills.py [--kills 300] [--seed 0] [--problems 60]

A quarter of the kills fall at a random moment of the start, the others within 2.5 s of the first
results that the job adds. After each kill every result file is read, checksums included, and no
search may be there twice; each finished run is compared, search by search, with a calm one, and
its parts are one.
Scripted engines; one Ray cluster serves all drivers, but for every tenth, which starts its own.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import ray
from stored_work import work_of

from tts_ray.results.folder import folder_at
from tts_ray.results.stored_parts import parts
from tts_ray.runtime.local_ray import start_local_ray

ROOT = Path(__file__).parents[1]
OWN_CLUSTER = 10
"""Every so manieth driver starts Ray itself."""
START_S = 6.0
"""Kills of the start fall within so many seconds."""
PATIENCE_S = 300.0
"""A driver that adds nothing for so long hangs."""


def command(run: Path, problems: int, *more: str) -> list[str]:
    """The job."""
    return [
        *(sys.executable, "jobs/evaluate.py", "configs/pocket.yaml", f"run={run}"),
        *("policy=scripted", "prm=scripted", "policy.extra={seconds: 0.4}"),
        *("policy.cpus=0.25", "prm.cpus=0.25", "wandb.mode=disabled", f"dataset.limit={problems}"),
        *("search.name=[best_of_n,dvts]", "search.n=128", "search.m=8", *more),
    ]


class Life:
    """One driver, from its start to its end."""

    def __init__(self, words: list[str], run: Path, environment: dict[str, str]) -> None:
        self.run = run
        self.before = len(parts(folder_at(run)))
        self.process = subprocess.Popen(
            words, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def until(self, over: float, *, with_results: bool) -> bool:
        """Wait `over` seconds, `with_results` from the first that it adds; False if it ended."""
        deadline = time.monotonic() + PATIENCE_S
        while with_results and len(parts(folder_at(self.run))) == self.before:
            if self.process.poll() is not None:
                return False
            assert time.monotonic() < deadline, "the driver hangs"
            time.sleep(0.02)
        try:
            self.process.wait(over)
            return False
        except subprocess.TimeoutExpired:
            return True

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--problems", type=int, default=60)
    arguments = parser.parse_args()
    dice = random.Random(arguments.seed)
    alone = dict(os.environ)
    start_local_ray({"num_cpus": 4, "log_to_driver": False, "logging_level": "ERROR"})
    # Drivers of the shared cluster have its token, and its address on the loopback interface.
    shared = os.environ | {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    address = f"cluster.address={ray.get_runtime_context().gcs_address}"
    counts: Counter[str] = Counter()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        calm = Path(folder) / "calm"
        subprocess.run(
            command(calm, arguments.problems, address),
            cwd=ROOT,
            env=shared,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        wanted = work_of(calm)
        while counts["kills"] < arguments.kills:
            run = Path(folder) / f"run-{counts['runs']}"
            code = None
            while code is None:
                counts["drivers"] += 1
                own = counts["drivers"] % OWN_CLUSTER == 0
                more = () if own else (address,)
                life = Life(
                    command(run, arguments.problems, *more), run, alone if own else dict(shared)
                )
                early = dice.random() < 0.25
                over = dice.uniform(0.0, START_S if early else 2.5)
                if not life.until(over, with_results=not early):
                    code = life.process.returncode
                    break
                life.kill()
                counts["kills"] += 1
                counts["kills of the start"] += early
                found = work_of(run) if run.exists() else {}
                assert found.items() <= wanted.items(), "a search came out otherwise"
            assert code == 0, f"the driver ended with code {code}"
            assert work_of(run) == wanted, "the run is not the calm one"
            assert len(parts(folder_at(run))) == 1, "the parts were not merged"
            counts["runs"] += 1
            counts["temporary files left"] += len(list(run.glob("*.tmp")))
    ray.shutdown()
    print(f"seed {arguments.seed}: {dict(counts)} in {time.monotonic() - began:.0f} s")
    print(f"{counts['runs']} runs of {len(wanted)} searches: nothing lost, doubled or changed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
