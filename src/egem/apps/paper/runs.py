"""Runs: one row of the table at one repeat each, and the records of those that are finished.

The record of a run goes to a file of its own, written aside and renamed, so that an interruption
loses the run in progress at most. A record counts only where its settings are those asked for now.
All records together are the results file.
"""

import json
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from egem.apps.paper.protocol import Task
from egem.runtime.files import atomic_write

Figures = dict[str, Any]
Arrays = dict[str, np.ndarray]

RESULTS = "results.csv"
COLUMNS = ("run", "dataset", "condition", "row", "repeat", "seed", "settings", "seconds")


@dataclass(frozen=True)
class Run:
    """One row of the table at one repeat.

    Attributes
    ----------
    task : Task
        The problem.
    condition : str
        ``"clustered"``, ``"random"``, ``"full"`` or, for runs beside the table, ``"-"``.
    row : str
        Which row; an EGEM row is ``"EGEM 0"`` to ``"EGEM 8"`` by noise setting.
    repeat : int
        Which repeat.
    """

    task: Task
    condition: str
    row: str
    repeat: int

    @property
    def id(self) -> str:
        """Name, unique in the plan."""
        return f"{self.task.name}/{self.condition}/{self.row}/{self.repeat}"

    @property
    def seed(self) -> int:
        """Seed of all that is random but the cases, which all rows of a repeat share."""
        return zlib.crc32(self.id.encode())

    @property
    def settings(self) -> str:
        """Everything that the figures depend on, as JSON."""
        return json.dumps(asdict(self.task), sort_keys=True)

    @property
    def file(self) -> str:
        """Name of its record."""
        return re.sub(r"\W+", "-", self.id) + ".json"


class Result(NamedTuple):
    """Figures of a run for the results file, and arrays for pictures."""

    figures: Figures
    arrays: Arrays = {}  # noqa: RUF012


def chosen(runs: Iterable[Run], only: Sequence[str]) -> list[Run]:
    """Keep the runs that match any pattern; a pattern matches any part of the name.

    >>> from egem.apps.paper.protocol import MNIST
    >>> runs = [Run(MNIST, "random", row, 0) for row in ("1NN", "LDA")]
    >>> [run.id for run in chosen(runs, ["random/L*"])]
    ['mnist/random/LDA/0']
    """
    return [r for r in runs if not only or any(fnmatch(r.id, f"*{p}*") for p in only)]


class Store:
    """Records of finished runs under one folder.

    Parameters
    ----------
    out : Path
        The folder; ``results.csv`` in it and the records in ``runs`` both count.
    """

    def __init__(self, out: Path):
        self.out = out
        self.folder = out / "runs"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._records: dict[str, dict[str, Any]] = {}
        for record in _rows(out / RESULTS):
            self._records[record["run"]] = record
        for file in sorted(self.folder.glob("*.json")):
            record = json.loads(file.read_text())
            self._records[record["run"]] = record

    def has(self, run: Run) -> bool:
        """Whether a run is finished with the settings it has now."""
        record = self._records.get(run.id)
        return record is not None and record["settings"] == run.settings

    def seconds(self) -> dict[str, float]:
        """Seconds each finished run took."""
        return {name: float(r["seconds"]) for name, r in self._records.items()}

    def put(self, run: Run, seconds: float, result: Result) -> None:
        """Keep a finished run; when this returns, it is on the disk."""
        figures, arrays = result
        record = {
            "run": run.id,
            "dataset": run.task.dataset,
            "condition": run.condition,
            "row": run.row,
            "repeat": run.repeat,
            "seed": run.seed,
            "settings": run.settings,
            "seconds": round(seconds, 2),
            **{k: json.dumps(v) if isinstance(v, list | dict) else v for k, v in figures.items()},
        }
        path = self.folder / run.file
        if arrays:
            with atomic_write(path.with_suffix(".npz")) as file:
                np.savez_compressed(file, allow_pickle=False, **arrays)
        with atomic_write(path) as file:
            file.write(json.dumps(record).encode())
        self._records[run.id] = record

    def write_results(self, runs: Iterable[Run]) -> None:
        """Write the finished ones of the runs, and others' records, to the results file."""
        stale = {r.id for r in runs if not self.has(r)}
        records = [r for name, r in self._records.items() if name not in stale]
        if not records:
            return
        table = pd.DataFrame(sorted(records, key=lambda r: r["run"]))
        table = table[[*COLUMNS, *sorted(set(table.columns) - set(COLUMNS))]]
        with atomic_write(self.out / RESULTS) as file:
            file.write(table.to_csv(index=False).encode())


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    table = pd.read_csv(path)
    return [
        {k: v for k, v in row.items() if not (isinstance(v, float) and np.isnan(v))}
        for row in table.to_dict("records")
    ]
