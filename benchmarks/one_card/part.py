"""One part of the measurement, in a process of its own: `python -m benchmarks.one_card.part`."""

import argparse
import asyncio
from pathlib import Path

from benchmarks.one_card.rows import WHOLE, Rows
from benchmarks.one_card.setting import CARD, TINY, Setting
from tts_ray.text import one_line


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("part")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--no-ray", action="store_true")
    parser.add_argument("--folder", type=Path, required=True, help="of the checkpoints")
    parser.add_argument("--rows", type=Path, required=True)
    options = parser.parse_args()
    setting = TINY if options.tiny else CARD
    rows = Rows(options.rows, options.part)
    try:
        asyncio.run(measure(setting, options.folder, rows, ray=not options.no_ray))
    except Exception as error:
        rows.add(WHOLE, "failed", one_line(f"{type(error).__name__}: {error}"))
        raise


async def measure(setting: Setting, folder: Path, rows: Rows, *, ray: bool) -> None:
    """Do the part that the rows are of."""
    match rows.part:
        case "checkpoints":
            from benchmarks.one_card import checkpoints

            checkpoints.measure(setting, folder, rows)
        case "searches":
            from benchmarks.one_card import searches

            await searches.measure(setting, folder, rows, ray=ray)
        case "scores":
            from benchmarks.one_card import scores

            await scores.measure(setting, folder, rows)
        case "memory":
            from benchmarks.one_card import memory

            await memory.measure(setting, folder, rows)
        case "losses":
            from benchmarks.one_card import losses

            await losses.measure(setting, folder, rows, ray=ray)
        case _:
            raise SystemExit(f"no such part: {rows.part}")


if __name__ == "__main__":
    main()
