"""PRM scores: step by step against whole, alone and among others, from a cold and a warm cache, and
all of them against transformers in the same precision and in float32."""

import gc
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.one_card.engines import Local
from benchmarks.one_card.rows import Rows
from benchmarks.one_card.setting import Setting
from tests.e2e.references import REFERENCES, body_and_head
from tts_ray.concurrency import together
from tts_ray.data.problems import load_problems
from tts_ray.pocket import task
from tts_ray.types import Finish, Problem, Step
from tts_ray.types import Path as Solution

SHARE = 0.5
COMPARED = 8
WHOLE = "whole, alone, cold cache"
Solved = tuple[Problem, list[str]]
Scores = list[list[float]]


async def measure(setting: Setting, folder: Path, rows: Rows) -> None:
    """Score the same solutions in every way."""
    solved = solutions(setting.at_once)
    for name in setting.prms:
        form = setting.described(name)["format"]
        exact = references(setting, folder / name, form, solved[:COMPARED], "float32")
        wanted = {"transformers float32": exact}
        if setting.dtype != "float32":
            same = references(setting, folder / name, form, solved[:COMPARED], setting.dtype)
            wanted[f"transformers {setting.dtype}"] = same
            figure = f"transformers {setting.dtype}: largest difference"
            rows.add(name, figure, error(same, exact), "transformers float32")
        engine = Local(setting.spec(name, folder, SHARE))
        try:
            found = await ways(engine, solved)
        finally:
            engine.close()
        wanted[WHOLE] = found[WHOLE]
        for way, scores in found.items():
            for beside, others in wanted.items():
                if way != beside:
                    rows.add(name, f"{way}: largest difference", error(scores, others), beside)
        flat = [score for scores in exact for score in scores]
        rows.add(name, "spread of the scores", max(flat) - min(flat))


def solutions(count: int) -> list[Solved]:
    """Pocket problems and the steps of their solutions."""
    problems = load_problems("pocket", split="dev", level="level").problems
    items = list(zip(problems, task.split("dev"), strict=True))[-count:]
    return [(problem, item.solution.split("\n\n")) for problem, item in items]


def path_of(steps: Sequence[str], scores: Sequence[float] = ()) -> Solution:
    """A path of these steps, of which the first ones are scored."""
    made = tuple(Step(f"{step}\n\n", (1,), Finish.STEP, 0.0) for step in steps)
    return Solution(made, tuple(scores))


def references(
    setting: Setting, folder: Path, form: str, solved: Sequence[Solved], dtype: str
) -> Scores:
    """The scores by a plain forward pass."""
    with torch.no_grad(), torch.device(setting.device):
        found = [
            REFERENCES[form](folder, getattr(torch, dtype), problem.question, steps)
            for problem, steps in solved
        ]
    body_and_head.cache_clear()
    gc.collect()
    if setting.device == "cuda":
        torch.cuda.empty_cache()
    return found


async def ways(engine: Local, solved: Sequence[Solved]) -> dict[str, Scores]:
    """The scores of the first solutions, by the way that they were come by."""
    compared = solved[:COMPARED]

    async def one(problem: Problem, steps: Sequence[str]) -> list[float]:
        ((scores,), _) = await engine.score(problem, [path_of(steps)])
        return list(scores)

    async def stepwise(problem: Problem, steps: Sequence[str]) -> list[float]:
        scores: tuple[float, ...] = ()
        for k in range(1, len(steps) + 1):
            ((new,), _) = await engine.score(problem, [path_of(steps[:k], scores)])
            scores += new
        return list(scores)

    found = {}
    for way in ("whole, alone", "step by step, alone"):
        score = one if way.startswith("whole") else stepwise
        for state in ("cold", "warm"):
            if state == "cold":
                await forget(engine)
            found[f"{way}, {state} cache"] = [await score(*pair) for pair in compared]
    for way in ("whole", "step by step"):
        score = one if way.startswith("whole") else stepwise
        for state in ("cold", "warm"):
            if state == "cold":
                await forget(engine)
            scores = await together(score(*pair) for pair in solved)
            found[f"{way}, {len(solved)} at once, {state} cache"] = scores[:COMPARED]
    return found


async def forget(engine: Local) -> None:
    """Empty the engine's prefix cache."""
    await engine.engine.vllm.client.engine.reset_prefix_cache()


def error(found: Scores, wanted: Scores) -> float:
    """The largest difference of two scores of one step."""
    return max(
        abs(mine - other)
        for left, right in zip(found, wanted, strict=True)
        for mine, other in zip(left, right, strict=True)
    )
