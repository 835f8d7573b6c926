"""Which problems a run is about. A dataset may change between two jobs of a run: what was added is
done, and what was taken away or corrected is never counted without a decision.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from tts_ray.errors import ConfigError, StoreError
from tts_ray.results.folder import Folder
from tts_ray.typed import Text, typed
from tts_ray.types import Problem

FILE = "problems.json"
NAMED = 5
"""Problems that a message names."""


@dataclass(frozen=True)
class ProblemList:
    """The ids of a run's problems: those of its dataset, and of those that the dataset no longer
    has, the ones whose results count on (`kept`) and the ones whose results do not (`dropped`)."""

    problems: list[Text]
    kept: list[Text]
    dropped: list[Text]

    def write(self, folder: Folder) -> None:
        """Raises OSError if the folder cannot be written."""
        folder.write(FILE, json.dumps(asdict(self), indent=0).encode())


def problem_list(folder: Folder) -> ProblemList:
    """The list that a run's last job left; an empty one where no job left any.

    Raises:
        StoreError: it cannot be read, or is damaged.
    """
    try:
        found = json.loads(folder.read(FILE))
        return typed(ProblemList, found if isinstance(found, dict) else {})
    except FileNotFoundError:
        return ProblemList([], [], [])
    except OSError as error:
        raise StoreError(f"{folder.address(FILE)} cannot be read: {error}") from None
    except (ConfigError, ValueError, RecursionError) as error:
        raise StoreError(
            f"{folder.address(FILE)} is damaged ({error}); delete it: the next job writes it anew"
        ) from None


def renewed(
    before: ProblemList,
    problems: Sequence[Problem],
    stored: Mapping[str, str],
    changed: Literal["keep", "drop"] | None,
) -> ProblemList:
    """The list of a job that begins.

    Args:
        before: what the last job left.
        problems: what the dataset holds now.
        stored: the question of each problem that has results, by id.
        changed: what to do with results of problems that the dataset no longer has.

    Raises:
        ConfigError: there are such results, and nothing says what to do with them.
    """
    ids = [problem.id for problem in problems]
    asked = {problem.question for problem in problems}
    gone = [key for key in stored if key not in set(ids)]
    corrected = [key for key in gone if stored[key] in asked]
    taken = [key for key in gone if stored[key] not in asked]
    decided = {*before.kept, *before.dropped}
    undecided = [key for key in gone if key not in decided]
    if undecided and changed is None:
        raise ConfigError(
            f"the dataset has changed since this run began: of its problems with results, "
            f"{said(taken, 'taken away')} and {said(corrected, 'given another answer')}. "
            f"dataset.changed=drop leaves their results out, dataset.changed=keep still counts "
            f"those that were taken away; or choose another run="
        )
    kept = [k for k in taken if k in before.kept or (k in undecided and changed == "keep")]
    return ProblemList(ids, kept, [key for key in gone if key not in kept])


def said(ids: Sequence[str], what: str) -> str:
    """E.g. "2 were taken away (a1, b2)"."""
    names = ", ".join(ids[:NAMED]) + (", ..." if len(ids) > NAMED else "")
    return f"{len(ids)} {'was' if len(ids) == 1 else 'were'} {what}" + (
        f" ({names})" if ids else ""
    )
