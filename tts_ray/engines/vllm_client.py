"""How requests reach vLLM's engine core: in a process of its own, or in this one.

On a GPU the core's process keeps the card busy while this one prepares and hands on. On a CPU the
model is what keeps a core busy, and a second process only adds what two of them have to tell each
other after every token.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from queue import SimpleQueue
from threading import Thread
from typing import Any, Protocol, Self, TypeAlias

import numpy as np
import torch
from vllm import SamplingParams
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.inputs import TokensInput
from vllm.outputs import PoolingRequestOutput, RequestOutput
from vllm.pooling_params import PoolingParams
from vllm.v1.engine import EngineCoreOutput
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.engine.llm_engine import LLMEngine
from vllm.v1.request import Request

from tts_ray.engines.confidence import per_token
from tts_ray.engines.core_log import core_error, log_size
from tts_ray.errors import EngineDied, EngineError
from tts_ray.text import one_line

Params: TypeAlias = SamplingParams | PoolingParams


@dataclass(slots=True)
class Answer:
    """What one request gave: sampled tokens with their log-probabilities and vLLM's reasons to
    end, or a pooling model's `rows`; and the number of prompt tokens the cache held. Confidence
    and entropy of each token (engines/confidence.py) are empty unless they were asked for."""

    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)
    entropy: list[float] = field(default_factory=list)
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    rows: torch.Tensor | None = None
    cached_tokens: int = 0


class Client(Protocol):
    """One engine core. `engine` is vLLM's frontend of it, `top` how many of a token's largest
    log-probabilities its sampling requests ask for; they are reduced to confidence and entropy."""

    engine: Any
    top: int

    async def run(self, prompt: TokensInput, params: Params) -> Answer:
        """The whole answer to one request. A cancelled request is aborted.

        Raises:
            EngineDied: the core is dead.
            EngineError: the request was refused or failed.
        """
        ...

    def tokens_in_flight(self) -> int:
        """Tokens of the requests that have not ended. Read when asked, never counted per token."""
        ...

    def shutdown(self) -> None: ...


ALIVE_S = 1.0
"""How often a core in a process of its own is looked at, in seconds."""


class ProcessClient(Client):
    """A core in a process of its own.

    vLLM knows at once when that process dies, and was seen to leave calls waiting for ever; so the
    core is looked at while there are calls, and those of a dead one end.
    """

    def __init__(self, engine: AsyncLLM, top: int) -> None:
        self.engine = engine
        self.top = top
        self._names = map(str, count())
        self._calls: set[asyncio.Task[Answer]] = set()
        self._watch: asyncio.Task[None] | None = None

    @classmethod
    def load(cls, args: AsyncEngineArgs, top: int) -> Self:
        begin = log_size()
        try:
            return cls(AsyncLLM.from_engine_args(args), top)
        except RuntimeError as error:
            why = core_error(begin) or one_line(error)
            raise EngineError(f"vLLM's engine core failed to start: {why}") from error

    async def run(self, prompt: TokensInput, params: Params) -> Answer:
        call = asyncio.create_task(self._call(prompt, params))
        self._calls.add(call)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._end_calls_of_a_dead_core())
        try:
            return await call
        except asyncio.CancelledError:
            mine = asyncio.current_task()
            if mine is not None and mine.cancelling():
                raise
            raise EngineDied(
                "vLLM's engine core is dead, and left a call without an answer"
            ) from None
        finally:
            self._calls.discard(call)

    async def _end_calls_of_a_dead_core(self) -> None:
        while self._calls:
            await asyncio.sleep(ALIVE_S)
            if self.engine.errored:
                for call in self._calls:
                    call.cancel()
                return

    async def _call(self, prompt: TokensInput, params: Params) -> Answer:
        call = self.engine.generate if isinstance(params, SamplingParams) else self.engine.encode
        last: RequestOutput | PoolingRequestOutput | None = None
        try:
            async for output in call(prompt, params, next(self._names)):
                last = output
        except EngineDeadError as error:
            raise EngineDied(f"vLLM's engine core is dead: {error}") from error
        except Exception as error:
            # What is unexpected comes without a word, and has its cause.
            why = error.__cause__ or error
            raise EngineError(f"vLLM refused or failed a request: {why!r}") from error
        if last is None:
            raise EngineError("vLLM ended a request without an output")
        cached = last.num_cached_tokens or 0
        if isinstance(last, PoolingRequestOutput):
            return Answer(rows=last.outputs.data, cached_tokens=cached)
        (sampled,) = last.outputs
        ids = list(sampled.token_ids)
        answer = Answer(
            ids,
            finish_reason=sampled.finish_reason,
            stop_reason=sampled.stop_reason,
            cached_tokens=cached,
        )
        if self.top:
            # A flat list: of each token first its own log-probability, then the largest ones.
            rows = np.array(sampled.logprobs.logprobs).reshape(-1, 1 + self.top)
            confidence, entropy = per_token(rows[:, 1:])
            answer.logprobs = rows[:, 0].tolist()
            answer.confidence, answer.entropy = confidence.tolist(), entropy.tolist()
        else:
            answer.logprobs = [
                at[token].logprob for at, token in zip(sampled.logprobs, ids, strict=True)
            ]
        return answer

    def tokens_in_flight(self) -> int:
        states = list(self.engine.output_processor.request_states.values())
        return sum(s.detokenizer.num_output_tokens() for s in states if s.detokenizer is not None)

    def shutdown(self) -> None:
        self.engine.shutdown()


class InlineClient(Client):
    """A core in a thread of this process. Only that thread touches it; requests wait in a queue.

    The thread that calls prepares its requests: it checks them and hashes their blocks while the
    model runs. The core's thread takes over what the core gives without vLLM's own output
    processing, which makes objects of every token that nobody here reads.
    """

    def __init__(self, engine: Any, top: int) -> None:
        self.engine = engine
        self.top = top
        self._core = engine.engine_core.engine_core
        self._tasks = engine.get_supported_tasks()
        self._names = map(str, count())
        self._queue: SimpleQueue[tuple[str, Request | None] | None] = SimpleQueue()
        self._running: dict[str, Answer] = {}
        self._waiting: dict[str, asyncio.Future[Answer]] = {}
        self._death = ""
        self._thread = Thread(target=self._work, name="vLLM", daemon=True)
        self._thread.start()

    @classmethod
    def load(cls, args: AsyncEngineArgs, top: int) -> Self:
        # Otherwise vLLM gives this engine, too, a core in a process of its own.
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        return cls(LLMEngine.from_engine_args(args), top)

    async def run(self, prompt: TokensInput, params: Params) -> Answer:
        if self._death:
            raise EngineDied(self._death)
        name = next(self._names)
        try:
            request = self._prepare(name, prompt, params)
        except Exception as error:
            raise EngineError(f"vLLM refused a request: {error!r}") from error
        self._loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._waiting[name] = future
        self._queue.put((name, request))
        try:
            return await future
        except asyncio.CancelledError:
            self._queue.put((name, None))
            raise
        finally:
            self._waiting.pop(name, None)

    def _prepare(self, name: str, prompt: TokensInput, params: Params) -> Request:
        """What the core takes in. vLLM makes both parts for a thread beside the core's."""
        request = self.engine.input_processor.process_inputs(
            name, prompt, params, supported_tasks=self._tasks
        )
        ready, _ = self._core.preprocess_add_request(request)
        return ready

    def tokens_in_flight(self) -> int:
        return sum(len(answer.token_ids) for answer in list(self._running.values()))

    def shutdown(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        try:
            while self._admit():
                ended = self._step()
                if ended:
                    self._loop.call_soon_threadsafe(self._hand_on, ended)
        except Exception as error:
            self._death = f"vLLM's engine core is dead: {error!r}"
            self._loop.call_soon_threadsafe(self._give_up)

    def _admit(self) -> bool:
        """Take what waits in the queue, or wait for it if there is nothing to do; False at the
        end."""
        while not self._running or not self._queue.empty():
            request = self._queue.get()
            if request is None:
                return False
            name, ready = request
            if ready is None:
                if self._running.pop(name, None) is not None:
                    self._core.abort_requests([name])
                continue
            try:
                self._core.add_request(ready)
                self._running[name] = Answer()
            except Exception as error:
                refused = EngineError(f"vLLM refused a request: {error!r}")
                self._loop.call_soon_threadsafe(self._refuse, name, refused)
        return True

    def _step(self) -> list[tuple[str, Answer]]:
        """One batch of the core; what ended with it."""
        ended = []
        outputs = self.engine.engine_core.get_output().outputs
        if self.top:
            self._reduce(outputs)
        for output in outputs:
            answer = self._running.get(output.request_id)
            if answer is None:
                continue
            extend(answer, output)
            if output.finish_reason is not None:
                answer.finish_reason = str(output.finish_reason)
                answer.stop_reason = output.stop_reason
                ended.append((output.request_id, self._running.pop(output.request_id)))
        return ended

    def _reduce(self, outputs: Sequence[EngineCoreOutput]) -> None:
        """Add confidence and entropy of a batch's tokens. All at once: token by token, NumPy's own
        work would be many times that of the reduction."""
        found = [
            (answer, output.new_logprobs.logprobs[:, 1:])
            for output in outputs
            if output.new_logprobs is not None
            and (answer := self._running.get(output.request_id)) is not None
        ]
        if not found:
            return
        reduced = per_token(np.concatenate([rows for _, rows in found]))
        confidence, entropy = (numbers.tolist() for numbers in reduced)
        start = 0
        for answer, rows in found:
            end = start + len(rows)
            answer.confidence += confidence[start:end]
            answer.entropy += entropy[start:end]
            start = end

    def _hand_on(self, ended: list[tuple[str, Answer]]) -> None:
        for name, answer in ended:
            future = self._waiting.get(name)
            if future and not future.done():
                future.set_result(answer)

    def _refuse(self, name: str, error: EngineError) -> None:
        future = self._waiting.get(name)
        if future and not future.done():
            future.set_exception(error)

    def _give_up(self) -> None:
        for name in list(self._waiting):
            self._refuse(name, EngineDied(self._death))


def extend(answer: Answer, output: EngineCoreOutput) -> None:
    """Add what one batch of the core gave to an answer."""
    answer.token_ids += output.new_token_ids
    if output.new_logprobs is not None:
        # The first column is the sampled token's.
        answer.logprobs += output.new_logprobs.logprobs[:, 0].tolist()
    if output.pooling_output is not None:
        answer.rows = output.pooling_output
    if output.prefill_stats is not None:
        answer.cached_tokens = output.prefill_stats.num_cached_tokens
