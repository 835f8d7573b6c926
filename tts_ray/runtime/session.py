"""A session holds the loaded engines: placed as a gang, loaded once, used by many searches and kept
for the next models where these are the same.

Engines that share a card load one after the other, for each measures the memory that is free.
"""

import asyncio
import logging
import os
import signal
import socket
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import ray
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from tts_ray.admission import Admission
from tts_ray.concurrency import together
from tts_ray.engines.load import Spec
from tts_ray.engines.spec import Capacity, Device, environment
from tts_ray.errors import EngineError, Interrupted, PlacementError
from tts_ray.runtime.actors import EngineActor, RemotePolicy, RemoteReward
from tts_ray.runtime.deal import deal, searchers_for
from tts_ray.runtime.local_ray import start_local_ray
from tts_ray.runtime.place import ONE_CPU, Place
from tts_ray.runtime.placement import Seat, is_placed, nodes_of, release, request, reserve
from tts_ray.runtime.pod import Limits, Pod
from tts_ray.runtime.searcher import RemoteSearcher
from tts_ray.runtime.searchers import Searchers

log = logging.getLogger(__name__)

KNOCK_S = 10.0
"""How long a cluster may take to accept a connection, in seconds."""
CALLS_AT_ONCE = 1000
"""Calls one actor accepts at a time; vLLM does the queueing."""


@dataclass(frozen=True)
class Fleet:
    """`replicas` copies of one engine, each with its share of a node. With `least`, so many are
    enough to begin and to go on, and the others join when there is room for them; else all are
    needed to begin and one to go on."""

    spec: Spec
    replicas: int = 1
    place: Place = ONE_CPU
    least: int | None = None

    @property
    def gang(self) -> int:
        """How many are placed and loaded together before work begins."""
        return self.replicas if self.least is None else self.least

    @property
    def device(self) -> Device:
        return "cuda" if self.place.gpus else "cpu"


def connect(address: str | None) -> None:
    """Join the cluster at `address`, or the one this job was submitted to, or start a local one.

    Raises:
        PlacementError: there is no cluster at that address, or Ray did not start.
    """
    if ray.is_initialized():
        return
    found = address or os.environ.get("RAY_ADDRESS") or "local"
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if found.startswith("ray://"):
        raise PlacementError(
            f"{found} is a Ray Client address, through which no engine can be served; give the "
            f"cluster's own (HOST:6379) on one of its nodes, or use jobs/submit.py"
        )
    # Ray takes SIGTERM for itself.
    handler = signal.getsignal(signal.SIGTERM)
    try:
        if found == "local":
            start_local_ray(settings)
        else:
            knock(found)
            ray.init(address=found, **settings)
    except Exception as error:
        # Of a node that does not start in time, Ray raises Exception itself.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise PlacementError(f"no Ray cluster at {found!r}: {reason}") from None
    except SystemExit:
        # What Ray makes of a SIGTERM while it starts.
        raise Interrupted("interrupted; run the same command to go on") from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def knock(address: str) -> None:
    """See whether anything listens at HOST:PORT, which Ray itself takes minutes to deny.

    Raises:
        OSError: nothing does.
    """
    host, _, port = address.rpartition(":")
    if port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), KNOCK_S).close()


@dataclass
class Loaded:
    """A fleet in its seats: the engines that were started there, and what those hold that have
    loaded."""

    fleet: Fleet
    seats: list[Seat]
    engines: dict[Seat, Any] = field(default_factory=dict)
    capacities: dict[Seat, Capacity] = field(default_factory=dict)

    def sits_as(self, fleet: Fleet) -> bool:
        """Whether another fleet fits its seats."""
        mine = (self.fleet.replicas, self.fleet.place)
        return mine == (fleet.replicas, fleet.place)

    def stop(self) -> None:
        """End the engines' processes; the seats stay reserved."""
        for actor in self.actors:
            ray.kill(actor)

    def leave(self, seat: Seat) -> None:
        """Give a seat back, and end the engine that is being loaded there."""
        self.seats.remove(seat)
        if seat in self.engines:
            ray.kill(self.engines.pop(seat).actor)
        release([seat])

    @property
    def actors(self) -> list[Any]:
        """The engines' actors, in the order of their seats."""
        return [self.engines[seat].actor for seat in self.seats if seat in self.engines]


