"""Tables in `.csv` and `.parquet` files: columns of numbers, time stamps and text."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from egem.errors import TooLarge
from egem.readers.clock import clock_seconds, instants
from egem.runtime.files import atomic_write, check_size

if TYPE_CHECKING:
    import pandas as pd
    from pyarrow.parquet import ParquetFile

ENDINGS = (".csv", ".parquet")
_MAX_TIME = 1e100  # differences and ratios of larger times overflow


class Times(NamedTuple):
    """A column of times as numbers.

    Attributes
    ----------
    time : array (n_rows,)
        Whole numbers count from the least of them, time stamps in seconds from ``start`` or else
        from the first of them, so that none is rounded; other numbers are as stored.
    start : float or None
        ``start`` on that scale.
    shown : callable
        Formats such a time as the file does.
    """

    time: Float[np.ndarray, " n_rows"]
    start: float | None
    shown: Callable[[Any], str]


class Table(NamedTuple):
    """The rows of a file; messages call the first of them ``first_row``."""

    path: Path
    frame: "pd.DataFrame"
    first_row: int
    decimal: str = "."

    def column(self, name: str) -> Any:
        """Return a column, a pandas Series."""
        return self.frame[name]

    def empty(self, name: str) -> Bool[np.ndarray, " n_rows"]:
        """Whether each cell of a column is empty."""
        column = self.column(name)
        if column.dtype.kind in "fiub":
            return np.isnan(column.to_numpy(np.float64))
        return (column.isna() | (column.astype(str) == "")).to_numpy(bool)

    def row(self, marked: Bool[np.ndarray, " n_rows"]) -> int:
        """Return the number that the file gives the first marked row."""
        return int(self.frame.index.to_numpy()[marked.argmax()]) + self.first_row

    def numbers(self, name: str) -> Float[np.ndarray, " n_rows"]:
        """Convert a column to floats, NaN where it is empty."""
        numbers, wrong = self._floats(name)
        if wrong.any():
            raise ValueError(
                f"{self._cell(name, wrong)}, which is not a number; correct it, leave it empty "
                "where the value is missing, or drop the column if it is no channel."
            )
        return numbers

    def times(self, name: str, start: Any = None) -> Times:
        """Convert a column of numbers or of time stamps, and a ``start`` like them, to times."""
        _, wrong = self._floats(name)
        if wrong.any() and wrong.mean() < 0.5:
            raise ValueError(
                f"{self._cell(name, wrong)}, which is neither a number, as others are, nor a time "
                "stamp; correct it."
            )
        seconds = clock_seconds(self.column(name)) if wrong.any() else None
        if seconds is not None:
            clock = Table(self.path, self.frame.assign(**{name: seconds}), self.first_row)
            times = clock._numeric_times(name, start)
        else:
            times = self._stamps(name, start) if wrong.any() else self._numeric_times(name, start)
        unknown = ~(np.abs(times.time) < _MAX_TIME)
        if unknown.any():
            row = self.row(unknown)
            raise ValueError(
                f"{self.path}: column {name!r} is empty or infinite in row {row}; fill it."
            )
        return times

    def _floats(
        self, name: str
    ) -> tuple[Float[np.ndarray, " n_rows"], Bool[np.ndarray, " n_rows"]]:
        """Convert a column to floats, and mark the cells that hold something else."""
        import pandas as pd

        column = self.column(name)
        if column.dtype.kind in "fiub":
            return column.to_numpy(np.float64), np.zeros(len(column), bool)
        if pd.api.types.is_timedelta64_dtype(column.dtype):
            column = column.dt.total_seconds()
        else:
            if self.decimal == ",":
                column = column.astype(str).str.replace(",", ".")
            column = pd.to_numeric(column.astype(object), errors="coerce")
        numbers = np.asarray(column, np.float64)
        return numbers, np.isnan(numbers) & ~self.empty(name)

    def _numeric_times(self, name: str, start: Any) -> Times:
        column = self.column(name)
        try:
            begin = None if start is None else float(start)
        except (TypeError, ValueError):
            begin = np.nan
        if begin is not None and not np.isfinite(begin):
            raise ValueError(
                f"{self.path}: start must be a number, as the times of this file are, not "
                f"{start!r}."
            )
        if column.dtype.kind not in "iu":
            return Times(self._floats(name)[0], begin, "{:.15g}".format)
        first = int(column.min())
        if first >= 1900_01_01 and int(column.max()) <= 2199_12_31 and _are_days(column):
            raise ValueError(
                f"{self.path}: column {name!r} holds numbers like {first}, which look like days "
                f"written without hyphens; write {str(first)[:4]}-{str(first)[4:6]}-"
                f"{str(first)[6:]}, or subtract the first of them if they count something else."
            )
        return Times(
            (column - first).to_numpy(np.float64),
            None if begin is None else begin - first,
            lambda time: str(first + int(time)),
        )

    def _stamps(self, name: str, start: Any) -> Times:
        import pandas as pd

        try:
            stamps = instants(self.column(name))
        except ValueError as error:
            raise ValueError(f"{self.path}: column {name!r}: {error}.") from error
        wrong = stamps.isna().to_numpy() & ~self.empty(name)
        if wrong.any():
            raise ValueError(
                f"{self._cell(name, wrong)}, which is neither a number nor a time stamp like "
                "2024-01-31T23:59:59; correct it."
            )
        first = stamps.min() if start is None else instants(pd.Series([start], dtype=object))[0]
        if start is not None and (first is pd.NaT or isinstance(start, int | float)):
            raise ValueError(
                f"{self.path}: start must be a time stamp like 2024-01-31T23:59:59, as the times "
                f"of this file are, not {start!r}."
            )
        return Times(
            ((stamps - first) / pd.Timedelta(seconds=1)).to_numpy(np.float64),
            None if start is None else 0.0,
            lambda time: (first + pd.Timedelta(seconds=time)).tz_convert(None).isoformat(),
        )

    def _cell(self, name: str, wrong: Bool[np.ndarray, " n_rows"]) -> str:
        """Describe the first wrong cell of a column."""
        value = self.column(name).iloc[int(wrong.argmax())]
        return f"{self.path}: column {name!r}, row {self.row(wrong)} holds {value!r}"


def read_parquet(path: Path, max_bytes: int, content: bytes | None = None) -> Table:
    """Read a `.parquet`, or its ``content``, of no more than ``max_bytes`` when unpacked."""
    with open_parquet(path, content) as file:
        about = file.metadata
        groups = [about.row_group(i) for i in range(about.num_row_groups)]
        # Repeated values take next to no room in a file, and 8 bytes each in memory.
        unpacked = 8 * about.num_rows * max(about.num_columns, 1)
        unpacked = max(unpacked, sum(group.total_byte_size for group in groups))
        check_size("unpacked it holds", unpacked, max_bytes)
        return Table(path, to_frame(file.read()), 1)


def to_frame(columns: Any) -> "pd.DataFrame":
    """Convert a table or batch of pyarrow; a named index that pandas wrote is a column."""
    frame = columns.to_pandas(ignore_metadata=True)
    return frame[[name for name in frame.columns if not str(name).startswith("__index_level_")]]


@contextmanager
def open_parquet(path: Path, content: bytes | None = None) -> Iterator["ParquetFile"]:
    """Open a `.parquet` file, or its content; errors in reading it name the file."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(needs(path, "pyarrow")) from error
    try:
        with parquet.ParquetFile(path if content is None else io.BytesIO(content)) as file:
            yield file
    except TooLarge:
        raise
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(f"{path}: cannot be read as .parquet ({error}).") from error


