"""What the whole stack costs: its tokens per second over plain offline vLLM, in one run.

    python benchmarks/throughput.py [--policy pocket-s] [--problems 40] [--n 16] [--rounds 3]

Both sides sample prompts of the same kind with the same limits on one engine. Every round of the
stack lies between two of plain generation and is divided by their mean; the median is printed.
Also measured: PRM tokens computed over the distinct tokens of the search trees.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

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
SEARCHES = ("majority", "best_of_n", "beam_search", "dvts")


def offline(policy: str, problems: int, n: int) -> None:
    """Child process: plain LLM.generate, one round for every line of input; prints its rate."""
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
    for turn, _ in enumerate(sys.stdin):
        params = [
            SamplingParams(temperature=0.7, seed=turn * len(prompts) + i, max_tokens=512)
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

    def round(self) -> float:
        """The tokens per second of one round."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("go\n")
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
    policy: str, problems: int, n: int, rounds: int, searches: Sequence[str], plain: Plain
) -> dict[str, dict[str, float]]:
    """The same through actors, trees, admission and routing; the first round warms up."""
    folder = str(pocket.weights("pocket-prm"))
    prm_format = QwenMathPrm(AutoTokenizer.from_pretrained(folder))
    fleets = {
        "policy": Fleet(PolicySpec(model=str(pocket.weights(policy)), prompt="qwen", **SHARED)),
        "prm": Fleet(RewardSpec(model=folder, format="qwen2.5-math-prm", **SHARED)),
    }
    found: dict[str, dict[str, list[float]]] = {
        name: {"tokens_per_s": [], "of_plain": [], "prm_ratio": []} for name in searches
    }
    async with Session() as session:
        await session.use(fleets)
        for turn in range(rounds + 1):
            before = await asyncio.to_thread(plain.round)
            for at, name in enumerate(searches):
                chosen = fresh_problems(problems, 1 + at + turn * len(searches))
                records: list[Record] = []

                async def keep(_: Trial, record: Record, records: list[Record] = records) -> None:
                    records.append(record)

                search = make_search(name, {"n": n})
                work = [Trial(problem, search, SAMPLING, turn) for problem in chosen]
                room = Admission(session.capacity.sequences, session.capacity.kv_tokens)
                seen: list[tuple[Problem, Path]] = []
                assert session.rewards is not None
                engines = Engines(session.policies, WatchedPool(session.rewards, seen))
                started = time.perf_counter()
                await evaluate(work, engines, room, keep)
                seconds = time.perf_counter() - started
                usage = sum((record.policy_usage for record in records), Usage())
                judged = sum((record.reward_usage for record in records), Usage())
                after = await asyncio.to_thread(plain.round)
                base, before = (before + after) / 2, after
                if not turn:
                    continue
                rate = usage.generated_tokens / seconds
                found[name]["tokens_per_s"].append(rate)
                found[name]["of_plain"].append(rate / base)
                if seen:
                    tree = PrefixTree(prm_format)
                    for problem, path in seen:
                        tree.add(problem, path)
                    found[name]["prm_ratio"].append(judged.computed_tokens / tree.tokens)
    return {
        name: {key: statistics.median(values) for key, values in sides.items() if values}
        for name, sides in found.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policy", default="pocket-s")
    parser.add_argument("--problems", type=int, default=40)
    parser.add_argument("--n", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--searches", nargs="+", choices=SEARCHES, default=SEARCHES)
    parser.add_argument("--offline", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    settings = (arguments.policy, arguments.problems, arguments.n)
    if arguments.offline:
        offline(*settings)
        return 0
    plain = Plain(sys.argv[1:])
    try:
        connect(None)
        found = asyncio.run(stack(*settings, arguments.rounds, arguments.searches, plain))
    finally:
        plain.close()
    for name, sides in found.items():
        line = f"{name}: {sides['tokens_per_s']:.0f} tokens/s, {sides['of_plain']:.2f} of plain"
        if "prm_ratio" in sides:
            line += f", PRM computed / distinct tokens {sides['prm_ratio']:.2f}"
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