class Session:
    """An async context manager around the engines of a job, which `use` loads. `engines` then runs
    trials on them: in this process, or with `searchers` in so many others.

    Args:
        searchers: None is as many as the replicas need.
    """

    def __init__(
        self,
        *,
        placement_s: float = 120.0,
        load_s: float = 1800.0,
        revival_s: float = 300.0,
        stall_s: float = 300.0,
        attempts: int = 3,
        searchers: int | None = 0,
    ) -> None:
        self.placement_s = placement_s
        self.load_s = load_s
        self.limits = Limits(attempts, revival_s, stall_s)
        self.searchers = searchers
        self.loaded: dict[str, Loaded] = {}
        self._engines: Pod | Searchers | None = None
        self._pods: list[tuple[RemoteSearcher, dict[str, list[Seat]]]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._loading = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def use(self, fleets: Mapping[str, Fleet]) -> None:
        """Have these fleets loaded: "policy", "prm" or both. What is loaded already stays as it
        is, and another model of the same shape takes over its seats; if a fleet needs other
        seats, all are given back first and placed anew together.

        Raises:
            PlacementError: the engines do not fit on the cluster by the deadline.
            EngineError: an engine failed to load.
        """
        self._close_engines()
        try:
            if not all(
                role in self.loaded and self.loaded[role].sits_as(fleet)
                for role, fleet in fleets.items()
            ):
                self.close()
                await self._place(fleets)
            fresh = {
                role: held
                for role, held in self.loaded.items()
                if role in fleets and (held.fleet != fleets[role] or not held.engines)
            }
            for role, held in fresh.items():
                held.stop()
                release([seat for seat in held.seats if not is_placed(seat.group)])
                taken = [seat for seat in held.seats if is_placed(seat.group)]
                self.loaded[role] = fresh[role] = Loaded(fleets[role], taken)
            async with asyncio.timeout(self.load_s):
                self._start_searchers()
                await self._load(fresh)
                await self._open()
        except TimeoutError:
            losses = [e.loss for held in self.loaded.values() for e in held.engines.values()]
            lost = next((f" (one was lost while it loaded: {loss})" for loss in losses if loss), "")
            self.close()
            raise EngineError(
                f"the engines did not load within {self.load_s:g} s{lost}; raise cluster.load_s"
            ) from None
        except EngineError as error:
            self.close()
            raise type(error)(f"an engine failed to load: {error}") from None
        except BaseException:
            self.close()
            raise

    async def _place(self, fleets: Mapping[str, Fleet]) -> None:
        places = [(role, fleet.place) for role, fleet in fleets.items() for _ in range(fleet.gang)]
        seats = iter(await reserve(places, self.placement_s))
        self.loaded = {
            role: Loaded(fleet, [next(seats) for _ in range(fleet.gang)])
            for role, fleet in fleets.items()
        }

    async def _load(self, fresh: Mapping[str, Loaded]) -> None:
        """Start every replica in its seat; those that share a card on a node take turns."""
        lanes: dict[Any, list[tuple[str, Seat]]] = defaultdict(list)
        for role, held in fresh.items():
            for seat in held.seats:
                shared = held.fleet.place.shares_a_card
                lanes[seat.node if shared else seat].append((role, seat))

        async def load(lane: list[tuple[str, Seat]]) -> None:
            for role, seat in lane:
                engine = self._start(role, fresh[role], seat)
                fresh[role].capacities[seat] = await engine.loaded()

        await together(load(lane) for lane in lanes.values())

    def _start(self, role: str, held: Loaded, seat: Seat) -> Any:
        place = held.fleet.place
        handle = (
            ray.remote(EngineActor)
            .options(
                num_cpus=place.cpus,
                num_gpus=place.actor_gpus,
                max_restarts=-1,
                max_concurrency=CALLS_AT_ONCE,
                scheduling_strategy=PlacementGroupSchedulingStrategy(
                    seat.group,
                    placement_group_bundle_index=seat.bundle,
                    placement_group_capture_child_tasks=place.nodes > 1,
                ),
            )
            .remote(held.fleet.spec, environment(held.fleet.device))
        )
        engine = held.engines[seat] = (RemotePolicy if role == "policy" else RemoteReward)(handle)
        return engine

    def _start_searchers(self) -> None:
        """Begin to start the searchers, each near its pod; engines take longer."""
        replicas = {role: held.fleet.replicas for role, held in self.loaded.items()}
        begin = {role: len(held.seats) for role, held in self.loaded.items()}
        count = searchers_for(self.searchers, replicas, begin)
        if not count:
            return
        nodes = {role: nodes_of(held.seats) for role, held in self.loaded.items()}
        for number, pod in enumerate(deal(nodes, count), 1):
            # A replica that waits for a node has none.
            near = next(filter(None, (nodes[role][seat] for role in pod for seat in pod[role])), "")
            name = f"searcher {number} of {count}"
            searcher = RemoteSearcher.start(name, near, self.limits)
            self._pods.append((searcher, pod))

    async def _open(self) -> None:
        """Put the engines to work: those of each pod through its searcher, or all from here."""
        lead = self.loaded["policy" if "policy" in self.loaded else "prm"]
        held = [lead.capacities[seat] for seat in lead.seats]
        self.capacity = Capacity(
            sum(capacity.sequences for capacity in held),
            sum(capacity.kv_tokens for capacity in held),
        )
        self.admission = Admission(self.capacity.sequences, self.capacity.kv_tokens)
        least = {role: each.fleet.least or 1 for role, each in self.loaded.items()}
        if self._pods:
            engines = {role: each.engines for role, each in self.loaded.items()}
            await together(
                searcher.hold(
                    {role: [engines[role][seat].actor for seat in pod[role]] for role in pod}
                )
                for searcher, pod in self._pods
            )
            self._engines = Searchers([each for each, _ in self._pods], self.limits, least)
        else:
            self._engines = Pod(
                {
                    role: [each.engines[seat] for seat in each.seats]
                    for role, each in self.loaded.items()
                },
                self.limits,
                least,
            )
        self._tasks = [
            asyncio.create_task(self._join(role, each))
            for role, each in self.loaded.items()
            for _ in range(each.fleet.replicas - len(each.seats))
        ]

    async def _join(self, role: str, held: Loaded) -> None:
        """Load one more replica whenever there is room for it, and put it to work."""
        (seat,) = request([(role, held.fleet.place)])
        held.seats.append(seat)
        await seat.group.ready()
        async with self._loading:
            engine = self._start(role, held, seat)
            try:
                async with asyncio.timeout(self.load_s):
                    capacity = held.capacities[seat] = await engine.loaded()
            except (EngineError, TimeoutError) as error:
                why = error if isinstance(error, EngineError) else engine.loss or "it took too long"
                log.warning("a %s replica that came late failed to load: %s", role, why)
                held.leave(seat)
                return
        await self.engines.add(role, engine)
        if role == "policy":
            self.admission.grow(capacity.sequences, capacity.kv_tokens)

    def _close_engines(self) -> None:
        """End what runs trials on the engines. Replicas that have not joined yet leave, to be asked
        for again with the next pools."""
        for task in self._tasks:
            task.cancel()
        self._tasks = []
        for held in self.loaded.values():
            for seat in [seat for seat in held.seats if seat not in held.capacities]:
                held.leave(seat)
        if self._engines is not None:
            self._engines.close()
        self._engines = None
        for searcher, _ in self._pods:
            ray.kill(searcher.actor)
        self._pods = []

    @property
    def engines(self) -> Pod | Searchers:
        """What runs trials on the loaded engines."""
        assert self._engines is not None, "no models are in use"
        return self._engines

    @property
    def actors(self) -> list[Any]:
        """The actors of all engines, the policy's first."""
        return [actor for held in self.loaded.values() for actor in held.actors]

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close_engines()
        self.close()

    def close(self) -> None:
        """End all engines and give their places back."""
        for held in self.loaded.values():
            held.stop()
        release([seat for held in self.loaded.values() for seat in held.seats])
        self.loaded = {}
