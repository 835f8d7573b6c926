import asyncio

import pytest

from tests.patience import PATIENCE_S
from tts_ray.engines.scripted import Faults, ScriptedPolicy
from tts_ray.errors import EngineDied, EngineError, EnginesLost
from tts_ray.replicas import PolicyPool
from tts_ray.types import Path, Problem, Sampling

PROBLEM = Problem.of("1+1?", "2")


class Mortal(ScriptedPolicy):
    """Dies at its first call; comes back when `back` is set, or never if there is none."""

    def __init__(self, back=None):
        super().__init__()
        self.back = back
        self.dead = False

    async def ready(self):
        if self.back is None:
            raise EngineDied("for good")
        await self.back.wait()

    async def propose(self, *args, **kwargs):
        if not self.dead:
            self.dead = True
            raise EngineDied("killed")
        return await super().propose(*args, **kwargs)


async def ask(lease, paths=1):
    return await lease.propose(PROBLEM, [Path()] * paths, list(range(paths)), Sampling())


def test_a_lease_sticks_to_its_replica():
    async def go():
        engines = [ScriptedPolicy(), ScriptedPolicy()]
        lease = PolicyPool(engines).lease()
        for _ in range(5):
            await ask(lease)
        return sorted(len(engine.calls) for engine in engines)

    assert asyncio.run(go()) == [0, 5]


def test_leases_taken_at_once_spread_over_the_replicas():
    async def go():
        engines = [ScriptedPolicy(faults=Faults(seconds=0.01)) for _ in range(3)]
        pool = PolicyPool(engines)
        await asyncio.gather(*(ask(pool.lease()) for _ in range(9)))
        return [len(engine.calls) for engine in engines]

    assert asyncio.run(go()) == [3, 3, 3]


def test_a_lease_leaves_a_replica_that_is_overloaded():
    async def go():
        engines = [ScriptedPolicy(), ScriptedPolicy()]
        pool = PolicyPool(engines, slack=4)
        lease = pool.lease()
        await ask(lease)
        pool.slots[0].load = 5
        await ask(lease)
        return [len(engine.calls) for engine in engines]

    assert asyncio.run(go()) == [1, 1]


def test_calls_go_to_the_least_loaded_replica_after_deaths_returns_and_arrivals():
    async def go():
        back = asyncio.Event()
        engines = [Mortal(back), ScriptedPolicy(), ScriptedPolicy()]
        pool = PolicyPool(engines)
        await ask(pool.lease(), paths=3)
        assert [slot.given for slot in pool.slots] == [3, 3, 0]
        await ask(pool.lease(), paths=2)
        await ask(pool.lease(), paths=2)
        assert [slot.given for slot in pool.slots] == [3, 3, 4]
        back.set()
        while not pool.slots[0].alive:
            await asyncio.sleep(0)
        await pool.join(ScriptedPolicy())
        for _ in range(4):
            await ask(pool.lease())
        return [slot.given for slot in pool.slots]

    assert asyncio.run(go()) == [4, 3, 4, 3]


def test_a_failed_call_is_tried_on_another_replica_first():
    async def go():
        engines = [ScriptedPolicy(faults=Faults(poison="1+1")), ScriptedPolicy()]
        lease = PolicyPool(engines).lease()
        await ask(lease)
        return [len(engine.calls) for engine in engines], lease.repeats

    assert asyncio.run(go()) == ([1, 1], 1)


def test_a_call_is_tried_a_bounded_number_of_times():
    policy = ScriptedPolicy(faults=Faults(poison="1+1"))
    with pytest.raises(EngineError):
        asyncio.run(ask(PolicyPool([policy], attempts=3).lease()))
    assert len(policy.calls) == 3


def test_a_call_waits_for_a_dead_replica_to_come_back():
    async def go():
        back = asyncio.Event()
        lease = PolicyPool([Mortal(back)]).lease()
        call = asyncio.create_task(ask(lease))
        while lease.repeats == 0:
            await asyncio.sleep(0)
        assert not call.done()
        back.set()
        proposals, _ = await asyncio.wait_for(call, 10)
        return len(proposals), lease.repeats

    assert asyncio.run(go()) == (1, 1)


def test_a_dead_replica_takes_no_calls_while_another_lives():
    async def go():
        dead, alive = Mortal(), ScriptedPolicy()
        pool = PolicyPool([dead, alive])
        await ask(pool.lease())
        for _ in range(4):
            await ask(pool.lease())
        return len(dead.calls), len(alive.calls)

    assert asyncio.run(go()) == (0, 5)


def test_when_all_replicas_stay_dead_the_call_ends_with_the_deadline():
    with pytest.raises(EnginesLost, match=r"none came back within 0\.05 s"):
        asyncio.run(ask(PolicyPool([Mortal()], revival_s=0.05).lease()))


def test_fewer_living_replicas_than_the_least_are_too_few():
    pool = PolicyPool([Mortal(), ScriptedPolicy()], least=2, revival_s=0.05)
    with pytest.raises(EnginesLost, match=r"1 of 2 replicas are alive, fewer than 2"):
        asyncio.run(ask(pool.lease()))


def test_a_replica_that_joins_is_put_to_work():
    async def go():
        first, second = ScriptedPolicy(), ScriptedPolicy()
        pool = PolicyPool([first])
        await ask(pool.lease())
        await pool.join(second)
        await ask(pool.lease())
        assert (len(first.calls), len(second.calls)) == (1, 1)

    asyncio.run(go())


def test_the_idle_share_is_what_no_call_used():
    class Waiting(ScriptedPolicy):
        def __init__(self):
            super().__init__()
            self.gate = asyncio.Event()

        async def propose(self, *args, **kwargs):
            await self.gate.wait()
            return await super().propose(*args, **kwargs)

    async def go():
        engines = [Waiting(), Waiting()]
        pool = PolicyPool(engines)
        assert pool.idle_share == 1
        call = asyncio.create_task(ask(pool.lease()))
        while not any(slot.load for slot in pool.slots):
            await asyncio.sleep(0)
        began = pool.idle_share
        while pool.idle_share > 0.6:
            await asyncio.sleep(0)
        for engine in engines:
            engine.gate.set()
        await call
        stopped = pool.idle_share
        while pool.idle_share == stopped:
            await asyncio.sleep(0)
        assert 0.5 <= stopped < began
        assert pool.idle_share > stopped

    asyncio.run(asyncio.wait_for(go(), PATIENCE_S))
