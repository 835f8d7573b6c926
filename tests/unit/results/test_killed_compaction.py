"""Merging by a process that is killed by SIGKILL at a random moment, dozens of times."""

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.patience import PATIENCE_S
from tests.unit.results.test_compaction import append, merged, part_files, rows
from tests.unit.results.test_run_directory import record_of
from tts_ray.results.folder import folder_at
from tts_ray.results.run_directory import parts

KILLS = 30
RUNS = 8
"""Runs that each process merges, one after the other."""
SCRIPT = """
import sys
from tts_ray.results.compaction import compact
from tts_ray.results.folder import folder_at

print("begun", flush=True)
for run in sys.argv[1:]:
    folder = folder_at(run)
    with folder.lock() as lock:
        compact(folder, lock)
"""


def started(runs):
    """A process that has begun to merge the parts of these runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *map(str, runs)],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "begun\n"
    return process


def copies(run, folder):
    """The same run, so many times."""
    shutil.rmtree(folder, ignore_errors=True)
    return [shutil.copytree(run, folder / str(number)) for number in range(RUNS)]


def test_a_process_that_is_killed_while_it_merges_loses_and_doubles_nothing(tmp_path):
    run = folder_at(tmp_path / "run")
    append(run, *map(record_of, range(20)))
    wanted = rows(run)
    begun = time.monotonic()
    with started(copies(tmp_path / "run", tmp_path / "copies")) as calm:
        assert calm.wait(PATIENCE_S) == 0
    lasts = time.monotonic() - begun
    dice = random.Random(0)
    kills = half_way = 0
    for _ in range(4 * KILLS):
        runs = copies(tmp_path / "run", tmp_path / "copies")
        with started(runs) as process:
            try:
                process.wait(dice.uniform(0, lasts))
            except subprocess.TimeoutExpired:
                kills += 1
            process.kill()
        for folder in map(folder_at, runs):
            half_way += len(part_files(folder)) not in (1, 20) or any(
                name.endswith(".tmp") for name in folder.files()
            )
            assert rows(folder) == wanted
            merged(folder)
            assert part_files(folder) == parts(folder) == ["part-000001-000020.parquet"]
            assert rows(folder) == wanted
        if kills == KILLS:
            break
    assert kills == KILLS
    assert half_way > KILLS / 10
