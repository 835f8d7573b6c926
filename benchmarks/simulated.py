"""Scheduling on many replicas, in virtual time.

    python benchmarks/simulated.py [--search beam_search] [--n 64] [--replicas 64 256 512]
                                   [--problems 2000] [--help]

Real: evaluate, admission, leases and routing, trees, searches, ledgers, records; their CPU time.
Simulated: the clock and the engines. A policy replica batches continuously: a decode step of b
running sequences takes `decode_ms + b * sequence_us`, at most `sequences` run and the others wait,
and what its prefix cache does not hold of a path is prefilled first. A PRM replica reads the steps
of one call after the other at a fixed rate, and so much of their paths as it has not read. Steps
have lognormal lengths; paths have 3 to 13 of them, as likely each; problems differ in length by a
factor. Everything follows from the seeds of the tree, so the trees are the same on any number of
replicas, and their digest is printed.
Left out: Ray, pickling, grading, storage, failures. The figures depend on the assumed speeds; read
them beside each other.

    even load     the work over the replicas: every token once, at the full batch's rate, or every
                  step read once by the PRM, whichever takes longer
    longest tree  the decode steps that the longest tree takes one after the other, running alone;
                  no schedule ends earlier
    idle, batch   share of the policy replicas' time without work, and mean sequences that run
                  while there is some: until the last problem is let in, and over all
"""

import argparse
import asyncio
import gc
import math
import sys
import time
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from simulated_engines import Lengths, SimulatedPolicy, SimulatedReward, Speeds
from virtual_time import VirtualLoop, World

from tts_ray.admission import Admission
from tts_ray.evaluate import Engines, Trial, evaluate
from tts_ray.replicas import PolicyPool, RewardPool
from tts_ray.search.registry import make_search
from tts_ray.types import Problem, Record, Sampling


def longest_way(record: Record) -> int:
    """Decode steps that a tree takes one after the other: a group of paths that are ranked together
    waits at each depth for its longest step."""
    unit = record.search.unit
    ways: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    places: list[tuple[int, int]] = []
    for node in record.nodes:
        if node.parent is None:
            group, depth = ((node.child or 0) // unit if unit else 0), 1
        else:
            group, depth = places[node.parent][0], places[node.parent][1] + 1
        places.append((group, depth))
        ways[group][depth] = max(ways[group][depth], len(node.step.token_ids))
    return max(sum(way.values()) for way in ways.values())


@dataclass
class Story:
    """What came of a run, as it goes."""

    world: World
    policies: list[SimulatedPolicy]
    last_in_s: float = 0.0
    idle_until_last: float = 0.0
    batch_until_last: float = 0.0
    ends: list[float] = field(default_factory=list)
    steps: int = 0
    tokens: int = 0
    longest: int = 0
    digest: int = 0
    inside: int = 0
    most_inside: int = 0

    def work(self, trials: Sequence[Trial]) -> Iterator[Trial]:
        for trial in trials:
            yield trial
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
        with self.world.apart():
            self.last_in_s = self.world.now
            self.idle_until_last, self.batch_until_last = self.use()

    async def keep(self, _: Trial, record: Record) -> None:
        with self.world.apart():
            assert record.error is None, record.error
            self.inside -= 1
            lengths = [len(node.step.token_ids) for node in record.nodes]
            self.ends.append(self.world.now)
            self.steps += len(lengths)
            self.tokens += sum(lengths)
            self.longest = max(self.longest, longest_way(record))
            told = (record.problem.id, lengths, [node.score for node in record.nodes])
            self.digest ^= zlib.crc32(repr(told).encode())

    def use(self) -> tuple[float, float]:
        """The share of the policy replicas' time without work, and their mean batch, so far."""
        for policy in self.policies:
            policy.run_until(self.world.now)
        worked = max(sum(policy.busy_s for policy in self.policies), 1e-9)
        idle = 1 - worked / max(self.world.now * len(self.policies), worked)
        return idle, sum(policy.sequence_s for policy in self.policies) / worked


def simulate(
    replicas: int, prms: int, problems: int, search: str, n: int, speeds: Speeds, lengths: Lengths
) -> str:
    """One run; a row of the table."""
    world = World()
    policies = [SimulatedPolicy(world, speeds, lengths) for _ in range(replicas)]
    rewards = [SimulatedReward(world, speeds, lengths) for _ in range(prms)]
    story = Story(world, policies)
    asked = [Problem.of(f"question {at}", "0") for at in range(problems)]
    trials = [Trial(p, make_search(search, {"n": n}), Sampling(), 0) for p in asked]

    async def run() -> None:
        engines = Engines(PolicyPool(policies), RewardPool(rewards))
        admission = Admission(replicas * speeds.sequences, replicas * speeds.kv_tokens)
        await evaluate(story.work(trials), engines, admission, story.keep)

    gc.collect()
    began, cpu = time.perf_counter(), time.process_time()
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(world)) as runner:
        runner.run(run())
    cpu = time.process_time() - cpu
    # Asking for CPU time at each event would cost more than the events.
    spent = cpu * (1 - world.real_s / (time.perf_counter() - began))
    makespan = world.now
    decode = story.tokens * speeds.step_s(speeds.sequences) / speeds.sequences
    even = max(decode / replicas, story.tokens / speeds.prm_rate / prms if prms else 0.0)
    alone = story.longest * speeds.step_s(1)
    idle, batch = story.use()
    judged = sum(reward.busy_s for reward in rewards)
    calls = sum(engine.calls for engine in (*policies, *rewards))
    ends = sorted(story.ends)
    cells = [
        f"{search} {n}",
        f"{replicas}+{prms}",
        f"{makespan:.0f}",
        f"{even:.0f}",
        f"{alone:.0f}",
        f"{makespan / even:.2f}",
        f"{makespan / max(even, alone):.2f}",
        f"{story.last_in_s / makespan:.0%}",
        f"{story.idle_until_last:.0%}" if story.last_in_s else "",
        f"{idle:.0%}",
        f"{story.batch_until_last:.0f}",
        f"{batch:.0f}",
        f"{1 - judged / max(prms, 1) / makespan:.0%}",
        f"{ends[math.ceil(0.9 * len(ends)) - 1] / makespan:.0%}",
        f"{story.most_inside}",
        f"{calls / makespan:.0f}",
        f"{sum(policy.prefilled for policy in policies) / story.tokens:.2f}",
        f"{sum(reward.tokens for reward in rewards) / story.tokens:.2f}",
        f"{spent / story.steps * 1e6:.0f}",
        f"{spent:.0f} of {cpu:.0f}",
        f"{story.digest:08x}",
    ]
    return f"| {' | '.join(cells)} |"


