"""The lock of an object store, which knows no lock that ends with its holder.

The holder renews an object every `BEAT_S`. One that was not renewed for `STALE_S`, by the store's
own clock, is taken over. Each of these is a conditional put: of two jobs that try, one succeeds.
A holder that slept or could not reach the store finds that out before it writes again.
"""

import logging
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

from tts_ray.errors import StoreError
from tts_ray.results.folder import Lock

log = logging.getLogger(__name__)
BEAT_S = 15.0
STALE_S = 60.0
POLL_S = 1.0
NAME = "lock"


class ObjectLock(Lock):
    """The lock of the folder that `store` shows, at `url`."""

    def __init__(self, store: Any, url: str) -> None:
        self.store = store
        self.url = url
        self.token = uuid.uuid4().hex
        self.beats = 0
        self.lost = ""
        """Why it is no longer held."""
        self._version: Any = None
        self._renewed = 0.0
        self._renewing = threading.Lock()
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lock", daemon=True)

    def take(self) -> None:
        """Take the lock. If the last holder left without a word, wait until that is certain.

        Raises:
            StoreError: a job holds it, and renews it.
        """
        try:
            self._put("create")
        except AlreadyExistsError:
            self._take_over()
        self._insist()
        self._thread.start()

    def leave(self) -> None:
        """Give it back, unless it is another's by now."""
        self._left.set()
        self._thread.join()
        self._renew()
        if self.lost:
            return
        try:
            obstore.delete(self.store, NAME)
        except (BaseError, OSError) as error:
            log.warning("%s: the lock stays until it is stale: %s", self.url, brief(error))

    def check(self) -> None:
        if awake() - self._renewed > STALE_S / 2:
            self._renew()
        if self.lost:
            raise StoreError(f"{self.url}: {self.lost}; what is there is intact")

    def _insist(self) -> None:
        """Refuse a store that ignores conditions: it could keep nobody out."""
        held = self._version
        self._put(version_of(held))
        modes: list[Any] = ["create", version_of(held)]
        for mode in modes:
            try:
                obstore.put(self.store, NAME, b"", mode=mode)
            except (AlreadyExistsError, PreconditionError):
                continue
            obstore.delete(self.store, NAME)
            raise StoreError(
                f"{self.url} lies in a store without conditional puts; choose another run="
            )

    def _put(self, mode: Any) -> None:
        self.beats += 1
        content = f"{self.token} {self.beats}".encode()
        self._version = obstore.put(self.store, NAME, content, mode=mode)
        self._renewed = awake()

    def _take_over(self) -> None:
        try:
            left = self._left_behind()
            self._put("create" if left is None else version_of(left))
        except (AlreadyExistsError, PreconditionError, FileNotFoundError):
            raise StoreError(f"another job has just taken {self.url} over") from None

    def _left_behind(self) -> Any:
        """A lock that its holder no longer renews, once that is certain; None if it was given back
        meanwhile."""
        try:
            first = obstore.head(self.store, NAME)
            log.info("%s has a lock; waiting until it is renewed or %g s old", self.url, STALE_S)
            while (self._clock() - first["last_modified"]).total_seconds() < STALE_S:
                time.sleep(POLL_S)
                if obstore.head(self.store, NAME)["e_tag"] != first["e_tag"]:
                    raise StoreError(
                        f"another job is writing to {self.url}; wait for it or stop it"
                    )
            return first
        except FileNotFoundError:
            return None

    def _clock(self) -> datetime:
        """The store's time."""
        probe = f"{NAME}.{self.token}"
        obstore.put(self.store, probe, b"")
        try:
            return obstore.head(self.store, probe)["last_modified"]
        finally:
            obstore.delete(self.store, probe)

    def _beat(self) -> None:
        while not self._left.wait(BEAT_S) and not self.lost:
            self._renew()

    def _renew(self) -> None:
        with self._renewing:
            if self.lost:
                return
            try:
                try:
                    self._put(version_of(self._version))
                except (PreconditionError, FileNotFoundError):
                    self._recognise()
            except (BaseError, OSError) as error:
                if awake() - self._renewed > STALE_S:
                    self.lost = f"the lock could not be renewed for {STALE_S:g} s ({brief(error)})"

    def _recognise(self) -> None:
        """Tell a renewal whose answer was lost from another job's lock."""
        try:
            found = obstore.get(self.store, NAME)
            if found.bytes().to_bytes().startswith(self.token.encode()):
                self._version = found.meta
                return
        except FileNotFoundError:
            pass
        self.lost = "another job has taken the run over"


def seems_held(store: Any) -> bool:
    """Whether a lock was renewed of late, by this machine's clock."""
    try:
        renewed = obstore.head(store, NAME)["last_modified"]
    except FileNotFoundError:
        return False
    return bool((datetime.now(UTC) - renewed).total_seconds() < STALE_S)


def awake() -> float:
    """Seconds on a clock that goes on while the machine sleeps, where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def brief(error: BaseException) -> str:
    """What an error says, without the request's history."""
    return str(error).strip().partition("\n")[0]


def version_of(written: Any) -> dict[str, Any]:
    """What makes a put conditional on this version."""
    return {key: written[key] for key in ("e_tag", "version") if written[key] is not None}
