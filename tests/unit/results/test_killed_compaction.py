"""Merging by a process that is killed by SIGKILL at a random moment, dozens of times."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from tests.patience import PATIENCE_S
from tests.unit.results.test_compaction import append, merged, part_files, rows
from tests.unit.results.test_run_directory import record_of
from tts_ray.results.folder import folder_at
from tts_ray.results.stored_parts import parts

KILLS = 40
COUNT = 12
"""Parts of the run."""
SCRIPT = """
import os, sys
from tts_ray.results.compaction import compact
from tts_ray.results.folder import folder_at

for run in map(str.rstrip, sys.stdin):
    child = os.fork()
    if not child:
        folder = folder_at(run)
        with folder.lock() as lock:
            compact(folder, lock)
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_a_process_that_is_killed_while_it_merges_loses_and_doubles_nothing(tmp_path):
    append(folder_at(tmp_path / "run"), *map(record_of, range(COUNT)))
    wanted = rows(folder_at(tmp_path / "run"))
    dice = random.Random(0)
    kills = half_way = 0
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:

        def life(run, seconds):
            """A process that merges and is killed after so many seconds; its exit code, and how
            long it lived."""
            print(run, file=server.stdin, flush=True)
            child = int(server.stdout.readline())
            begun = time.monotonic()

            def kill():
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)

            timer = threading.Timer(seconds, kill)
            timer.start()
            code = int(server.stdout.readline())
            timer.cancel()
            return code, time.monotonic() - begun

        copy = shutil.copytree(tmp_path / "run", tmp_path / "calm")
        code, lasts = life(copy, PATIENCE_S)
        assert code == 0
        for number in range(4 * KILLS):
            copy = shutil.copytree(tmp_path / "run", tmp_path / str(number))
            folder = folder_at(copy)
            code, _ = life(copy, dice.uniform(0, lasts))
            assert code in (0, -signal.SIGKILL)
            kills += code != 0
            half_way += folder.files() != ["lock", *parts(folder), "run.yaml"]
            assert rows(folder) == wanted
            merged(folder)
            assert part_files(folder) == ["part-000001-000012.parquet"]
            assert folder.files() == ["lock", *parts(folder), "run.yaml"]
            assert rows(folder) == wanted
            if kills == KILLS:
                break
        server.stdin.close()
    assert kills == KILLS
    assert half_way