HEADS = (
    *("search", "replicas", "makespan, s", "even load, s", "longest tree, s", "of even load"),
    *("of the longer of both", "last problem in at", "idle until then", "idle"),
    *("batch until then", "batch", "PRM idle", "90 % done at", "most trees at once", "calls/s"),
    *("prefilled/token", "PRM tokens/token", "driver us/step", "driver CPU s", "trees"),
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replicas", type=int, nargs="+", default=[64])
    parser.add_argument("--prms", type=float, default=1.0, help="PRM replicas a policy's (1)")
    parser.add_argument("--problems", type=int, default=2000)
    parser.add_argument("--search", nargs="+", default=["beam_search"])
    parser.add_argument("--n", type=int, default=64)
    parser.add_argument("--decode-ms", type=float, default=8.0)
    parser.add_argument("--sequence-us", type=float, default=40.0)
    parser.add_argument("--sequences", type=int, default=256, help="that a replica runs (256)")
    parser.add_argument("--kv-tokens", type=int, default=400_000, help="of a replica (400,000)")
    parser.add_argument("--prefill-rate", type=float, default=30_000, help="tokens/s (30,000)")
    parser.add_argument("--prm-rate", type=float, default=12_000, help="tokens/s (12,000)")
    parser.add_argument("--median", type=float, default=45, help="tokens of a step (45)")
    parser.add_argument("--sigma", type=float, default=0.9, help="of their logarithm (0.9)")
    parser.add_argument("--spread", type=float, default=0.3, help="sigma between problems (0.3)")
    parser.add_argument("--question", type=int, default=150, help="tokens of a question (150)")
    given = parser.parse_args()
    speeds = Speeds(
        given.decode_ms,
        given.sequence_us,
        given.sequences,
        given.kv_tokens,
        given.prefill_rate,
        given.prm_rate,
    )
    lengths = Lengths(given.median, given.sigma, given.spread, given.question)
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}")
    for search in given.search:
        for replicas in given.replicas:
            prms = max(1, round(replicas * given.prms))
            row = simulate(replicas, prms, given.problems, search, given.n, speeds, lengths)
            print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
