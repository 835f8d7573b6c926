"""What comes back after a SIGKILL of the engine's core, and of its actor, and how soon."""

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from benchmarks.one_card.card import Card, card, cores
from benchmarks.one_card.engines import Serving, serving
from benchmarks.one_card.problems import some_problems
from benchmarks.one_card.rows import Rows
from benchmarks.one_card.setting import Setting
from tts_ray.errors import EngineError
from tts_ray.types import Path as Solution

LOOK_S = 0.02
PATIENCE_S = 300
BACK = 0.9
"""The share of an engine's memory that has to come back."""


async def measure(setting: Setting, folder: Path, rows: Rows, *, ray: bool) -> None:
    """Kill a policy's core, and with Ray its actor, under calls."""
    name, _, share, _ = setting.pairs[-2 % len(setting.pairs)]
    device = card(setting.device)
    before = device.used_gib()
    async with serving({"policy": setting.spec(name, folder, share)}, ray=ray) as served:
        for victim in ("core", "actor") if ray else ("core",):
            taken = device.used_gib() - before
            await lose(setting, served, device, victim, taken, rows, name)


async def lose(
    setting: Setting,
    served: Serving,
    device: Card,
    victim: str,
    taken: float,
    rows: Rows,
    name: str,
) -> None:
    """Kill one process while the policy has calls, and time what follows."""
    (slot,) = served.policies.slots
    served_again = asyncio.Event()
    calls = asyncio.create_task(keep_calling(setting, served, served_again))
    try:
        await until(lambda: slot.load, "the policy has no work")
        (core,) = cores()
        actor = next((p for p in core.parents() if p.name().startswith("ray::")), core)
        full = device.used_gib()
        (core if victim == "core" else actor).send_signal(signal.SIGKILL)
        killed = time.monotonic()
        await until(lambda: full - device.used_gib() > BACK * taken, "its memory did not come back")
        rows.add(f"{name}, {victim} killed", "memory back after, s", time.monotonic() - killed)
        await until(lambda: slot.alive and renewed(core), "it did not load again")
        rows.add(f"{name}, {victim} killed", "loaded again after, s", time.monotonic() - killed)
        served_again.clear()
        async with asyncio.timeout(PATIENCE_S):
            await served_again.wait()
        rows.add(f"{name}, {victim} killed", "serves again after, s", time.monotonic() - killed)
    finally:
        calls.cancel()
        await asyncio.wait([calls])


async def keep_calling(setting: Setting, served: Serving, answered: asyncio.Event) -> None:
    """Ask the policy for solutions again and again, and say when one came."""
    problem = some_problems(setting, 1, 0)[0]
    lease = served.engines.policies.lease()
    while True:
        try:
            await lease.propose(
                problem, [Solution()] * 8, list(range(8)), setting.sampling, whole=True
            )
        except EngineError:
            continue
        answered.set()


def renewed(core: psutil.Process) -> bool:
    """Whether there is an engine core that is not this one."""
    return any(other.pid != core.pid for other in cores())


async def until(condition: Callable[[], object], otherwise: str) -> None:
    """Wait for a condition, but not for ever. Raises TimeoutError, which says what did not come."""
    ends = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError(f"{otherwise} within {PATIENCE_S} s")
        await asyncio.sleep(LOOK_S)