def write_table(path: Path, columns: dict[str, np.ndarray]) -> None:
    """Write columns as `.csv` or `.parquet`, whole or not at all."""
    import pandas as pd

    match path.suffix.lower():
        case ".csv":
            with atomic_write(path) as file:
                pd.DataFrame(columns).to_csv(file, index=False)
        case ".parquet":
            with parquet_writer(path) as write:
                write(columns)
        case ending:
            raise ValueError(f"{path}: cannot write {ending!r}; end the name in .csv or .parquet.")


@contextmanager
def parquet_writer(path: Path) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Yield a function that appends columns, the same ones in each call, to a `.parquet` file.

    The file takes its name once all is written; a failure leaves a former file as it was.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ImportError(needs(path, "pyarrow")) from error
    writer: pq.ParquetWriter | None = None
    with atomic_write(path) as file:

        def write(columns: dict[str, Any]) -> None:
            nonlocal writer
            table = pa.table(columns)
            writer = writer or pq.ParquetWriter(file, table.schema)
            writer.write_table(table)

        try:
            yield write
        finally:
            if writer:
                writer.close()


def needs(path: Path, package: str) -> str:
    """Name the package that a file needs."""
    return f"{path}: {path.suffix} files need {package}; run: pip install 'egem[data]'"


def _are_days(column: "pd.Series") -> bool:
    """Whether whole numbers are days as 20240131 is, of more than one month."""
    import pandas as pd

    days = pd.to_datetime(column.astype(str), format="%Y%m%d", errors="coerce")
    return bool(days.notna().all()) and days.dt.to_period("M").nunique() > 1
