"""Tables in files, `.csv` and `.parquet`: columns of numbers, of time stamps, of text."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from egem.errors import TooLarge
from egem.runtime.files import whole_file
from egem.runtime.limits import check_size

if TYPE_CHECKING:
    import pandas as pd

ENDINGS = (".csv", ".parquet")
_FURTHEST = 1e100  # squares of times must be finite
_WHOLE = 2**53  # floats tell whole numbers apart up to here


class Times(NamedTuple):
    """A column of times as numbers.

    Attributes
    ----------
    time : array (n_rows,)
        As stored; of time stamps the seconds since ``start``, or else since the first of them.
    start : float or None
        ``start`` on that scale.
    shown : callable
        Writes such a time as the user knows it.
    """

    time: Float[np.ndarray, " n_rows"]
    start: float | None
    shown: Callable[[Any], str]


class Table(NamedTuple):
    """Columns of a file; ``first_row`` is what a user calls the first of their rows."""

    path: Path
    columns: dict[Any, "pd.Series"]
    n_rows: int
    first_row: int

    def empty(self, name: str) -> Bool[np.ndarray, " n_rows"]:
        """Tell which cells of a column are empty."""
        column = self.columns[name]
        return (column.isna() | (column.astype(str) == "")).to_numpy(bool)

    def numbers(self, name: str) -> Float[np.ndarray, " n_rows"]:
        """Turn a column into floats, NaN where it is empty.

        Raises
        ------
        ValueError
            Where a cell holds something else.
        """
        numbers, wrong = _floats(self.columns[name])
        if wrong is not None:
            raise ValueError(
                f"{self._cell(name, wrong)}, which is not a number; correct it, leave it empty "
                "where the value is missing, or drop the column if it is no channel."
            )
        return numbers

    def times(self, name: str, start: Any = None) -> Times:
        """Turn a column of numbers, or of time stamps, into times.

        Raises
        ------
        ValueError
            Where a cell is empty or neither, or where ``start`` is of the other kind.
        """
        import pandas as pd

        column, first = self.columns[name], 0
        if column.dtype.kind in "iu" and abs(column).max() > _WHOLE:  # nanoseconds since 1970
            first = int(column.min())
            column = column - first
        if pd.api.types.is_timedelta64_dtype(column.dtype):
            column = column.dt.total_seconds()
        numbers, wrong = _floats(column)
        if wrong is None:
            begin = self._start(start)
            times = Times(
                numbers,
                None if begin is None else begin - first,
                lambda time: str(first + int(time)) if first else f"{time:.15g}",
            )
        else:
            times = self._stamps(name, start)
        unknown = ~np.isfinite(times.time)
        if unknown.any():
            row = int(np.argmax(unknown)) + self.first_row
            raise ValueError(
                f"{self.path}: column {name!r} is empty or infinite in row {row}; fill it."
            )
        if len(times.time) and not np.abs(times.time).max() < _FURTHEST:
            row = int(np.argmax(np.abs(times.time))) + self.first_row
            raise ValueError(
                f"{self.path}: column {name!r} holds a time beyond {_FURTHEST:g} in row {row}; "
                "correct it, or give another unit."
            )
        return times

    def _start(self, start: Any) -> float | None:
        try:
            number = None if start is None else float(start)
        except (TypeError, ValueError):
            number = np.nan
        if number is not None and not np.isfinite(number):
            raise ValueError(
                f"{self.path}: start must be a number, as the times of this file are, not "
                f"{start!r}."
            )
        return number

    def _stamps(self, name: str, start: Any) -> Times:
        import pandas as pd

        stamps = _instants(self.columns[name])
        wrong = stamps.isna().to_numpy() & ~self.empty(name)
        if wrong.any():
            raise ValueError(
                f"{self._cell(name, int(np.argmax(wrong)))}, which is neither a number nor a time "
                "stamp like 2024-01-31T23:59:59; correct it."
            )
        first = stamps.min() if start is None else _instants(pd.Series([start], dtype=object))[0]
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

    def _cell(self, name: str, index: int) -> str:
        value = self.columns[name].iloc[index]
        return f"{self.path}: column {name!r}, row {index + self.first_row} holds {value!r}"


def read_table(path: Path, max_bytes: int) -> Table:
    """Read a `.csv` or `.parquet`, the latter of no more than ``max_bytes`` when unpacked.

    Raises
    ------
    ValueError
        Where the file is damaged.
    ImportError
        Where `.parquet` needs an extra that is not installed.
    """
    is_csv = path.suffix.lower() == ".csv"
    frame = _read_csv(path) if is_csv else _read_parquet(path, max_bytes)
    return Table(path, dict(frame.items()), len(frame), 2 if is_csv else 1)


def write_table(path: Path, columns: dict[str, np.ndarray]) -> None:
    """Write columns as `.csv` or `.parquet`, whole or not at all.

    Raises
    ------
    ValueError
        Where the ending is another.
    ImportError
        Where `.parquet` needs an extra that is not installed.
    """
    import pandas as pd

    frame = pd.DataFrame(columns)
    match path.suffix.lower():
        case ".csv":
            with whole_file(path) as file:
                frame.to_csv(file, index=False)
        case ".parquet":
            try:
                with whole_file(path) as file:
                    frame.to_parquet(file, index=False)
            except ImportError as error:
                raise ImportError(needs(path, "pyarrow")) from error
        case ending:
            raise ValueError(f"{path}: cannot write {ending!r}; end the name in .csv or .parquet.")


def needs(path: Path, package: str) -> str:
    """Say which package a file needs."""
    return f"{path}: {path.suffix} files need {package}; run: pip install 'egem[data]'"


def _read_csv(path: Path) -> "pd.DataFrame":
    import pandas as pd

    try:
        # Line ends are made one kind first: of "\n\r " pandas (3.0) makes rows without end.
        with path.open(encoding="utf-8-sig") as text:
            names = pd.read_csv(text, nrows=0).columns
        values = [name for name in names if name not in ("case", "label")]
        with path.open(encoding="utf-8-sig") as text, warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # cells beyond the header
            return pd.read_csv(
                text,
                dtype={"case": str, "label": str},
                keep_default_na=False,  # a case or a label may well be called NA
                na_values={name: ["", "NA", "NaN", "nan"] for name in values},
                float_precision="round_trip",
                low_memory=False,
                index_col=False,
            )
    except (ValueError, pd.errors.ParserWarning) as error:  # ParserError and bad UTF-8 are too
        raise ValueError(
            f"{path}: cannot be read as .csv ({str(error).strip()}); give UTF-8 text with a "
            "header row, cells separated by commas, no row longer than the header."
        ) from error


def _read_parquet(path: Path, max_bytes: int) -> "pd.DataFrame":
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(needs(path, "pyarrow")) from error
    try:
        with parquet.ParquetFile(path) as file:
            about = file.metadata
            groups = [about.row_group(i) for i in range(about.num_row_groups)]
            unpacked = sum(group.total_byte_size for group in groups)
            # Repeated values take next to no room in a file, and 8 bytes each in memory.
            size = max(unpacked, 8 * about.num_rows * max(about.num_columns, 1))
            check_size("unpacked it holds", size, max_bytes)
            # What pandas has written about its index is not needed: a named one is a column.
            frame = file.read().to_pandas(ignore_metadata=True)
            return frame[[c for c in frame.columns if not str(c).startswith("__index_level_")]]
    except TooLarge:
        raise
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise ValueError(f"{path}: cannot be read as .parquet ({error}).") from error


def _floats(column: "pd.Series") -> tuple[Float[np.ndarray, " n_rows"], int | None]:
    """Turn a column into floats, up to the first cell that holds something else."""
    array = column.to_numpy()
    if array.dtype.kind in "fiub":
        return array.astype(np.float64), None
    numbers = np.full(len(column), np.nan)
    for row, (value, absent) in enumerate(zip(column, column.isna(), strict=True)):
        try:
            numbers[row] = np.nan if absent else float(value)
        except (TypeError, ValueError):
            return numbers, row
    return numbers, None


def _instants(column: "pd.Series") -> "pd.Series":
    """Turn time stamps into instants, UTC where they name no zone; NaT where they are none."""
    import pandas as pd

    stamps = pd.to_datetime(column, utc=True, errors="coerce", format="ISO8601")
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return stamps
    return stamps.where(column.astype(str).str.match(r"\d{4}-?\d\d"))  # pandas takes "now" for one
