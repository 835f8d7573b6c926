"""What a part of the measurement found: one figure a row, written as it comes."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

WHOLE = "the part itself"
"""What rows about a part as a whole are of."""
HEADINGS = ("part", "of", "figure", "value", "beside")


@dataclass(frozen=True)
class Row:
    """One figure, and `beside` it what it is to be held against."""

    part: str
    of: str
    figure: str
    value: float | str
    beside: str = ""


@dataclass
class Rows:
    """The rows of one part, appended to a file at once: what follows may fail."""

    file: Path
    part: str
    written: list[Row] = field(default_factory=list)

    def add(self, of: str, figure: str, value: float | str, beside: str = "") -> None:
        row = Row(self.part, of, figure, value, beside)
        self.written.append(row)
        with self.file.open("a") as file:
            file.write(json.dumps(asdict(row)) + "\n")


def stored(file: Path) -> list[Row]:
    """All rows of a file, in order."""
    if not file.exists():
        return []
    return [Row(**json.loads(line)) for line in file.read_text().splitlines()]


def shown(value: float | str) -> str:
    """A figure with the digits that mean something."""
    if isinstance(value, str):
        return value.replace("|", "\\|")
    if value and not 0.001 <= abs(value) < 1e6:
        return f"{value:.2e}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def markdown(rows: Iterable[Row]) -> str:
    """The rows as one Markdown table."""
    lines = [HEADINGS, tuple("---" for _ in HEADINGS)]
    lines += [(row.part, row.of, row.figure, shown(row.value), shown(row.beside)) for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
