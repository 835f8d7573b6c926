"""The device under measurement: its memory, how busy it is, and the most it can compute.

On a CPU the same is read of the engines' cores, so that the same code runs there.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import psutil
import torch

from tts_ray.engines.spec import Device
from tts_ray.memory import GIB

EVERY_S = 0.1


class Card(Protocol):
    """What is read of a device."""

    name: str
    gib: float

    def used_gib(self) -> float:
        """Memory that is taken now."""
        ...

    def busy(self) -> float:
        """The share of the time since the last reading, or a moment, in which it worked."""
        ...


class Gpu(Card):
    """The first GPU, through NVML."""

    def __init__(self) -> None:
        from vllm.third_party import pynvml

        pynvml.nvmlInit()
        self.nvml: Any = pynvml
        self.handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        name = pynvml.nvmlDeviceGetName(self.handle)
        self.name = name.decode() if isinstance(name, bytes) else str(name)
        self.gib = pynvml.nvmlDeviceGetMemoryInfo(self.handle).total / GIB

    def used_gib(self) -> float:
        return float(self.nvml.nvmlDeviceGetMemoryInfo(self.handle).used / GIB)

    def busy(self) -> float:
        return float(self.nvml.nvmlDeviceGetUtilizationRates(self.handle).gpu / 100)


class Cpu(Card):
    """vLLM's engine cores below this process."""

    name = "CPU"

    def __init__(self) -> None:
        self.gib = psutil.virtual_memory().total / GIB
        self._cpu, self._at = 0.0, time.monotonic()

    def used_gib(self) -> float:
        return sum(process.memory_info().rss for process in cores()) / GIB

    def busy(self) -> float:
        spent = sum(sum(process.cpu_times()[:2]) for process in cores())
        now = time.monotonic()
        share = (spent - self._cpu) / (now - self._at) / (psutil.cpu_count() or 1)
        self._cpu, self._at = spent, now
        return max(0.0, min(1.0, share))


def cores() -> list[psutil.Process]:
    """The processes of engine cores below this one that live."""
    return [process for process in psutil.Process().children(recursive=True) if is_core(process)]


def is_core(process: psutil.Process) -> bool:
    """Whether a process is an engine core that lives."""
    try:
        named = process.name().startswith("VLLM::EngineCor")
        return named and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def card(device: Device) -> Card:
    """The device that is there."""
    return Gpu() if device == "cuda" else Cpu()


@dataclass
class Watched:
    """Readings of a device while something ran."""

    shares: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def busy(self) -> float:
        return sum(self.shares) / max(len(self.shares), 1)


@contextmanager
def watching(device: Card) -> Iterator[Watched]:
    """Read how busy a device is, ten times a second, until the body ends."""
    found, over = Watched(), threading.Event()
    device.busy()

    def look() -> None:
        while not over.wait(EVERY_S):
            found.shares.append(device.busy())

    thread = threading.Thread(target=look, daemon=True)
    started = time.monotonic()
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()
        found.seconds = time.monotonic() - started


def peak_flops(device: Device) -> float:
    """FLOP/s of a large matrix product, measured: the most a model can come near."""
    size, turns = (8192, 50) if device == "cuda" else (1024, 10)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    left, right = (torch.randn(size, size, dtype=dtype, device=device) for _ in range(2))
    for _ in range(3):
        left @ right
    wait(device)
    started = time.perf_counter()
    for _ in range(turns):
        left @ right
    wait(device)
    return 2 * size**3 * turns / (time.perf_counter() - started)


def wait(device: Device) -> None:
    """Until the device has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
