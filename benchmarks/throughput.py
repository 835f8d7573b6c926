"""What the whole stack costs: its tokens per second over plain offline vLLM, as ratios in one run.

    python benchmarks/throughput.py [--policy pocket-l] [--problems 40] [--n 16] [--rounds 2]
        [--temperatures 0.7 1.8] [--searches best_of_n beam_search dvts] [--json FILE]

Both sides sample prompts of the same kind with the same temperature and limits on one engine.
Every search of a round lies between two of plain generation and is divided by their mean; every
second round has the searches in reverse order. Also measured: PRM tokens computed over the distinct
tokens of the search trees, and the share of a problem's candidates whose texts are distinct, for
what is written again costs a cache nothing. Prints a Markdown table, with the machine's load: a
ratio beside a load above that of this run alone means little.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path as File

from distinct_tokens import PrefixTree, WatchedPool
from transformers import AutoTokenizer

from tts_ray import pocket
from tts_ray.admission import Admission
from tts_ray.data.problems import load_problems
from tts_ray.engines.reward_formats import QwenMathPrm
from tts_ray.engines.spec import PolicySpec, RewardSpec, environment
from tts_ray.evaluate import Engines, Trial, evaluate
from tts_ray.runtime.session import Fleet, Session, connect
from tts_ray.search.registry import make_search
from tts_ray.types import Path, Problem, Record, Sampling, Usage

SHARED = {"device": "cpu", "max_model_len": 1024, "max_num_seqs": 128, "kv_cache_gib": 0.5}
SAMPLING = Sampling(max_step_tokens=64, max_tokens=512)
MARK = "tokens/s: "
SEARCHES = ("best_of_n", "beam_search", "dvts")
GOALS = {"best_of_n": 0.95, "beam_search": 0.8, "dvts": 0.75}
"""Of the rate of plain generation, for pocket-l with N = 16."""
PRM_GOAL = 1.2
"""PRM tokens computed over distinct ones, at most, likewise."""
PRESSURE = File("/proc/pressure/cpu")
"""Where Linux says which share of the last 10 s some process waited for a core."""


@dataclass(frozen=True)
class Measured:
    """One search of one round. `load` is the machine's over the last minute, `pressure` in % of the
    last 10 s; None where it is not known. `prm_ratio` is None if nothing was scored."""

    temperature: float
    search: str
    of_plain: float
    prm_ratio: float | None
    distinct: float
    load: float
    pressure: float | None


def offline(policy: str, problems: int, n: int) -> None:
    """Child process: plain LLM.generate, one round for every line of input, which is the
    temperature; prints its rate."""
    from vllm import LLM, SamplingParams

    from tts_ray.engines.prompts import prompt_family
    from tts_ray.engines.vllm_compat import cpu_block

    folder = str(pocket.weights(policy))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    llm = LLM(
        folder,
        dtype="float32",
        max_model_len=SHARED["max_model_len"],
        max_num_seqs=SHARED["max_num_seqs"],
        kv_cache_memory_bytes=int(SHARED["kv_cache_gib"] * 2**30),
        max_num_batched_tokens=2048,
        enable_chunked_prefill=False,
        enforce_eager=True,
        block_size=cpu_block("float32"),
    )
    family = prompt_family("qwen")
    prompts = [
        {"prompt_token_ids": family.render(tokenizer, problem.question)}
        for problem in fresh_problems(problems, 0)
        for _ in range(n)
    ]
    for turn, line in enumerate(sys.stdin):
        params = [
            SamplingParams(
                temperature=float(line),
                top_p=SAMPLING.top_p,
                top_k=SAMPLING.top_k,
                seed=turn * len(prompts) + i,
                max_tokens=SAMPLING.max_tokens,
            )
            for i in range(len(prompts))
        ]
        started = time.perf_counter()
        outputs = llm.generate(prompts, params, use_tqdm=False)
        tokens = sum(len(output.outputs[0].token_ids) for output in outputs)
        print(f"{MARK}{tokens / (time.perf_counter() - started)}", flush=True)


class Plain:
    """Plain LLM.generate in a process of its own, which rests between its rounds."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--offline", *arguments],
            env=os.environ | environment("cpu") | {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def round(self, temperature: float) -> float:
        """The tokens per second of one round."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{temperature}\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith(MARK):
                return float(line.removeprefix(MARK))
        raise RuntimeError(f"the plain engine ended with exit code {self.process.wait()}")

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def fresh_problems(count: int, part: int) -> list[Problem]:
    """Problems of all levels; another part shares none, so no prefix cache is warm for it."""
    parts = load_problems("pocket", split="test_large", level="level").problems
    stride = len(parts) // count
    return parts[part % stride :: stride][:count]


async def stack(
    policy: str,
    problems: int,
    n: int,
    rounds: int,
    searches: Sequence[str],
    temperatures: Sequence[float],
    plain: Plain,
) -> list[Measured]:
    """The same through actors, trees, admission and routing; the first round only warms up."""
    folder = str(pocket.weights("pocket-prm"))
    prm_format = QwenMathPrm(AutoTokenizer.from_pretrained(folder))
    fleets = {
        "policy": Fleet(PolicySpec(model=str(pocket.weights(policy)), prompt="qwen", **SHARED)),
        "prm": Fleet(RewardSpec(model=folder, format="qwen2.5-math-prm", **SHARED)),
    }
    found: list[Measured] = []
    part = 0
    async with Session() as session:
        await session.use(fleets)
        for turn in range(rounds + 1):
            for temperature in temperatures if turn else temperatures[:1]:
                before = await asyncio.to_thread(plain.round, temperature)
                for name in searches[:: 1 if turn % 2 else -1]:
                    part += 1
                    search = make_search(name, {"n": n})
                    sampling = replace(SAMPLING, temperature=temperature)
                    work = [
                        Trial(problem, search, sampling, turn)
                        for problem in fresh_problems(problems, part)
                    ]
                    records, seen, seconds = await timed(session, work)
                    now = load()
                    after = await asyncio.to_thread(plain.round, temperature)
                    base, before = (before + after) / 2, after
                    usage = sum((record.policy_usage for record in records), Usage())
                    judged = sum((record.reward_usage for record in records), Usage())
                    tree = PrefixTree(prm_format)
                    for problem, path in seen:
                        tree.add(problem, path)
                    measured = Measured(
                        temperature,
                        name,
                        usage.generated_tokens / seconds / base,
                        judged.computed_tokens / tree.tokens if seen else None,
                        statistics.mean(map(distinct, records)),
                        *now,
                    )
                    if turn:
                        found.append(measured)
    return found


async def timed(
    session: Session, work: Sequence[Trial]
) -> tuple[list[Record], list[tuple[Problem, Path]], float]:
    """The records of the trials, everything that was scored for them, and the seconds it took."""
    records: list[Record] = []
    seen: list[tuple[Problem, Path]] = []

    async def keep(_: Trial, record: Record) -> None:
        records.append(record)

    room = Admission(session.capacity.sequences, session.capacity.kv_tokens)
    assert session.engines.rewards is not None
    engines = Engines(session.engines.policies, WatchedPool(session.engines.rewards, seen))
    started = time.perf_counter()
    await evaluate(work, engines, room, keep)
    return records, seen, time.perf_counter() - started


def distinct(record: Record) -> float:
    """The share of a record's candidates that no earlier one equals."""
    texts = [record.path(candidate.leaf).text for candidate in record.candidates]
    return len(set(texts)) / max(len(texts), 1)


def load() -> tuple[float, float | None]:
    """The machine's load over a minute, and its CPU pressure in % of 10 s where that is known."""
    pressure = None
    if PRESSURE.exists():
        pressure = float(PRESSURE.read_text().partition("avg10=")[2].split()[0])
    return os.getloadavg()[0], pressure


def table(found: Sequence[Measured], *, has_goals: bool) -> str:
    """The rounds of each temperature and search in a row of a Markdown table."""
    rows = [
        "| T | search | of plain | goal | PRM computed / distinct | goal | distinct candidates | "
        "load | CPU pressure |",
        "|---" * 9 + "|",
    ]
    for temperature, name in dict.fromkeys((each.temperature, each.search) for each in found):
        mine = [m for m in found if (m.temperature, m.search) == (temperature, name)]
        rates = [each.of_plain for each in mine]
        ratios = [each.prm_ratio for each in mine if each.prm_ratio is not None]
        waits = [each.pressure for each in mine if each.pressure is not None]
        is_goal = has_goals and name in GOALS
        cells = [
            f"{temperature:g}",
            name,
            f"**{statistics.median(rates):.2f}** ({joined(rates, '.2f')})",
            f">= {GOALS[name]:g}" if is_goal else "-",
            f"{statistics.median(ratios):.2f}" if ratios else "-",
            f"<= {PRM_GOAL:g}" if is_goal and ratios else "-",
            f"{statistics.mean(each.distinct for each in mine):.0%}",
            joined([each.load for each in mine], ".1f"),
            f"{joined(waits, '.0f')} %" if waits else "-",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def joined(numbers: Sequence[float], form: str) -> str:
    """The numbers of the rounds, in their order."""
    return " / ".join(format(number, form) for number in numbers)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--policy", default="pocket-l")
    parser.add_argument("--problems", type=int, default=40)
    parser.add_argument("--n", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--temperatures", type=float, nargs="+", default=[0.7, 1.8])
    parser.add_argument(
        "--searches", nargs="+", choices=("majority", *SEARCHES), default=[*SEARCHES]
    )
    parser.add_argument("--json", type=File, help="a file for the figures of every round")
    parser.add_argument("--offline", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    settings = (arguments.policy, arguments.problems, arguments.n)
    if arguments.offline:
        offline(*settings)
        return 0
    idle, pressure = load()
    waits = "" if pressure is None else f" and CPU pressure {pressure:.0f} %"
    print(f"before this run: load {idle:.1f}{waits} on {os.cpu_count()} cores", flush=True)
    plain = Plain(sys.argv[1:])
    try:
        connect(None)
        found = asyncio.run(
            stack(*settings, arguments.rounds, arguments.searches, arguments.temperatures, plain)
        )
    finally:
        plain.close()
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(each) for each in found], indent=1))
    print(table(found, has_goals=(arguments.policy, arguments.n) == ("pocket-l", 16)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
