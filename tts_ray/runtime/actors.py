"""An engine in a Ray actor, and the driver's side of it.

This is the seam where foreign errors become ours, once: whatever kills the actor, its engine core
or its node is EngineDied, whatever fails one call is EngineError. An actor whose engine core has
died ends its own process, so that Ray restarts it whole.
"""

import asyncio
import logging
import os
import pickle
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, RayActorError, RayError, RayTaskError

from tts_ray.engines.load import Spec, load
from tts_ray.engines.spec import Capacity
from tts_ray.errors import EngineAway, EngineDied, EngineError
from tts_ray.replicas import PolicyReplica, RewardReplica
from tts_ray.runtime.exchange import Call, End, Inbox, Outbox
from tts_ray.runtime.watchdog import Progress
from tts_ray.text import one_line, traceback_end
from tts_ray.types import Path, Problem, Sampling, Step, Usage

log = logging.getLogger(__name__)

PING_S = 1.0
"""Pause between two attempts to reach an actor that is restarting, in seconds."""


class EngineActor:
    """The body of an engine's actor. Every method may run many times at once.

    `variables` are set in its environment here, before an engine's libraries are imported, and
    not by a `runtime_env`: for that Ray would import itself twice in a process started anew, while
    the workers that it has ready stay idle.
    """

    def __init__(self, spec: Spec, variables: Mapping[str, str]) -> None:
        os.environ |= variables
        self.engine, self.capacity = load(spec)
        self.inboxes: dict[str, Inbox] = {}
        self.gone: set[str] = set()
        self.ended = 0

    async def describe(self) -> Capacity:
        return self.capacity

    async def exchange(self, caller: str, calls: bytes) -> bytes:
        """Begin the pickled calls of a caller; those of its calls that have ended, pickled. Ray's
        own pickling takes several times as long."""
        return pickle.dumps(await self.inbox(caller).exchange(pickle.loads(calls)))

    async def cancel(self, caller: str, keys: Sequence[int]) -> None:
        if caller in self.inboxes:
            self.inboxes[caller].cancel(keys)

    def inbox(self, caller: str) -> Inbox:
        """The inbox of a caller. An engine has one at a time: with the first exchange of another,
        what the one before it left here (a searcher that died) is cancelled.

        Raises:
            EngineError: another caller has come since.
        """
        if caller in self.gone:
            raise EngineError("the engine serves another searcher now")
        if caller not in self.inboxes:
            self.gone |= self.inboxes.keys()
            for left in self.inboxes.values():
                left.close()
            self.inboxes = {caller: Inbox(self.run)}
        return self.inboxes[caller]

    async def run(self, call: Call) -> End:
        try:
            found = await getattr(self.engine, call.method)(*call.args, **call.kwargs)
            return End(call.key, found)
        except EngineDied:
            os._exit(1)
        except EngineError as error:
            return End(call.key, failure=str(error))
        except (Exception, asyncio.CancelledError) as error:
            return End(call.key, failure=f"the engine raised {cause(error)}")
        finally:
            self.ended += 1

    async def progress(self) -> Progress:
        """Calls ended, and tokens of those that have not."""
        return self.ended, self.engine.tokens_in_flight()


class RemoteActor:
    """A handle on an actor. A cancelled call is cancelled in the actor too."""

    what = "engine"

    def __init__(self, actor: Any) -> None:
        self.actor = actor

    async def end(self) -> None:
        """Kill the actor, whatever state it is in; Ray starts it again."""
        await asyncio.to_thread(ray.kill, self.actor, no_restart=False)

    async def _await(self, ref: Any) -> Any:
        try:
            return await ref
        except asyncio.CancelledError:
            ray.cancel(ref)
            raise
        except ActorUnavailableError as error:
            raise EngineAway(
                f"the {self.what}'s actor is being restarted: {cause(error)}"
            ) from None
        except RayActorError as error:
            raise EngineDied(f"the {self.what}'s actor is gone: {cause(error)}") from None
        except EngineError as error:
            raise EngineError(str(error.args[0] if error.args else error)) from None
        except RayTaskError as error:
            raise EngineError(f"the {self.what} raised {cause(error.cause)}") from None
        except RayError as error:
            raise EngineDied(f"{type(error).__name__}: {cause(error)}") from None


class RemoteEngine(RemoteActor):
    """A handle on an engine's actor."""

    def __init__(self, actor: Any) -> None:
        super().__init__(actor)
        self.name = uuid.uuid4().hex
        self.outbox = Outbox(self._exchange, self._cancel)
        self.loss = ""
        """How it was last lost while it loaded."""

    async def call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return await self.outbox.call(method, *args, **kwargs)

    async def capacity(self) -> Capacity:
        """What the loaded engine holds. Waits until it is loaded."""
        capacity = await self._await(self.actor.describe.remote())
        assert isinstance(capacity, Capacity)
        return capacity

    async def loaded(self) -> Capacity:
        """What the engine holds, once it is loaded. One whose process or node is lost meanwhile
        loads again.

        Raises:
            EngineError: it cannot load.
        """
        while True:
            try:
                return await self.capacity()
            except EngineAway as error:
                if not self.loss:
                    log.warning("an engine was lost while it loaded, and loads again: %s", error)
                self.loss = str(error)
            await asyncio.sleep(PING_S)

    async def ready(self) -> None:
        """Wait until the restarted actor serves again, however long a node for it takes."""
        while True:
            try:
                await self.capacity()
                return
            except EngineDied:
                await asyncio.sleep(PING_S)

    async def progress(self, seconds: float) -> Progress | None:
        """How far the engine has come; None if it does not say so within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                found: Progress = await self._await(self.actor.progress.remote())
                return found
        except (TimeoutError, EngineError):
            return None

    async def _exchange(self, calls: Sequence[Call]) -> list[End]:
        ref = self.actor.exchange.remote(self.name, pickle.dumps(calls))
        found: list[End] = pickle.loads(await self._await(ref))
        return found

    def _cancel(self, keys: Sequence[int]) -> None:
        self.actor.cancel.options(num_returns=0).remote(self.name, keys)


CAUSE = 400
"""The longest cause of an error, in characters."""


def cause(error: BaseException) -> str:
    """Why something failed, as one line of plain text.

    Of an error from elsewhere, whose text holds a traceback, that is the error at its end, with
    all lines of its message; of any other its type and its text, without the indented lines in
    which Ray names the actor.
    """
    said = traceback_end(str(error)) or [
        f"{type(error).__name__}:",
        *(line for line in str(error).splitlines() if not line.startswith("\t")),
    ]
    return one_line(" ".join(said), CAUSE)


class RemotePolicy(RemoteEngine, PolicyReplica):
    """A policy in an actor."""

    async def propose(
        self,
        problem: Problem,
        paths: Sequence[Path],
        seeds: Sequence[int],
        sampling: Sampling,
        *,
        whole: bool = False,
    ) -> tuple[list[tuple[Step, ...]], Usage]:
        proposals: tuple[list[tuple[Step, ...]], Usage] = await self.call(
            "propose", problem, paths, seeds, sampling, whole=whole
        )
        return proposals


class RemoteReward(RemoteEngine, RewardReplica):
    """A reward model in an actor."""

    async def score(
        self, problem: Problem, paths: Sequence[Path]
    ) -> tuple[list[tuple[float, ...]], Usage]:
        scores: tuple[list[tuple[float, ...]], Usage] = await self.call("score", problem, paths)
        return scores
