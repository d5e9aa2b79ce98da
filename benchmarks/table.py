"""Tables that grow row by row, so that a benchmark may be stopped and carried on."""

import csv
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path


def version() -> str:
    """Return the commit of the code, marked where files differ from it."""
    git = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()


def done(table: Path, *columns: str) -> set[tuple[str, ...]]:
    """Return what the rows that are there hold in some columns."""
    if not table.exists():
        return set()
    with table.open() as file:
        return {tuple(row[name] for name in columns) for row in csv.DictReader(file)}


def append(table: Path, columns: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write rows at the end of a table, which gets its head with the first ones."""
    new = not table.exists()
    with table.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(columns)
        writer.writerows(rows)
