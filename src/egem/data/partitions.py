"""Long parquet files larger than memory: cases a part at a time, and findings as they come."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from egem.data.long_format import Named, sequences_of
from egem.data.tables import Table, needs
from egem.runtime.files import whole_file

if TYPE_CHECKING:
    import pandas as pd

ROWS_AT_ONCE = 2**19  # time points, about 100 MB on the way


class Partition(NamedTuple):
    """Some of a file's cases, the first of them number ``first``."""

    first: int
    cases: Named


def partitions(
    path: Path, step: float | None, rows_at_once: int = ROWS_AT_ONCE
) -> Iterator[Partition]:
    """Read a long parquet file some rows at a time; a case is never cut in two.

    Parameters
    ----------
    path : Path
        As for :func:`egem.read_data`; the rows of a case are next to each other.
    step : float or None
        Of the grid that uneven times are laid on.
    rows_at_once : int
        About how many.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where it cannot be used, or a case's rows are in several places.
    ImportError
        Where pyarrow is not installed.
    """
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ImportError(needs(path, "pyarrow")) from error
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file; check its name and folder.")
    try:
        file = pq.ParquetFile(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read as .parquet ({error}).") from error
    with file:
        first = row = 0
        closed: set[int] = set()
        for frame in _between_cases(path, file, rows_at_once):
            names = set(map(hash, frame["case"].unique())) if "case" in frame else set()
            if not closed.isdisjoint(names):
                twice = next(name for name in frame["case"] if hash(name) in closed)
                raise ValueError(
                    f"{path}: the rows of case {twice} are in several places; sort the file by "
                    "case to have it read in parts."
                )
            closed |= names
            table = Table(path, dict(frame.items()), len(frame), row + 1)
            cases = sequences_of(table, step, None, None)
            yield Partition(first, cases)
            first, row = first + len(cases.X), row + len(frame)


def _between_cases(path: Path, file: Any, rows_at_once: int) -> Iterator["pd.DataFrame"]:
    """Cut rows where a case ends."""
    import pandas as pd

    left: list[pd.DataFrame] = []
    batches = file.iter_batches(batch_size=rows_at_once)
    while True:
        try:
            batch = next(batches, None)
        except (OSError, ValueError) as error:
            raise ValueError(f"{path}: cannot be read as .parquet ({error}).") from error
        if batch is None:
            break
        frame = batch.to_pandas()
        if "case" not in frame:  # nothing to cut by: the trouble is told further on
            yield frame
            continue
        names = frame["case"].to_numpy()
        last = len(names) - 1
        while last >= 0 and names[last] == names[-1]:
            last -= 1
        same = bool(left) and left[-1]["case"].iloc[-1] == names[-1]
        if last < 0 and same:  # a long case goes on
            left.append(frame)
            continue
        yield_from = [*left, frame.iloc[: last + 1]]
        if sum(map(len, yield_from)):
            yield pd.concat(yield_from, ignore_index=True)
        left = [frame.iloc[last + 1 :]]
    if left:
        yield pd.concat(left, ignore_index=True)


@contextmanager
def parquet_writer(path: Path) -> Iterator[Any]:
    """Write columns as they come; the file is there once all are, or not at all.

    Yields
    ------
    callable
        Takes a dictionary of columns, the same ones at every call.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ImportError(needs(path, "pyarrow")) from error
    writers: list[Any] = []
    with whole_file(path) as file:

        def write(columns: dict[str, np.ndarray]) -> None:
            table = pa.table(columns)
            if not writers:
                writers.append(pq.ParquetWriter(file, table.schema))
            writers[0].write_table(table)

        try:
            yield write
        finally:
            for writer in writers:
                writer.close()
