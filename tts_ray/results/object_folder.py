"""A prefix of an object store (S3, Google Cloud Storage, Azure). A put is atomic, so a file needs
no rename to appear whole.

Credentials, region and endpoint come from the environment (AWS_*, GOOGLE_*, AZURE_*).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import from_url

from tts_ray.errors import StoreError
from tts_ray.results.folder import Folder, Lock
from tts_ray.results.object_lock import ObjectLock


@contextmanager
def translated() -> Iterator[None]:
    """Raise the store's errors as OSError, in one line."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(first_line(error)) from None
    except AlreadyExistsError as error:
        raise FileExistsError(first_line(error)) from None
    except BaseError as error:
        raise OSError(first_line(error)) from None


def first_line(error: BaseException) -> str:
    """What an error says, without the request's history."""
    return str(error).strip().partition("\n")[0]


class ObjectFolder(Folder):
    """The objects below a URL's prefix."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.username or parts.password or parts.query:
            raise StoreError(
                f"{parts.scheme}://{parts.hostname}: credentials and options come from the "
                f"environment, not from the URL"
            )
        self.url = url.rstrip("/")
        self.name = self.url.rpartition("/")[2]
        self.scratch = Path("runs") / self.name
        try:
            self.store = from_url(self.url)
        except (BaseError, ValueError) as error:
            raise StoreError(f"{url} is no place for a run: {first_line(error)}") from None

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> Folder:
        return ObjectFolder(f"{self.url}/{name}")

    def files(self) -> list[str]:
        with translated():
            found = obstore.list_with_delimiter(self.store)["objects"]
        return sorted(each["path"] for each in found)

    def folders(self) -> list[Folder]:
        with translated():
            found = obstore.list_with_delimiter(self.store)["common_prefixes"]
        return [self / name.rstrip("/") for name in sorted(found)]

    def read(self, name: str) -> bytes:
        with translated():
            return obstore.get(self.store, name).bytes().to_bytes()

    def write(self, name: str, content: bytes) -> None:
        with translated():
            obstore.put(self.store, name, content)

    def create(self, name: str, content: bytes) -> None:
        try:
            with translated():
                obstore.put(self.store, name, content, mode="create")
        except FileExistsError:
            # A put that is repeated because its answer was lost finds what it wrote itself.
            if self.read(name) != content:
                raise

    def rename(self, old: str, new: str) -> None:
        with translated():
            obstore.rename(self.store, old, new)

    def delete(self, name: str) -> None:
        with translated():
            obstore.delete(self.store, name)

    def address(self, name: str) -> str:
        return f"{self.url}/{name}"

    @contextmanager
    def lock(self) -> Iterator[Lock]:
        lock = ObjectLock(self.store, self.url)
        with translated():
            lock.take()
        try:
            yield lock
        finally:
            with translated():
                lock.leave()
