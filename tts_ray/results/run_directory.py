"""A run directory: one configuration, and every finished search exactly once.

    run.yaml            the resolved configuration, its digest, versions, git revision
    problems.json       which problems it is about
    part-000001.parquet finished searches, in whole files that appear atomically, and are merged
                        into few at the end (compaction.py)
    lock                held by the running job

It may lie on a local or shared file system or in an object store (folder.py). `append` returns only
once the record is stored, so a kill at any moment loses at most the searches in flight.
"""

import asyncio
import logging
import re
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from tts_ray.errors import StoreError
from tts_ray.results import earlier
from tts_ray.results.compaction import compact, counting_sizes, finish_deletion
from tts_ray.results.description import FILE, stored_identity
from tts_ray.results.folder import Folder
from tts_ray.results.local_folder import UNFINISHED
from tts_ray.results.part_file import (
    BadPart,
    rows_in,
    to_part,
    version_of,
)
from tts_ray.results.part_name import part_name, part_numbers
from tts_ray.results.stored_parts import examined, parts
from tts_ray.types import Record
from tts_ray.yaml_text import dump_yaml

log = logging.getLogger(__name__)

OWN = re.compile(
    r"run\.yaml|problems\.json|lock(\.\w+)?|probe(-[\w-]+)?(\.tmp)?|job\.log(\.\d+)?|wandb|\w+\.png|"
    r"report\.md|(part-\d+(-\d+)?|grades-\d+)\.parquet(\.bad)?|" + UNFINISHED.pattern
)
"""What a run leaves in its directory."""
OF_A_SWEEP = re.compile(r"strategy-.*\.yaml(\.tmp)?")
"""What a sweep leaves beside its runs."""
ELSES = re.compile(r"\..*|lost\+found|slurm-\S+\.(out|err)")
"""What lies in a directory though nobody put results there."""


