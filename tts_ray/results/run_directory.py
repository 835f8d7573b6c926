"""A run directory: one configuration, and every finished search exactly once.

    run.yaml            the resolved configuration, its digest, versions, git revision
    part-000001.parquet finished searches, in whole files that appear atomically
    lock                held by the running job; the system lets go of it however the job ends

`append` returns only once the record is on disk, so a kill at any moment loses at most the
searches in flight.
"""

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from tts_ray.errors import StoreError
from tts_ray.results.schema import SCHEMA, VERSION, to_record, to_row
from tts_ray.types import Record

T = TypeVar("T")


class OtherSchema(StoreError):
    """A part of another version of this package: whole, but not to be read by this one."""


class RunDirectory:
    """The run directory while a job writes to it; a context manager that holds its lock.

    Args:
        path: created if need be.
        identity: what the records depend on; a directory that holds another is refused.
        about: the rest of run.yaml (digest, versions, settings), written when new.

    Raises:
        StoreError: another job holds it, it holds another configuration, or it is not writable.

    A part that is truncated or was not written by this package is set aside, not deleted.
    """

    def __init__(self, path: Path, identity: dict[str, Any], about: dict[str, Any]) -> None:
        self.path = path
        self.identity = identity
        self.about = about
        self._lock: IO[str] | None = None
        self._queue: list[tuple[Record, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self.notices: list[str] = []
        """What was found amiss and set right, for people to read."""

    def __enter__(self) -> Self:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = open(self.path / "lock", "a")
        except OSError as error:
            raise StoreError(f"run directory {self.path} cannot be written: {error}") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise StoreError(
                f"another job is writing to {self.path}; wait for it or stop it"
            ) from None
        try:
            self._probe()
            self._describe()
            for leftover in self.path.glob("*.tmp"):
                leftover.unlink()
            self._set_bad_parts_aside()
            self._next = 1 + max((number(part) for part in parts(self.path)), default=0)
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._lock is not None
        self._lock.close()

    def _describe(self) -> None:
        file = self.path / "run.yaml"
        if not file.exists():
            if parts(self.path):
                raise StoreError(f"{self.path} has results but no run.yaml; choose another run=")
            text = yaml.safe_dump(self.about | {"identity": self.identity}, sort_keys=False)
            write_atomically(file, lambda temporary: temporary.write_text(text))
            return
        changes = differences(yaml.safe_load(file.read_text())["identity"], self.identity)
        if changes:
            raise StoreError(
                f"{self.path} holds a run with another configuration: {'; '.join(changes)}. "
                f"Choose another run=, or go back to the first configuration to resume"
            )

    def _probe(self) -> None:
        """Write something, so that a full disk or a read-only one is found before the engines
        are loaded."""
        probe = self.path / "probe"
        try:
            write_atomically(probe, lambda temporary: temporary.write_text("written"))
            probe.unlink()
        except OSError as error:
            raise StoreError(f"run directory {self.path} cannot be written: {error}") from None

    def _set_bad_parts_aside(self) -> None:
        """Rename what is no result file, so that its problems are owed again."""
        for part in parts(self.path):
            try:
                read_part(part, ["problem_id", "search", "error"])
            except OtherSchema:
                raise
            except StoreError as error:
                aside = part.with_name(part.name + ".bad")
                os.replace(part, aside)
                self.notices.append(f"{error}: set aside as {aside.name}, its searches are owed")

    async def append(self, record: Record) -> None:
        """Write one record; returns once it is on disk.

        Records that arrive while a part is being written share the next part.

        Raises:
            StoreError: the part cannot be written, for instance because the disk is full.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((record, done))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._drain())
        await done

    async def _drain(self) -> None:
        while self._queue:
            batch, self._queue = self._queue, []
            part = self.path / f"part-{self._next:06d}.parquet"
            self._next += 1
            error = None
            try:
                await asyncio.to_thread(write_part, part, [record for record, _ in batch])
            except OSError as failure:
                part.with_name(part.name + ".tmp").unlink(missing_ok=True)
                error = StoreError(f"{part} cannot be written: {failure}; what is there is intact")
            for _, done in batch:
                if done.cancelled():
                    continue
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)


def write_part(part: Path, records: list[Record]) -> None:
    """Write records as one Parquet file that appears whole or not at all."""
    table = pa.Table.from_pylist([to_row(record) for record in records], SCHEMA)
    write_atomically(part, lambda temporary: pq.write_table(table, temporary, compression="zstd"))


def write_atomically(file: Path, write: Callable[[Path], Any]) -> None:
    """Write beside `file`, flush to disk, then take its name."""
    temporary = file.with_name(file.name + ".tmp")
    write(temporary)
    with open(temporary, "rb+") as written:
        os.fsync(written.fileno())
    os.replace(temporary, file)


def parts(path: Path) -> list[Path]:
    """The result files of a run directory, oldest first."""
    return sorted(path.glob("part-*.parquet"))


def number(part: Path) -> int:
    return int(part.stem.removeprefix("part-"))


def read(path: Path, columns: list[str] | None = None) -> pa.Table:
    """All rows of a run directory, in the order they were written.

    Nested columns are named like candidates.list.element.kept.

    Raises:
        StoreError: a part is not a readable Parquet file of this schema.
    """
    tables = [read_part(part, columns) for part in parts(path)]
    if not tables:
        schema = (
            SCHEMA
            if columns is None
            else pa.schema([SCHEMA.field(name.split(".")[0]) for name in dict.fromkeys(columns)])
        )
        return schema.empty_table()
    return pa.concat_tables(tables)


def read_part(part: Path, columns: list[str] | None) -> pa.Table:
    """The rows of one part. Raises StoreError if it is not one of this schema."""
    try:
        file = pq.ParquetFile(part)
        written = (file.schema_arrow.metadata or {}).get(b"tts_ray.schema")
        if written is None:
            raise StoreError(f"{part} was not written by tts_ray")
        if written.decode() != VERSION:
            raise OtherSchema(
                f"{part} has schema {written.decode()}, and this tts_ray reads schema {VERSION}; "
                f"read it with the version named in run.yaml"
            )
        return file.read(columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise StoreError(f"{part} is not readable ({error})") from None


def records(path: Path) -> Iterator[Record]:
    """Every finished record of a run directory, part by part; failed attempts are left out.

    Raises:
        StoreError: a part is not a readable Parquet file of this schema.
    """
    for part in parts(path):
        for row in read_part(part, None).to_pylist():
            if row["error"] is None:
                yield to_record(row)


def differences(old: Any, new: Any, key: str = "") -> list[str]:
    """Where two configurations differ, as "key: old -> new"."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            change
            for name in dict.fromkeys([*old, *new])
            for change in differences(
                old.get(name), new.get(name), f"{key}.{name}" if key else name
            )
        ]
    return [] if old == new else [f"{key}: {old!r} -> {new!r}"]
