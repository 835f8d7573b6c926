"""A folder of a local or shared file system."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tts_ray.errors import StoreError
from tts_ray.results.folder import Folder, Lock

UNFINISHED = re.compile(
    r"((part-\d+(-\d+)?|grades-\d+)\.parquet|run\.yaml|problems\.json|probe)\.tmp"
)
"""What a killed job may leave behind."""


class Held(Lock):
    """A lock of the system's, which lets go of it however the job ends."""

    def __init__(self, path: Path, directory: int) -> None:
        self.path = path
        self.directory = directory
        """The folder's own file descriptor, which stays with it wherever it is moved."""

    def check(self) -> None:
        """The lock cannot be lost, but the folder can be moved away from under the job."""
        mine = os.fstat(self.directory)
        try:
            there = os.stat(self.path)
            if (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino):
                return
        except OSError:
            pass
        if mine.st_nlink == 0:
            what = "was deleted while this job ran, with the results in it"
        else:
            what = f"was moved while this job ran; its results are in {self._whereabouts()}"
        raise StoreError(f"{self.path} {what}")

    def _whereabouts(self) -> str:
        """Where the folder lies now, as far as the system says so."""
        try:
            return os.readlink(f"/proc/self/fd/{self.directory}")
        except OSError:
            return "the place it was moved to"


class LocalFolder(Folder):
    """Files are written beside their place, flushed to disk, and then take their name."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name or path.resolve().name
        self.scratch = path

    def __str__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str) -> Folder:
        return LocalFolder(self.path / name)

    def names(self) -> list[str]:
        return sorted(each.name for each in self._entries())

    def files(self) -> list[str]:
        return sorted(each.name for each in self._entries() if each.is_file())

    def sizes(self) -> dict[str, int]:
        return {each.name: each.stat().st_size for each in self._entries() if each.is_file()}

    def folders(self) -> list[Folder]:
        return [self / name for name in sorted(e.name for e in self._entries() if e.is_dir())]

    def _entries(self) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.path) as found:
                return list(found)
        except FileNotFoundError:
            return []

    def read(self, name: str) -> bytes:
        path = self.path / name
        if path.exists() and not path.is_file():
            # A pipe would be waited for.
            raise OSError(f"{path} is no regular file")
        return path.read_bytes()

    def write(self, name: str, content: bytes) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        os.replace(self._beside(name, content), self.path / name)
        self._flush()

    def create(self, name: str, content: bytes) -> None:
        temporary = self._beside(name, content)
        try:
            # Unlike a rename, a link never takes the place of what is there.
            os.link(temporary, self.path / name)
        except FileExistsError:
            raise
        except OSError:
            # Some file systems have no hard links. The lock keeps other jobs out.
            if (self.path / name).exists():
                raise FileExistsError(f"{self.path / name} is there already") from None
            os.replace(temporary, self.path / name)
        finally:
            temporary.unlink(missing_ok=True)
        self._flush()

    def _beside(self, name: str, content: bytes) -> Path:
        """Write a temporary file, through to the disk."""
        temporary = self.path / f"{name}.tmp"
        try:
            with open(temporary, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        return temporary

    def _flush(self) -> None:
        """Bring the names in the folder through to the disk."""
        directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def rename(self, old: str, new: str) -> None:
        os.replace(self.path / old, self.path / new)
        self._flush()

    def delete(self, name: str) -> None:
        (self.path / name).unlink()

    def address(self, name: str) -> str:
        return str(self.path / name)

    def is_locked(self) -> bool:
        try:
            with open(self.path / "lock") as file:
                # Shared, and for this moment: it leaves no trace.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except (FileNotFoundError, NotADirectoryError):
            return False
        return False

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
            for name in self.names():
                if UNFINISHED.fullmatch(name):
                    (self.path / name).unlink(missing_ok=True)
            directory = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                yield Held(self.path, directory)
            finally:
                os.close(directory)
