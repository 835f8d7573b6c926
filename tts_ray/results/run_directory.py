"""A run directory: one configuration, and every finished search exactly once.

    run.yaml            the resolved configuration, its digest, versions, git revision
    part-000001.parquet finished searches, in whole files that appear atomically
    lock                held by the running job

It may lie on a local or shared file system or in an object store (folder.py). `append` returns only
once the record is stored, so a kill at any moment loses at most the searches in flight.
"""

import asyncio
import io
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from tts_ray.errors import StoreError
from tts_ray.results.folder import Folder
from tts_ray.results.schema import SCHEMA, VERSION, to_record, to_row
from tts_ray.types import Record

log = logging.getLogger(__name__)


class BadPart(StoreError):
    """A part that is truncated, or that this package has not written."""


class RunDirectory:
    """The run directory while a job writes to it; a context manager that holds its lock.

    Args:
        folder: created if need be.
        identity: what the records depend on; a directory that holds another is refused.
        about: the rest of run.yaml (digest, versions, settings), written when new.

    Raises:
        StoreError: another job holds it, it holds another configuration, or it is not writable.

    A part that is truncated or was not written by this package is set aside, not deleted.
    """

    def __init__(self, folder: Folder, identity: dict[str, Any], about: dict[str, Any]) -> None:
        self.folder = folder
        self.identity = identity
        self.about = about
        self._queue: list[tuple[Record, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        try:
            with ExitStack() as opened:
                self._lock = opened.enter_context(self.folder.lock())
                # A full disk or a read-only one is found before the engines are loaded.
                self.folder.write("probe", b"written")
                self.folder.delete("probe")
                self._describe()
                self._set_bad_parts_aside()
                self._next = 1 + max(map(number, parts(self.folder)), default=0)
                self._opened = opened.pop_all()
        except OSError as error:
            raise StoreError(f"run directory {self.folder} cannot be written: {error}") from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._opened.close()

    def _describe(self) -> None:
        if "run.yaml" not in self.folder.files():
            if parts(self.folder):
                raise StoreError(f"{self.folder} has results but no run.yaml; choose another run=")
            text = yaml.safe_dump(self.about | {"identity": self.identity}, sort_keys=False)
            self.folder.write("run.yaml", text.encode())
            return
        changes = differences(description(self.folder)["identity"], self.identity)
        if changes:
            raise StoreError(
                f"{self.folder} holds a run with another configuration: {'; '.join(changes)}. "
                f"Choose another run=, or go back to the first configuration to resume"
            )

    def _set_bad_parts_aside(self) -> None:
        """Rename what is no result file, so that its problems are owed again."""
        for part in parts(self.folder):
            try:
                read_part(self.folder, part, ["problem_id", "search", "error"])
            except BadPart as error:
                aside = f"{part}.bad"
                self.folder.rename(part, aside)
                log.warning("%s: set aside as %s, its searches are owed", error, aside)

    async def append(self, record: Record) -> None:
        """Write one record; returns once it is stored.

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
            part = f"part-{self._next:06d}.parquet"
            self._next += 1
            error: Exception | None = None
            try:
                await asyncio.to_thread(self._write_part, part, [record for record, _ in batch])
            except Exception as failure:
                # Whatever it is, it is for those who wait for the part.
                error = failure
            for _, done in batch:
                if done.cancelled():
                    continue
                if error is None:
                    done.set_result(None)
                else:
                    done.set_exception(error)

    def _write_part(self, part: str, records: list[Record]) -> None:
        """Write records as one Parquet file that appears whole or not at all."""
        table = pa.Table.from_pylist([to_row(record) for record in records], SCHEMA)
        content = io.BytesIO()
        pq.write_table(table, content, compression="zstd")
        self._lock.check()
        try:
            self.folder.create(part, content.getvalue())
        except FileExistsError:
            raise StoreError(
                f"another job has written {self.folder.address(part)}; the same command counts it "
                f"in and goes on"
            ) from None
        except OSError as error:
            raise StoreError(
                f"{self.folder.address(part)} cannot be written: {error}; what is there is intact"
            ) from None


def description(folder: Folder) -> Any:
    """What run.yaml says.

    Raises:
        StoreError: there is no run, or the place cannot be read.
    """
    try:
        return yaml.safe_load(folder.read("run.yaml"))
    except FileNotFoundError:
        raise StoreError(f"{folder} is no run directory: it has no run.yaml") from None
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error}") from None


def runs_in(folder: Folder) -> list[Folder]:
    """The run directories in a sweep's folder, by name.

    Raises:
        StoreError: the place cannot be read.
    """
    try:
        return [each for each in folder.folders() if "run.yaml" in each.files()]
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error}") from None


def parts(folder: Folder) -> list[str]:
    """The names of the result files of a run directory, oldest first.

    Raises:
        StoreError: the place cannot be read.
    """
    try:
        return [name for name in folder.files() if is_part(name)]
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error}") from None


def is_part(name: str) -> bool:
    return name.startswith("part-") and name.endswith(".parquet")


def number(part: str) -> int:
    return int(part.removeprefix("part-").removesuffix(".parquet"))


def read(folder: Folder, columns: list[str] | None = None) -> pa.Table:
    """All rows of a run directory, in the order they were written.

    Nested columns are named like candidates.list.element.kept.

    Raises:
        StoreError: a part is not a readable Parquet file of this schema.
    """
    tables = [read_part(folder, part, columns) for part in parts(folder)]
    if not tables:
        schema = (
            SCHEMA
            if columns is None
            else pa.schema([SCHEMA.field(name.split(".")[0]) for name in dict.fromkeys(columns)])
        )
        return schema.empty_table()
    return pa.concat_tables(tables)


def read_part(folder: Folder, part: str, columns: list[str] | None) -> pa.Table:
    """The rows of one part.

    Raises:
        BadPart: it is no such file, or not all of one.
        StoreError: it cannot be reached, or is of another version of this package.
    """
    where = folder.address(part)
    try:
        content = folder.read(part)
    except OSError as error:
        raise StoreError(f"{where} cannot be read: {error}") from None
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        written = (file.schema_arrow.metadata or {}).get(b"tts_ray.schema")
        if written is None:
            raise BadPart(f"{where} was not written by tts_ray")
        if written.decode() != VERSION:
            raise StoreError(
                f"{where} has schema {written.decode()}, and this tts_ray reads schema {VERSION}; "
                f"read it with the version named in run.yaml"
            )
        return file.read(columns)
    except (pa.ArrowInvalid, OSError) as error:
        raise BadPart(f"{where} is not readable ({error})") from None


def records(folder: Folder) -> Iterator[Record]:
    """Every finished record of a run directory, part by part; failed attempts are left out.

    Raises:
        StoreError: a part is not a readable Parquet file of this schema.
    """
    for part in parts(folder):
        for row in read_part(folder, part, None).to_pylist():
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
