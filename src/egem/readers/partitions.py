"""Long `.parquet` files larger than memory, read a few cases at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from egem.data.sequences import Named
from egem.readers.long_format import cases_of, sequences_of
from egem.readers.tables import Table, open_parquet, to_frame

if TYPE_CHECKING:
    import pandas as pd
    from pyarrow.parquet import ParquetFile

BATCH_ROWS = 2**19  # about 100 MB in memory


class Partition(NamedTuple):
    """Some cases of a file; ``first`` is the index of the first of them."""

    first: int
    cases: Named


def partitions(path: Path, step: float | None, batch_rows: int = BATCH_ROWS) -> Iterator[Partition]:
    """Read a long parquet file a batch of rows at a time; a case is never cut in two.

    Parameters
    ----------
    path : Path
        As for :func:`egem.read_data`; the rows of a case must be consecutive.
    step : float or None
        Step of the grid that uneven times are laid on.
    batch_rows : int
        Approximate number of rows in a partition.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be used, or the rows of a case are in several places.
    ImportError
        If pyarrow is not installed.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file; check its name and folder.")
    with open_parquet(path) as file:
        n_cases = n_rows = 0
        complete: set[int] = set()  # hashes, since names may be long
        for frame in _whole_cases(file, batch_rows):
            names = frame["case"].unique() if "case" in frame else []
            for name in names:
                if hash(name) in complete:
                    raise ValueError(
                        f"{path}: the rows of case {name} are in several places; sort the file by "
                        "case to have it read in parts."
                    )
            complete |= set(map(hash, names))
            rows = cases_of(Table(path, frame, n_rows + 1), None, None)
            cases, _ = sequences_of(rows, step, choose=False)
            yield Partition(n_cases, cases)
            n_cases, n_rows = n_cases + len(cases.X), n_rows + len(frame)


def is_long(path: Path) -> bool:
    """Whether a parquet file has the columns ``case`` and ``time``."""
    with open_parquet(path) as file:
        return {"case", "time"} <= set(file.schema_arrow.names)


def _whole_cases(file: "ParquetFile", batch_rows: int) -> Iterator["pd.DataFrame"]:
    """Yield the rows of a file in batches that end where a case ends."""
    import pandas as pd

    rest: list[pd.DataFrame] = []  # rows of a case that may go on
    for batch in file.iter_batches(batch_size=batch_rows):
        frame = to_frame(batch)
        if "case" not in frame:  # reported when the columns are checked
            yield frame
            continue
        case = frame["case"].to_numpy()
        changes = np.flatnonzero(case[1:] != case[:-1])
        n_whole = changes[-1] + 1 if len(changes) else 0
        if n_whole or (rest and rest[-1]["case"].iloc[-1] != case[-1]):
            yield pd.concat([*rest, frame.iloc[:n_whole]], ignore_index=True)
            rest = []
        rest.append(frame.iloc[n_whole:])
    if rest:
        yield pd.concat(rest, ignore_index=True)
