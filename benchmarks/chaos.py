"""A soak: a run on a cluster whose parts fail all the time, and what is there at its end.

    python benchmarks/chaos.py [--problems 240] [--seconds 180] [--seed 0] [--searchers 2]

Real nodes, actors and driver on this machine; scripted engines, so that minutes hold hundreds of
searches. About every second one fault, drawn by the seed: the process of an engine, or of a
searcher if there are any, is killed or stopped, a node is lost (another comes a little later), the
driver is killed or asked to stop (and started again, as a batch system would). Afterwards the run
ends in peace and is compared, search by search, with the same run on a calm cluster, whose searches
are the driver's.
"""

import argparse
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import psutil
from ray.cluster_utils import Cluster
from stored_work import work_of

from tts_ray.results.folder import folder_at
from tts_ray.results.stored_parts import read
from tts_ray.runtime.local_ray import NO_RAY_METRICS

ROOT = Path(__file__).parents[1]
WORKERS = 3
FAULTS = {
    "kill an engine": 60,
    "stop an engine": 15,
    "lose a node": 15,
    "kill the driver": 6,
    "ask the driver to stop": 4,
}
"""Weights."""
SEARCHERS = {"kill a searcher": 20, "stop a searcher": 5}
"""Further ones, where there are searchers."""
PROCESSES = {"engine": "ray::EngineActo", "searcher": "ray::SearcherAc"}
"""How the names of actors' processes begin."""


def command(run: Path, problems: int, address: str, searchers: int) -> list[str]:
    """The job. A call is tried many times, for here no fault is the call's own."""
    least = max(searchers, 1)
    return [
        *(sys.executable, "jobs/evaluate.py", "configs/pocket.yaml", f"run={run}"),
        *("policy=scripted", "prm=scripted", "policy.extra={seconds: 1}", "prm.extra={seconds: 1}"),
        *("policy.replicas=3", f"policy.min_replicas={least}"),
        *("prm.replicas=2", f"prm.min_replicas={least}", f"cluster.searchers={searchers}"),
        *("dataset.split=test_large", f"dataset.limit={problems}", "wandb.mode=disabled"),
        *("search.name=[best_of_n,dvts]", "search.n=256", "search.m=16"),
        *(f"cluster.address={address}", "cluster.attempts=100", "cluster.stall_s=6"),
        "cluster.grace_s=3",
    ]


@dataclass
class Soak:
    """The cluster, the driver, and what was done to them."""

    cluster: Cluster
    words: list[str]
    dice: random.Random
    faults: dict[str, int]
    driver: subprocess.Popen[bytes] | None = None
    done: Counter[str] = field(default_factory=Counter)
    exits: Counter[int] = field(default_factory=Counter)
    lives: list[list[float]] = field(default_factory=list)
    """Resident MiB of each driver, sampled while it lived."""

    def nodes(self) -> list[Any]:
        return list(self.cluster.worker_nodes)

    def tend(self) -> bool:
        """Look after the driver; start it again if it ended without being done. True once it is."""
        if self.driver is not None:
            code = self.driver.poll()
            if code is None:
                self.lives[-1].append(resident(self.driver.pid))
                return False
            self.exits[code] += 1
            if code == 0:
                return True
        self.driver = subprocess.Popen(self.words, cwd=ROOT, stdout=subprocess.DEVNULL)
        self.lives.append([])
        return False

    def strike(self) -> None:
        """One fault."""
        (fault,) = self.dice.choices([*self.faults], weights=[*self.faults.values()])
        actors = actor_processes(*(name for what, name in PROCESSES.items() if what in fault))
        if actors:
            strike = signal.SIGKILL if fault.startswith("kill") else signal.SIGSTOP
            send(self.dice.choice(actors).pid, strike)
        elif fault == "lose a node" and len(self.nodes()) == WORKERS:
            self.cluster.remove_node(self.dice.choice(self.nodes()), allow_graceful=False)
        elif "driver" in fault and self.driver is not None:
            strike = signal.SIGKILL if fault.startswith("kill") else signal.SIGTERM
            send(self.driver.pid, strike)
        else:
            return
        self.done[fault] += 1

    def mend(self) -> None:
        """Nodes come back after a while."""
        if len(self.nodes()) < WORKERS:
            self.cluster.add_node(num_cpus=2)


def actor_processes(*names: str) -> list[psutil.Process]:
    """The processes of the cluster whose names begin so."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.name().startswith(names):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return sorted(found, key=lambda process: process.pid)


def send(pid: int, what: signal.Signals) -> None:
    """Signal a process that may be gone by now."""
    with suppress(ProcessLookupError):
        os.kill(pid, what)


def resident(pid: int) -> float:
    """Resident MiB of a process; 0 once it is gone."""
    try:
        return float(psutil.Process(pid).memory_info().rss) / 2**20
    except psutil.NoSuchProcess:
        return 0.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=240)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--searchers", type=int, choices=(0, 1, 2), default=0)
    arguments = parser.parse_args()
    cluster = Cluster()
    cluster.add_node(num_cpus=0, _system_config=NO_RAY_METRICS)
    for _ in range(WORKERS):
        cluster.add_node(num_cpus=2)
    with tempfile.TemporaryDirectory() as folder:
        calm, storm = Path(folder) / "calm", Path(folder) / "storm"
        quiet = command(calm, arguments.problems, cluster.address, 0)
        subprocess.run(quiet, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
        soak = Soak(
            cluster,
            command(storm, arguments.problems, cluster.address, arguments.searchers),
            random.Random(arguments.seed),
            FAULTS | (SEARCHERS if arguments.searchers else {}),
        )
        began = time.monotonic()
        next_fault = began + 5.0
        while not soak.tend():
            now = time.monotonic()
            if now > next_fault and now - began < arguments.seconds:
                soak.mend()
                soak.strike()
                next_fault = now + soak.dice.uniform(0.5, 1.5)
            elif now - began >= arguments.seconds:
                soak.mend()
            time.sleep(0.1)
        wall = time.monotonic() - began
        repeats = sum(row["repeats"] for row in read(folder_at(storm), ["repeats"]).to_pylist())
        same = work_of(calm) == work_of(storm)
        count = len(work_of(storm))
    left = len(actor_processes(*PROCESSES.values()))
    cluster.shutdown()
    children = psutil.wait_procs(psutil.Process().children(recursive=True), timeout=20)[1]
    longest = max(soak.lives, key=len)
    fifths = [longest[at * len(longest) // 5 : (at + 1) * len(longest) // 5] for at in range(5)]
    means = " ".join(f"{sum(part) / max(len(part), 1):.0f}" for part in fifths)
    print(f"{sum(soak.done.values())} faults in {wall:.0f} s: {dict(soak.done)}")
    print(f"drivers: {len(soak.lives)}, exit codes {dict(soak.exits)}; calls repeated: {repeats}")
    print(f"{count} of {2 * arguments.problems} searches, each once; same as calm: {same}")
    print(f"actors left: {left}; processes left: {len(children)}")
    print(
        f"MiB of the longest-lived driver, by fifths: {means}; peak {max(map(max, soak.lives)):.0f}"
    )
    whole = count == 2 * arguments.problems and same and not left and not children
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
