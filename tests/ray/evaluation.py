"""A small evaluation on scripted engines in real actors, to do things to while it runs."""

import asyncio

from tests.patience import PATIENCE_S
from tts_ray.evaluate import Trial, evaluate
from tts_ray.runtime.place import Place
from tts_ray.runtime.session import Session
from tts_ray.search.registry import make_search
from tts_ray.types import Problem, Sampling

PROBLEMS = [Problem.of(f"What is {i}?", str(i)) for i in range(8)]
SEARCHES = [make_search("best_of_n", {"n": 8}), make_search("dvts", {"n": 8})]
TINY = {"place": Place(cpus=0.25)}


def run(policy, reward, act=None, **limits):
    """Evaluate everything in a session; `act(session)` runs beside it."""
    records = []

    async def keep(_, record):
        records.append(record)

    async def go():
        async with Session(**limits) as session:
            await session.use({"policy": policy, "prm": reward} if reward else {"policy": policy})
            work = [Trial(p, search, Sampling(), 0) for p in PROBLEMS for search in SEARCHES]
            beside = asyncio.create_task(act(session)) if act else None
            await evaluate(work, session.engines, session.admission, keep)
            if beside:
                await beside

    asyncio.run(asyncio.wait_for(go(), PATIENCE_S))
    found = {(record.problem.id, record.search): record for record in records}
    assert len(found) == len(records), "a trial was given twice"
    return found


def trees(records):
    return {key: (record.nodes, record.candidates) for key, record in records.items()}


async def until(condition, what, seconds=PATIENCE_S):
    """Wait for a condition, but not for ever."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {what}") from None
