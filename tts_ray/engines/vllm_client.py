"""How requests reach vLLM's engine core: in a process of its own, or in this one.

On a GPU the core's process keeps the card busy while this one prepares and hands on. On a CPU the
model is what keeps a core busy, and a second process only adds what two of them have to tell each
other after every token.
"""

import asyncio
import uuid
from queue import SimpleQueue
from threading import Thread
from typing import Any, Protocol, Self, TypeAlias

from vllm import SamplingParams, TokensPrompt
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.outputs import PoolingRequestOutput, RequestOutput
from vllm.pooling_params import PoolingParams
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.engine.llm_engine import LLMEngine

from tts_ray.errors import EngineDied, EngineError

Params: TypeAlias = SamplingParams | PoolingParams
Output: TypeAlias = RequestOutput | PoolingRequestOutput


class Client(Protocol):
    """One engine core. `engine` is vLLM's frontend of it."""

    engine: Any

    async def run(self, prompt: TokensPrompt, params: Params) -> Output:
        """The final output of one request. A cancelled request is aborted.

        Raises:
            EngineDied: the core is dead.
            EngineError: the request was refused or failed.
        """
        ...

    def shutdown(self) -> None: ...


class ProcessClient(Client):
    """A core in a process of its own."""

    def __init__(self, engine: AsyncLLM) -> None:
        self.engine = engine

    @classmethod
    def load(cls, args: AsyncEngineArgs) -> Self:
        return cls(AsyncLLM.from_engine_args(args))

    async def run(self, prompt: TokensPrompt, params: Params) -> Output:
        call = self.engine.generate if isinstance(params, SamplingParams) else self.engine.encode
        last: Output | None = None
        try:
            async for output in call(prompt, params, uuid.uuid4().hex):
                last = output
        except EngineDeadError as error:
            raise EngineDied(f"vLLM's engine core is dead: {error}") from error
        except Exception as error:
            raise EngineError(f"vLLM refused or failed a request: {error!r}") from error
        if last is None:
            raise EngineError("vLLM ended a request without an output")
        return last

    def shutdown(self) -> None:
        self.engine.shutdown()


class InlineClient(Client):
    """A core in a thread of this process. Only that thread touches it; requests wait in a queue."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self._queue: SimpleQueue[tuple[str, TokensPrompt | None, Params | None] | None]
        self._queue = SimpleQueue()
        self._waiting: dict[str, asyncio.Future[Output]] = {}
        self._death = ""
        self._thread = Thread(target=self._work, name="vLLM", daemon=True)
        self._thread.start()

    @classmethod
    def load(cls, args: AsyncEngineArgs) -> Self:
        return cls(LLMEngine.from_engine_args(args))

    async def run(self, prompt: TokensPrompt, params: Params) -> Output:
        if self._death:
            raise EngineDied(self._death)
        name = uuid.uuid4().hex
        self._loop = asyncio.get_running_loop()
        future = self._waiting[name] = self._loop.create_future()
        self._queue.put((name, prompt, params))
        try:
            return await future
        except asyncio.CancelledError:
            self._queue.put((name, None, None))
            raise
        finally:
            self._waiting.pop(name, None)

    def shutdown(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        try:
            while self._admit():
                ended = [output for output in self.engine.step() if output.finished]
                if ended:
                    self._loop.call_soon_threadsafe(self._hand_on, ended)
        except Exception as error:
            self._death = f"vLLM's engine core is dead: {error!r}"
            self._loop.call_soon_threadsafe(self._give_up)

    def _admit(self) -> bool:
        """Take what waits in the queue, or wait for it if there is nothing to do; False at the
        end."""
        while not self.engine.has_unfinished_requests() or not self._queue.empty():
            request = self._queue.get()
            if request is None:
                return False
            name, prompt, params = request
            if prompt is None:
                self.engine.abort_request([name])
                continue
            try:
                self.engine.add_request(name, prompt, params)
            except Exception as error:
                refused = EngineError(f"vLLM refused a request: {error!r}")
                self._loop.call_soon_threadsafe(self._refuse, name, refused)
        return True

    def _hand_on(self, ended: list[Output]) -> None:
        for output in ended:
            future = self._waiting.get(output.request_id)
            if future and not future.done():
                future.set_result(output)

    def _refuse(self, name: str, error: EngineError) -> None:
        future = self._waiting.get(name)
        if future and not future.done():
            future.set_exception(error)

    def _give_up(self) -> None:
        for name in list(self._waiting):
            self._refuse(name, EngineDied(self._death))
