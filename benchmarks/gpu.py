"""Every figure that only a GPU can give, in under twenty minutes on one card, without a network.

    python benchmarks/gpu.py [--parts searches,scores] [--minutes 20] [--out gpu]
    python benchmarks/gpu.py --tiny      the same code in miniature on a CPU, in 4 to 6 minutes

    checkpoints  models of real shapes with random weights
    searches     tokens/s beside plain generation, busy share, PRM tokens, FLOP/s
    scores       incremental PRM scores against whole ones and transformers
    memory       what policy and PRM on one card take, against the plan
    losses       memory and service after a SIGKILL of the engine's core and of its actor

Each part is a process of its own, so a failure costs only its rows. Rows are written as they come:
OUT/gpu.json and OUT/gpu.md, and what each part printed to OUT/PART.log. Engines are Ray actors
where Ray is installed, and in the part's process where it is not.

The weights are random, so a model does not stop by itself. Its vocabulary therefore has words that
end a step and words that end a solution, with odds that give steps of 48 and solutions of 400
tokens on average (one_card/checkpoints.py); a step is cut at 256 tokens and a solution at 768.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.one_card.rows import WHOLE, Row, Rows, markdown, stored
from tts_ray.engines.spec import environment

ROOT = Path(__file__).parents[1]
PARTS = ("checkpoints", "searches", "scores", "memory", "losses")
WRITE_S = 2.0
"""How often the tables are written anew."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tiny", action="store_true", help="in miniature, on a CPU")
    parser.add_argument("--parts", default=",".join(PARTS), help="which, in which order (all)")
    parser.add_argument("--minutes", type=float, default=20.0, help="time for all of them (20)")
    parser.add_argument("--out", type=Path, default=Path("gpu"), help="where the tables go (gpu)")
    parser.add_argument("--folder", type=Path, help="of the checkpoints (temporary)")
    parser.add_argument("--no-ray", action="store_true", help="engines in the part's own process")
    options = parser.parse_args()
    parts = options.parts.split(",")
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"--parts: {unknown[0]!r} is none of {', '.join(PARTS)}")
    options.out.mkdir(parents=True, exist_ok=True)
    rows = options.out / "rows.jsonl"
    rows.unlink(missing_ok=True)
    ends = time.monotonic() + 60 * options.minutes
    folder = options.folder or Path(tempfile.mkdtemp(prefix="checkpoints-"))
    words = ["--folder", str(folder), "--rows", str(rows)]
    words += ["--tiny"] if options.tiny else []
    words += ["--no-ray"] if options.no_ray or find_spec("ray") is None else []
    try:
        for part in parts:
            began = time.monotonic()
            failure = run(part, words, options.out, "cpu" if options.tiny else "cuda", ends)
            report = Rows(rows, part)
            if failure and not any(has_failed(row, part) for row in stored(rows)):
                report.add(WHOLE, "failed", failure)
            report.add(WHOLE, "seconds", time.monotonic() - began)
            write(options.out, stored(rows))
    finally:
        if options.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
    found = stored(rows)
    print(markdown(found))
    return int(any(has_failed(row, part) for row in found for part in parts))


def has_failed(row: Row, part: str) -> bool:
    """Whether the row says that a part has failed."""
    return (row.part, row.of, row.figure) == (part, WHOLE, "failed")


def run(part: str, words: list[str], out: Path, device: str, ends: float) -> str:
    """Run one part until `ends`; why it failed, empty if it did not."""
    if time.monotonic() > ends:
        return "not begun: the time was up"
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with (out / f"{part}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.one_card.part", part, *words],
            env=os.environ | environment(device) | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": path},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                if time.monotonic() > ends:
                    return "ended: the time was up"
                try:
                    process.wait(WRITE_S)
                except subprocess.TimeoutExpired:
                    write(out, stored(out / "rows.jsonl"))
        finally:
            end_group(process)
    if process.returncode == 0:
        return ""
    return f"exit code {process.returncode}; {part}.log has what it printed"


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a part and all that it started, also what outlived it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def write(out: Path, rows: list[Row]) -> None:
    """The rows so far as one JSON file and one Markdown table."""
    (out / "gpu.json").write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    (out / "gpu.md").write_text(markdown(rows))


if __name__ == "__main__":
    sys.exit(main())
