import asyncio

import pytest

from tts_ray.concurrency import Shared


class Work:
    """Work that is begun on demand, and ends when it is told to."""

    def __init__(self):
        self.begun = 0
        self.cancelled = 0
        self.shared = Shared()
        self.end = asyncio.get_running_loop().create_future()

    async def begin(self):
        self.begun += 1
        try:
            return await asyncio.shield(self.end)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def ask(self, count, key="key"):
        """So many who wait for it."""
        found = [asyncio.create_task(self.shared.run(key, self.begin)) for _ in range(count)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return found


def test_what_several_ask_for_at_once_runs_once_and_one_of_them_began_it():
    async def go():
        work = Work()
        asked = await work.ask(3)
        work.end.set_result("done")
        assert await asyncio.gather(*asked) == [("done", True), ("done", False), ("done", False)]
        assert work.begun == 1

    asyncio.run(go())


def test_what_is_asked_for_after_its_end_or_by_another_name_runs_of_its_own():
    async def go():
        work = Work()
        (first,), (other,) = await work.ask(1), await work.ask(1, "other")
        assert work.begun == 2
        work.end.set_result("done")
        assert await first == await other == ("done", True)
        (again,) = await work.ask(1)
        assert await again == ("done", True)
        assert work.begun == 3

    asyncio.run(go())


def test_it_fails_for_all_who_wait_for_it_and_runs_anew_for_the_next():
    async def go():
        work = Work()
        asked = await work.ask(2)
        work.end.set_exception(ValueError("failed"))
        for each in asked:
            with pytest.raises(ValueError, match="failed"):
                await each
        work.end = asyncio.get_running_loop().create_future()
        (again,) = await work.ask(1)
        work.end.set_result("done")
        assert await again == ("done", True)

    asyncio.run(go())


def test_it_goes_on_while_somebody_waits_for_it_also_if_who_began_it_does_not():
    async def go():
        work = Work()
        first, second = await work.ask(2)
        first.cancel()
        await asyncio.sleep(0)
        work.end.set_result("done")
        assert await second == ("done", False)
        assert (first.cancelled(), work.cancelled) == (True, 0)

    asyncio.run(go())


def test_it_is_cancelled_once_nobody_waits_for_it_and_runs_anew_for_the_next():
    async def go():
        work = Work()
        asked = await work.ask(2)
        for each in asked:
            each.cancel()
        await asyncio.wait(asked)
        (again,) = await work.ask(1)
        assert (work.begun, work.cancelled) == (2, 1)
        work.end.set_result("done")
        assert await again == ("done", True)

    asyncio.run(go())
