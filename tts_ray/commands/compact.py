"""Merge the parts of a stored run, or of every run of a sweep, into few large ones.

    python jobs/compact.py runs/pocket
    python jobs/compact.py s3://bucket/runs/pocket-sweep

Nothing that a reader sees changes but the number of files; a run goes on afterwards as before. A
job that ends does the same by itself: this is for runs that were stopped, and for older ones.
"""

import argparse
from collections.abc import Sequence

from tts_ray.errors import StoreError
from tts_ray.results.compaction import compact
from tts_ray.results.folder import folder_at
from tts_ray.results.part_file import BadPart
from tts_ray.results.run_directory import runs_at
from tts_ray.runtime.console import job_console, say


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="a run directory, or a sweep's: a path or a URL")
    here = folder_at(parser.parse_args(argv).run)
    console = job_console()
    try:
        runs = runs_at(here)
        for run in runs:
            with run.lock() as lock:
                found = compact(run, lock)
            size = f"{found.size / 2**20:.1f} MiB"
            is_less = found.after < found.before
            now = f" are {found.after} now ({size})" if is_less else ", nothing to merge"
            say(console, f"{run}: {found.before} parts{now}")
    except BadPart as error:
        raise StoreError(f"{error}; the run's own command sets it aside") from None
    except OSError as error:
        raise StoreError(f"{here} cannot be read or written: {error}") from None
    return 0
