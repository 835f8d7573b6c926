"""A prefix of an object store (S3, Google Cloud Storage, Azure). A put is atomic, so a file needs
no rename to appear whole.

Credentials, region and endpoint come from the environment (AWS_*, GOOGLE_*, AZURE_*).
"""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import from_url

from tts_ray.errors import StoreError
from tts_ray.results.folder import Folder, Lock
from tts_ray.results.object_lock import ObjectLock, brief, seems_held

SCHEMES = ("s3", "gs", "az")
REPEAT_S = 120.0
"""How long a request that fails is repeated, in seconds."""
TIMEOUT_S = 60.0
"""Of one request, a part's whole upload included."""
LOCK_REPEAT_S = 20.0
LOCK_TIMEOUT_S = 10.0
"""The same of the lock: several attempts have to fit into the time after which it is stale."""
CREATIONS = 3
"""How often a creation is tried, which the store's client does not repeat after a time-out."""
log = logging.getLogger(__name__)


@contextmanager
def translated() -> Iterator[None]:
    """Raise the store's errors as OSError, in one line."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(brief(error)) from None
    except AlreadyExistsError as error:
        raise FileExistsError(brief(error)) from None
    except BaseError as error:
        raise OSError(brief(error)) from None


def store_at(url: str, repeat_s: float, timeout_s: float) -> Any:
    """A client of the store whose requests take `timeout_s` at most and are repeated for
    `repeat_s`."""
    retry: Any = {
        "max_retries": 60,
        "backoff": {
            "init_backoff": timedelta(seconds=0.5),
            "max_backoff": timedelta(seconds=10),
            "base": 2,
        },
        "retry_timeout": timedelta(seconds=repeat_s),
    }
    # The client's options take the place of those that it would find by itself.
    client: Any = {"timeout": f"{timeout_s:g}s"}
    if os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true":
        client["allow_http"] = True
    return from_url(url, retry_config=retry, client_options=client)


class ObjectFolder(Folder):
    """The objects below a URL's prefix."""

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise StoreError(f"{url} is no place for a run: {error}") from None
        if parts.username or parts.password or parts.query:
            raise StoreError(
                f"{parts.scheme}://{parts.hostname}: credentials and options come from the "
                f"environment, not from the URL"
            )
        if parts.scheme not in SCHEMES:
            known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            raise StoreError(f"{url} is no place for a run: a path, or one of {known}")
        self.url = url.rstrip("/")
        self.name = self.url.rpartition("/")[2]
        self.scratch = Path("runs", parts.netloc, parts.path.strip("/"))
        try:
            self.store = store_at(self.url, REPEAT_S, TIMEOUT_S)
        except (BaseError, ValueError) as error:
            raise StoreError(f"{url} is no place for a run: {brief(error)}") from None

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> Folder:
        return ObjectFolder(f"{self.url}/{name}")

    def names(self) -> list[str]:
        return sorted([*self.files(), *(folder.name for folder in self.folders())])

    def files(self) -> list[str]:
        return sorted(self.sizes())

    def sizes(self) -> dict[str, int]:
        with translated():
            found = obstore.list_with_delimiter(self.store)["objects"]
        return {each["path"]: each["size"] for each in found}

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
        ends = time.monotonic() + REPEAT_S
        for left in reversed(range(CREATIONS)):
            try:
                with translated():
                    obstore.put(self.store, name, content, mode="create")
                return
            except FileExistsError:
                # A put that is repeated because its answer was lost finds what it wrote itself.
                if self.read(name) != content:
                    raise
                return
            except OSError as error:
                if not left or time.monotonic() > ends:
                    raise
                log.warning("%s: %s; trying again", self.address(name), error)

    def rename(self, old: str, new: str) -> None:
        with translated():
            obstore.rename(self.store, old, new)

    def delete(self, name: str) -> None:
        with translated():
            obstore.delete(self.store, name)

    def address(self, name: str) -> str:
        return f"{self.url}/{name}"

    def is_locked(self) -> bool:
        with translated():
            return seems_held(self.store)

    @contextmanager
    def lock(self) -> Iterator[Lock]:
        lock = ObjectLock(store_at(self.url, LOCK_REPEAT_S, LOCK_TIMEOUT_S), self.url)
        with translated():
            lock.take()
        try:
            yield lock
        finally:
            lock.leave()