class RunDirectory:
    """The run directory while a job writes to it; a context manager that holds its lock.

    Args:
        folder: created if need be.
        identity: what the records depend on; a directory that holds another is refused.
        about: the rest of run.yaml (digest, versions, settings), written when new.

    Raises:
        StoreError: another job holds it, it holds another configuration or other files, or it is
            not writable.

    A part that is damaged or was not written by this package is set aside, not deleted.
    """

    def __init__(self, folder: Folder, identity: dict[str, Any], about: dict[str, Any]) -> None:
        self.folder = folder
        self.identity = identity
        self.about = about
        self._queue: list[tuple[Record, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        try:
            refuse_other_files(self.folder)
            with ExitStack() as opened:
                self._lock = opened.enter_context(self.folder.lock())
                # A full disk or a read-only one is found before the engines are loaded.
                self.folder.write("probe", b"written")
                self.folder.delete("probe")
                self._describe()
                self._set_bad_parts_aside()
                finish_deletion(self.folder, self._lock)
                self._sizes = counting_sizes(self.folder)
                numbers = [part_numbers(n.removesuffix(".bad")) for n in self.folder.names()]
                self._next = 1 + max((last for _, last in filter(None, numbers)), default=0)
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
        if not parts(self.folder):
            # Without results any configuration will do: one that was refused is corrected here.
            self.folder.write(FILE, dump_yaml(self.about | {"identity": self.identity}))
            return
        refuse_other_run(self.folder, self.identity)

    def _set_bad_parts_aside(self) -> None:
        """Rename what is no whole result file, so that its searches are done again, but for those
        that are in the parts that a merged one was to replace."""
        for part, found in examined(self.folder, lambda part: rows_in(self.folder, part)):
            if isinstance(found, BadPart):
                aside = f"{part}.bad"
                self.folder.rename(part, aside)
                log.warning("%s: set aside as %s, its searches are done again", found, aside)

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
            part = part_name(self._next)
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
        content = to_part(part, records)
        where = self.folder.address(part)
        self._lock.check()
        try:
            self.folder.create(part, content)
        except FileExistsError:
            raise StoreError(
                f"another job has written {where}; the same command counts it in and goes on"
            ) from None
        except OSError as error:
            raise StoreError(
                f"{where} cannot be written: {error}; what is there is intact"
            ) from None
        # A directory that was moved meanwhile took the part along, or not.
        self._lock.check()
        self._sizes[part] = len(content)

    def confirm(self) -> None:
        """Compare what is stored with what was counted.

        Raises:
            StoreError: a part is missing, or is not as long as it was.
        """
        self._lock.check()
        found = counting_sizes(self.folder)
        lost = sorted(name for name, size in self._sizes.items() if found.get(name) != size)
        if lost:
            raise StoreError(
                f"{self.folder}: {len(lost)} of the files that this job counted are missing or "
                f"changed ({', '.join(lost[:3])}); the same command does their searches again"
            )

    def merge_parts(self) -> None:
        """Merge the parts of a run that ended into few. Its results are all there without that, so
        what goes wrong is a warning."""
        try:
            compact(self.folder, self._lock)
            self._sizes = counting_sizes(self.folder)
        except (StoreError, OSError) as error:
            log.warning("the parts are not all merged: %s", error)


def refuse_other_files(folder: Folder) -> None:
    """Refuse a folder that was not made for a run or a sweep: results would lie among other files.

    Raises:
        StoreError: it holds such files, or cannot be read.
    """
    try:
        names = folder.names()
    except OSError as error:
        raise StoreError(f"run directory {folder} cannot be written: {error}") from None
    other = [name for name in names if not (OWN.fullmatch(name) or ELSES.fullmatch(name))]
    if other and FILE not in names and not is_of_runs(folder, other):
        shown = ", ".join(other[:3]) + (", ..." if len(other) > 3 else "")
        raise StoreError(f"{folder} holds files that are no run's ({shown}); choose another run=")


def refuse_other_run(folder: Folder, identity: dict[str, Any]) -> None:
    """Refuse a run directory whose results depend on something else than `identity`.

    Raises:
        StoreError: it holds another configuration, or results of an unknown one.
        OSError: it cannot be read.
    """
    if not parts(folder):
        return
    if FILE not in folder.files():
        raise StoreError(f"{folder} has results but no {FILE}; choose another run=")
    version = version_of(folder, parts(folder)[0])
    if version in earlier.READABLE:
        raise StoreError(
            f"{folder} has results of schema {version}: jobs/report.py, sweep_report.py and "
            f"sync.py read them, but no job goes on with them; choose another run="
        )
    changes = differences(stored_identity(folder), identity)
    if changes:
        raise StoreError(
            f"{folder} holds a run with another configuration: {', '.join(changes)}; choose "
            f"another run=, or go back to the first configuration to resume"
        )


def is_of_runs(folder: Folder, names: list[str]) -> bool:
    """Whether these entries of a folder are what a sweep leaves: runs, and its reports."""
    begun = {each.name for each in folder.folders() if is_begun(each)}
    return bool(begun) and all(n in begun or OF_A_SWEEP.fullmatch(n) for n in names)


def is_begun(folder: Folder) -> bool:
    """Whether a folder holds a run, or what a job leaves that was killed before run.yaml."""
    names = folder.names()
    return FILE in names or ("lock" in names and all(map(OWN.fullmatch, names)))


def runs_in(folder: Folder) -> list[Folder]:
    """The run directories in a sweep's folder, by name.

    Raises:
        StoreError: the place cannot be read.
    """
    try:
        return [each for each in folder.folders() if FILE in each.files()]
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error}") from None


def runs_at(folder: Folder) -> list[Folder]:
    """The run that lies in a folder, or the runs of a sweep that does.

    Raises:
        StoreError: it holds none, or cannot be read.
        OSError: it cannot be reached.
    """
    runs = [folder] if FILE in folder.files() else runs_in(folder)
    if not runs:
        raise StoreError(f"{folder} holds no run")
    return runs


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
