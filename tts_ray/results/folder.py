"""Where the files of a run lie: a local or shared file system, or an object store."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from tts_ray.errors import StoreError
from tts_ray.text import clean


class Lock(Protocol):
    """The right to write to a folder, while it is held."""

    def check(self) -> None:
        """Raises StoreError if the right was lost, or the folder itself."""
        ...


class Folder(Protocol):
    """Files by name, each of which appears whole or not at all.

    Every method raises OSError if the place cannot be reached, read or written.
    """

    name: str
    """The last part of where it lies."""
    scratch: Path
    """A local folder for what has to lie in one: this folder itself, if it is local."""

    def __str__(self) -> str: ...

    def __truediv__(self, name: str) -> "Folder":
        """A folder inside this one."""
        ...

    def names(self) -> list[str]:
        """Names of everything in it, sorted; none if it is not there."""
        ...

    def files(self) -> list[str]:
        """Names of the files in it, sorted."""
        ...

    def sizes(self) -> dict[str, int]:
        """The bytes of each file in it."""
        ...

    def folders(self) -> list["Folder"]:
        """The folders in it, sorted by name."""
        ...

    def read(self, name: str) -> bytes: ...

    def write(self, name: str, content: bytes) -> None:
        """Write a file, or write it anew. It is durable once this returns."""
        ...

    def create(self, name: str, content: bytes) -> None:
        """Write a file that is not there yet, into a folder that is. Raises FileExistsError if the
        file is there already."""
        ...

    def rename(self, old: str, new: str) -> None: ...

    def delete(self, name: str) -> None: ...

    def address(self, name: str) -> str:
        """The path or URL of a file."""
        ...

    def is_locked(self) -> bool:
        """Whether a job holds the right to write, as far as can be told without taking it."""
        ...

    def lock(self) -> AbstractContextManager[Lock]:
        """Hold the right to write, with the folder made if need be.

        Raises:
            StoreError: another job holds it.
        """
        ...


def folder_at(place: str | Path) -> Folder:
    """The folder at a path or at a URL (s3://bucket/runs/x, gs://..., az://...).

    Raises:
        StoreError: it is no path, and no URL of an object store.
    """
    text = str(place)
    if text != clean(text):
        raise StoreError(f"{text[:100]!r} is no place for a run: it has control characters")
    if "://" not in text:
        from tts_ray.results.local_folder import LocalFolder

        try:
            return LocalFolder(Path(text).expanduser())
        except RuntimeError as error:
            raise StoreError(f"{text} is no place for a run: {error}") from None
    from tts_ray.results.object_folder import ObjectFolder

    return ObjectFolder(text)
