"""What a run did, to be compared with what another did."""

from pathlib import Path
from typing import Any

from tts_ray.results.folder import folder_at
from tts_ray.results.search_columns import NAMES, from_columns
from tts_ray.results.stored_parts import read
from tts_ray.types import SearchId


def work_of(run: Path) -> dict[tuple[str, SearchId], Any]:
    """What each finished search did, by (problem, search): its tree, and what both engines
    were given. Cached and computed tokens depend on who else was served, and are not compared.

    Raises:
        AssertionError: a search is there twice.
        StoreError: a result file is not what was written.
    """
    columns = ["problem_id", *NAMES, "nodes", "candidates", "policy_usage", "reward_usage", "error"]
    rows = [row for row in read(folder_at(run), columns).to_pylist() if row["error"] is None]
    found = {
        (row["problem_id"], from_columns(row)): (
            (row["nodes"], row["candidates"]),
            [
                (u["prompt_tokens"], u["generated_tokens"])
                for u in (row["policy_usage"], row["reward_usage"])
            ],
        )
        for row in rows
    }
    assert len(found) == len(rows), "a search is there twice"
    return found
