"""Searches on one card: tokens per second beside plain `LLM.generate` on the same prompts, how busy
the card is, what the PRM computes, and FLOP/s by the ledger beside those of a matrix product."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.distinct_tokens import PrefixTree, WatchedPool
from benchmarks.one_card.card import card, peak_flops, watching
from benchmarks.one_card.engines import Serving, serving
from benchmarks.one_card.problems import some_problems
from benchmarks.one_card.rows import Rows
from benchmarks.one_card.setting import Setting
from tts_ray.admission import Admission
from tts_ray.engines.reward_formats import paired
from tts_ray.evaluate import Engines, Trial, evaluate
from tts_ray.flops import NO_WORK, ModelSize, Sizes, Work, flops
from tts_ray.search.registry import make_search
from tts_ray.search.search import Search
from tts_ray.types import Path as Solution
from tts_ray.types import Problem, Record

MARK = "tokens/s: "
"""How a line of plain generation begins that says a rate."""
NAMES = ("best_of_n", "beam_search", "dvts")


async def measure(setting: Setting, folder: Path, rows: Rows, *, ray: bool) -> None:
    """Plain generation first, in a process of its own, then every search on loaded engines."""
    policy, prm, *shares = setting.pairs[0]
    kinds = [make_search("greedy", {})]
    kinds += [make_search(name, {"n": n}) for n in setting.budgets for name in NAMES]
    # No two searches share a problem, so no prefix cache is warm for one.
    problems = [some_problems(setting, search.n, at) for at, search in enumerate(kinds, 1)]
    rates = await asyncio.to_thread(plain_rates, setting, folder, kinds)
    peak = peak_flops(setting.device)
    rows.add("a large matrix product", f"FLOP/s, {setting.dtype}", peak)
    specs = {
        role: setting.spec(name, folder, share)
        for role, name, share in zip(("policy", "prm"), (policy, prm), shares, strict=True)
    }
    sizes = Sizes(size_of(setting, policy), size_of(setting, prm))
    form, _ = paired(setting.described(prm)["format"], str(folder / prm), None)
    where = "in Ray actors" if ray else "in one process"
    rows.add(f"{policy} and {prm}", "engines", where)
    async with serving(specs, ray=ray) as served:
        await run(setting, served, kinds[-1], some_problems(setting, kinds[-1].n, 0))
        for search, chosen, rate in zip(kinds, problems, rates, strict=True):
            of = f"{search.id}, {len(chosen)} problems"
            device = card(setting.device)
            with watching(device) as watched:
                records, seen = await run(setting, served, search, chosen)
            failed = [record.error for record in records if record.error]
            if failed:
                rows.add(of, "searches that failed", len(failed), str(failed[0]))
                continue
            work = sum((work_of(record) for record in records), NO_WORK)
            tokens = work.policy.generated_tokens
            rows.add(of, "tokens/s", tokens / watched.seconds, f"plain {rate:,.0f}")
            rows.add(of, "of plain", tokens / watched.seconds / rate)
            rows.add(of, "busy share", watched.busy, device.name)
            rows.add(of, "FLOP/s, executed", flops(work, sizes)["executed"] / watched.seconds)
            rows.add(
                of,
                "of the matrix product's FLOP/s",
                flops(work, sizes)["executed"] / watched.seconds / peak,
            )
            steps, ended = lengths(records)
            rows.add(of, "tokens a step, candidates that ended", f"{tokens / steps:.1f}, {ended}")
            if seen:
                tree = PrefixTree(form)
                for problem, path in seen:
                    tree.add(problem, path)
                rows.add(
                    of,
                    "PRM tokens computed / distinct",
                    work.reward.computed_tokens / tree.tokens,
                    "1.2",
                )


async def run(
    setting: Setting, served: Serving, search: Search, problems: Sequence[Problem]
) -> tuple[list[Record], list[tuple[Problem, Solution]]]:
    """The records of one search, and all that the PRM was asked."""
    records: list[Record] = []
    seen: list[tuple[Problem, Solution]] = []

    async def keep(_: Trial, record: Record) -> None:
        records.append(record)

    work = [Trial(problem, search, setting.sampling, 0) for problem in problems]
    room = Admission(served.capacity.sequences, served.capacity.kv_tokens)
    assert served.engines.rewards is not None
    engines = Engines(served.engines.policies, WatchedPool(served.engines.rewards, seen))
    await evaluate(work, engines, room, keep)
    return records, seen


def size_of(setting: Setting, name: str) -> ModelSize:
    """What FLOPs are counted with."""
    return ModelSize(float(setting.described(name)["parameters"]), setting.dimensions(name))


def work_of(record: Record) -> Work:
    """What one search did."""
    return Work.of(record.policy_usage, record.reward_usage, record.question_tokens)


def lengths(records: Sequence[Record]) -> tuple[int, int]:
    """Steps that were generated, and candidates that the policy ended itself."""
    steps = sum(len(record.nodes) for record in records)
    return max(steps, 1), sum(len(record.candidates) for record in records)


def plain_rates(setting: Setting, folder: Path, kinds: Sequence[Search]) -> list[float]:
    """Tokens per second of plain generation, for the prompts of each search."""
    words = ["--tiny"] if setting.device == "cpu" else []
    words += ["--folder", str(folder), "--counts", *(str(search.n) for search in kinds)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.one_card.plain", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"plain generation ended with {done.returncode}: {done.stderr[-2000:]}")
    return [
        float(line.removeprefix(MARK)) for line in done.stdout.splitlines() if line.startswith(MARK)
    ]
