"""A folder of a local or shared file system."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tts_ray.errors import StoreError
from tts_ray.results.folder import Folder, Lock


class Held(Lock):
    """A lock of the system's, which lets go of it however the job ends."""

    def check(self) -> None:
        """It cannot be lost."""


class LocalFolder(Folder):
    """Files are written beside their place, flushed to disk, and then take their name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.scratch = path

    def __str__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str) -> Folder:
        return LocalFolder(self.path / name)

    def files(self) -> list[str]:
        return sorted(each.name for each in self._entries() if each.is_file())

    def folders(self) -> list[Folder]:
        return [self / name for name in sorted(e.name for e in self._entries() if e.is_dir())]

    def _entries(self) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.path) as found:
                return list(found)
        except FileNotFoundError:
            return []

    def read(self, name: str) -> bytes:
        return (self.path / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        temporary = self.path / f"{name}.tmp"
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        os.replace(temporary, self.path / name)

    def create(self, name: str, content: bytes) -> None:
        if (self.path / name).exists():
            raise FileExistsError(f"{self.path / name} is there already")
        self.write(name, content)

    def rename(self, old: str, new: str) -> None:
        os.replace(self.path / old, self.path / new)

    def delete(self, name: str) -> None:
        (self.path / name).unlink()

    def address(self, name: str) -> str:
        return str(self.path / name)

    @contextmanager
    def lock(self) -> Iterator[Lock]:
        self.path.mkdir(parents=True, exist_ok=True)
        with open(self.path / "lock", "a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StoreError(
                    f"another job is writing to {self.path}; wait for it or stop it"
                ) from None
            for leftover in self.path.glob("*.tmp"):
                leftover.unlink(missing_ok=True)
            yield Held()
