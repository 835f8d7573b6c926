"""A run directory looked at before a job takes it: what would refuse the job, found out without
writing anything."""

from dataclasses import dataclass, field
from typing import Any

from tts_ray.errors import StoreError
from tts_ray.results.folder import Folder
from tts_ray.results.grade_file import newer_grades
from tts_ray.results.part_file import BadPart, read_part
from tts_ray.results.run_directory import refuse_other_files, refuse_other_run
from tts_ray.results.stored_parts import examined


@dataclass
class StoredRun:
    """The question of each problem that has results, by id; how many searches ended; and the parts
    that a job would set aside."""

    questions: dict[str, str] = field(default_factory=dict)
    searches: int = 0
    bad_parts: list[str] = field(default_factory=list)


def look_at(folder: Folder, identity: dict[str, Any]) -> StoredRun:
    """What a job of this identity would find.

    Raises:
        StoreError: it would be refused: another job writes here, or the folder holds another
            configuration, other files, or what cannot be read.
    """
    found = StoredRun()
    try:
        refuse_other_files(folder)
        if folder.is_locked():
            raise StoreError(f"another job is writing to {folder}; wait for it or stop it")
        refuse_other_run(folder, identity)
        columns = ["problem_id", "question", "error"]
        for part, table in examined(folder, lambda part: read_part(folder, part, columns)):
            if isinstance(table, BadPart):
                found.bad_parts.append(part)
                continue
            rows = table.to_pylist()
            found.questions |= {row["problem_id"]: row["question"] for row in rows}
            found.searches += sum(row["error"] is None for row in rows)
        newer_grades(folder)
    except OSError as error:
        raise StoreError(f"run directory {folder} cannot be read: {error}") from None
    return found
