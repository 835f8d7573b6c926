"""Calls of an engine that travel together: an outbox and an inbox, without an actor between."""

import asyncio

import pytest

from tts_ray.errors import EngineDied, EngineError
from tts_ray.runtime.exchange import End, Inbox, Outbox


class Line:
    """An outbox and the engine behind it, whose calls end when they are told to."""

    def __init__(self):
        self.ends = {}
        self.cancelled = []
        self.sent = []
        self.failure = asyncio.get_running_loop().create_future()
        self.outbox = Outbox(self.exchange, self.cancel)
        self.inbox = Inbox(self.run)

    async def exchange(self, calls):
        self.sent.append([call.args[0] for call in calls])
        answer, failure = asyncio.ensure_future(self.inbox.exchange(calls)), self.failure
        await asyncio.wait([answer, failure], return_when=asyncio.FIRST_COMPLETED)
        if failure.done():
            raise failure.result()
        return await answer

    def cancel(self, keys):
        self.inbox.cancel(keys)

    async def run(self, call):
        (name,) = call.args
        end = self.ends[name] = asyncio.get_running_loop().create_future()
        try:
            return End(call.key, await end)
        except EngineError as error:
            return End(call.key, failure=str(error))
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise

    def call(self, name):
        return asyncio.create_task(self.outbox.call("propose", name))

    def fail(self, error):
        """Every exchange that is under way fails."""
        self.failure.set_result(error)
        self.failure = asyncio.get_running_loop().create_future()


async def settle():
    """Let everything happen that can."""
    for _ in range(20):
        await asyncio.sleep(0)


def scenario(work):
    """Run `work(line)`."""

    async def go():
        return await work(Line())

    return asyncio.run(go())


def test_calls_of_one_turn_travel_together_and_later_ones_do_not_wait_for_them():
    async def work(line):
        first = [line.call(name) for name in "abc"]
        await settle()
        late = line.call("d")
        await settle()
        assert line.sent == [["a", "b", "c"], ["d"]]
        line.ends["d"].set_result(4)
        await settle()
        assert late.result() == 4
        assert not any(call.done() for call in first)

    scenario(work)


def test_a_call_does_not_wait_for_those_it_travelled_with():
    async def work(line):
        calls = {name: line.call(name) for name in "abc"}
        await settle()
        for number, name in enumerate("cab"):
            line.ends[name].set_result(number)
            await settle()
            assert calls.pop(name).result() == number
            assert not any(call.done() for call in calls.values())
        assert line.sent == [["a", "b", "c"], [], []]

    scenario(work)


def test_what_ends_in_one_turn_comes_back_together():
    async def work(line):
        calls = [line.call(name) for name in "abcd"]
        await settle()
        for end in line.ends.values():
            end.set_result(None)
        await asyncio.gather(*calls)
        assert line.sent == [["a", "b", "c", "d"]]

    scenario(work)


def test_calls_that_neither_begin_nor_end_together_take_one_exchange_each():
    async def work(line):
        calls = []
        for name in "abcd":
            calls.append(line.call(name))
            await settle()
        for name in "dbca":
            line.ends[name].set_result(name)
            await settle()
        assert [call.result() for call in calls] == ["a", "b", "c", "d"]
        assert line.sent == [["a"], ["b"], ["c"], ["d"]]

    scenario(work)


def test_no_exchange_is_left_waiting_once_all_calls_have_ended():
    async def work(line):
        for name in "abcd":
            line.call(name)
            await settle()
        for end in line.ends.values():
            end.set_result(None)
        await settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    scenario(work)


def test_a_call_that_fails_fails_alone():
    async def work(line):
        bad, good = line.call("bad"), line.call("good")
        await settle()
        line.ends["bad"].set_exception(EngineError("refused"))
        await settle()
        with pytest.raises(EngineError, match="refused"):
            bad.result()
        assert not good.done()
        line.ends["good"].set_result(1)
        assert await good == 1

    scenario(work)


def test_an_exchange_that_fails_fails_every_call_that_was_sent_and_has_them_cancelled():
    async def work(line):
        calls = [line.call("a"), line.call("b")]
        await settle()
        calls.append(line.call("c"))
        await settle()
        line.fail(EngineDied("killed"))
        await settle()
        for call in calls:
            with pytest.raises(EngineDied, match="killed"):
                call.result()
        assert sorted(line.cancelled) == ["a", "b", "c"]

    scenario(work)


def test_a_failure_that_is_heard_late_does_not_concern_the_calls_made_since():
    async def work(line):
        lost = [line.call("a")]
        await settle()
        first, line.failure = line.failure, asyncio.get_running_loop().create_future()
        lost.append(line.call("b"))
        await settle()
        first.set_result(EngineDied("killed"))
        await asyncio.wait(lost)
        assert all(isinstance(call.exception(), EngineDied) for call in lost)
        second, line.failure = line.failure, asyncio.get_running_loop().create_future()
        call = line.call("c")
        await settle()
        second.set_result(EngineDied("killed"))
        await settle()
        line.ends["c"].set_result(3)
        assert await call == 3

    scenario(work)


def test_a_call_that_was_not_sent_yet_does_not_fail_with_an_exchange():
    async def work(line):
        lost = line.call("a")
        await settle()
        line.fail(EngineDied("killed"))
        call = line.call("b")
        await asyncio.wait([lost])
        await settle()
        assert line.sent == [["a"], ["b"]]
        line.ends["b"].set_result(2)
        assert await call == 2
        assert isinstance(lost.exception(), EngineDied)

    scenario(work)


def test_a_cancelled_call_is_cancelled_where_it_runs_and_no_other_is():
    async def work(line):
        one, other = line.call("a"), line.call("b")
        await settle()
        one.cancel()
        await settle()
        assert one.cancelled()
        assert line.cancelled == ["a"]
        line.ends["b"].set_result(2)
        assert await other == 2

    scenario(work)


def test_once_all_calls_are_cancelled_the_exchange_ends():
    async def work(line):
        calls = [line.call("a"), line.call("b")]
        await settle()
        for call in calls:
            call.cancel()
        await settle()
        assert line.cancelled == ["a", "b"]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    scenario(work)


def test_a_call_whose_result_was_lost_on_the_way_fails_and_is_not_asked_for_again_and_again():
    async def work(line):
        exchange = line.exchange

        async def lossy(calls):
            line.outbox.exchange = exchange
            await exchange(calls)
            return []

        line.outbox.exchange = lossy
        call = line.call("a")
        await settle()
        line.ends["a"].set_result(1)
        await settle()
        with pytest.raises(EngineError, match="knows nothing of the call"):
            call.result()
        assert line.sent == [["a"], []]

    scenario(work)


def test_a_cancel_that_cannot_be_sent_keeps_no_other_call_from_being_made():
    async def work(line):
        def refuse(keys):
            raise RuntimeError("not connected")

        line.outbox.cancel = refuse
        first = line.call("a")
        await settle()
        first.cancel()
        second = line.call("b")
        await settle()
        line.ends["b"].set_result(2)
        assert await second == 2

    scenario(work)
