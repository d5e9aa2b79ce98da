"""The long format: tables with one row per time point, for cases of any length and any times."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from egem.data.grid import (
    Rows,
    choose_step,
    common_step,
    evenly_spaced,
    lay,
    merge_simultaneous,
    sort_rows,
)
from egem.data.sequences import Labels, Named, Sequences, precision, stack
from egem.readers.names import INDEX, plain
from egem.readers.tables import Table, Times, write_table

_WHOLE = re.compile(r"(-?\d+)(?:\.0*)?")  # a label that is a whole number


class Columns(NamedTuple):
    """The columns of a long table and what they are; None is one there is not.

    Without ``case`` all rows are one case, without ``time`` they count the time points.
    """

    channels: list[str]
    case: str | None = "case"
    time: str | None = "time"
    label: str | None = None


class Cases(NamedTuple):
    """Cases as rows: of one long table, or of several files.

    Attributes
    ----------
    path : Path
        Names the file in messages.
    rows : Rows
        Sorted; ``rows.names`` are the names of the cases.
    labels : array (n_cases,) or None
        Labels.
    channels : list of str
        Names of ``rows.values``.
    start : float or None
        Time of the first point of every case.
    timed : bool
        Whether the times are the file's.
    """

    path: Path
    rows: Rows
    labels: Labels | None
    channels: list[str]
    start: float | None
    timed: bool = True


def cases_of(table: Table, columns: Columns | None, start: Any) -> Cases:
    """Sort a long table into rows; its columns are ``case``, ``time``, ``label`` by default."""
    import pandas as pd

    columns = _canonical(table) if columns is None else columns
    frame, names = table.frame, columns.channels
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise ValueError(f"{table.path}: two columns have the same name {twice!r}; rename one.")
    if not names or not len(frame):
        raise ValueError(_no_long_table(table))
    if columns.case is None:
        case, cases = np.zeros(len(frame), int), pd.Index([table.path.stem])
    else:
        empty = table.empty(columns.case)
        if empty.any():
            raise ValueError(
                f"{table.path}: column {columns.case!r} is empty, first in row "
                f"{table.row(empty)}; fill it."
            )
        case, cases = pd.factorize(frame[columns.case])
    if columns.time is None:
        within = pd.Series(case).groupby(case).cumcount().to_numpy(np.float64)
        times = Times(within, None, "{:.15g}".format)
    else:
        times = table.times(columns.time, start)
    values = np.stack([table.numbers(name) for name in names])
    values = values.astype(precision(*(frame[name].to_numpy().dtype for name in names)))
    labels = None if columns.label is None else _labels(table, columns.label, case, cases)
    rows = sort_rows(Rows(case, times.time, values, cases, times.shown))
    timed = columns.time is not None
    return Cases(table.path, rows, labels, [str(n) for n in names], times.start, timed)


def sequences_of(cases: Cases, step: float | None, choose: bool = True) -> tuple[Named, str | None]:
    """Convert rows to sequences, as :func:`egem.read_data` does, and a warning if there is one.

    With ``choose=False`` no step is chosen for uneven times, for a part of a larger table.
    """
    path, rows, labels, channels, begin, _ = cases
    names = [
        name if isinstance(name, int | float | str) else str(name) for name in list(rows.names)
    ]
    with _errors_naming(path):
        own = common_step(rows)
        if step is not None:
            return Named(stack(lay(rows, step, begin)), labels, names, channels, own), None
        rows = merge_simultaneous(rows)
        even = evenly_spaced(rows)
        if even.all() and begin is None:
            return Named(stack(rows.split()), labels, names, channels, own), None
        if not choose:
            raise ValueError(
                f"the times of case {rows.names[np.argmin(even)]} are unevenly spaced, and a file "
                "read in parts needs one step for all of them; give --step."
            )
        step = choose_step(rows)
        laid = lay(rows, step, begin)
    named = Named(stack(laid), labels, names, channels, step)
    if even.all():
        return named, None
    n_points = sum(int((~np.isnan(x)).sum()) for x in laid)
    n_averaged = int((~np.isnan(rows.values)).sum()) - n_points
    return named, (
        f"{path}: the times of {(~even).sum()} of {len(even)} cases are unevenly spaced, first "
        f"in case {rows.names[np.argmin(even)]}; all cases were laid on a grid of step={step}, "
        f"of which {n_points / sum(x.size for x in laid):.0%} is observed and where "
        f"{n_averaged} values were averaged with a neighbour. Pass this step, or a better one, "
        "for this file and for those to be compared with it."
    )


def step_of(cases: Cases) -> float:
    """Choose the step of the grid for cases; errors name their file."""
    with _errors_naming(cases.path):
        return choose_step(cases.rows)


def write_long(
    path: str | Path,
    X: Sequences | Sequence[np.ndarray],
    y: Any = None,
    channels: Sequence[str] | None = None,
    names: Sequence[Any] | None = None,
    step: float | None = None,
) -> None:
    """Write sequences as a long `.csv` or `.parquet` that :func:`egem.read_data` reads back.

    Parameters
    ----------
    path : str or Path
        Ends in `.csv` or `.parquet`; an existing file is replaced.
    X : array (n_cases, n_channels, n_timepoints) or (n_cases, n_timepoints), or list of array
        Cases; a list holds (n_channels, length_i) or (length_i,). NaN becomes an empty cell.
    y : array (n_cases,), optional
        Labels, column ``label``.
    channels : sequence of str, optional
        Names of the channels' columns; None is ``channel_0``, ``channel_1``, ...
    names : sequence, optional
        Names of the cases, text or numbers, each once; None numbers them from 0.
    step : float, optional
        Time between two points; None counts them.

    Raises
    ------
    ValueError
        If the ending is another, or X, y, channels or names do not match.
    ImportError
        If `.parquet` needs an extra that is not installed.
    """
    path = Path(path)
    cases = [np.atleast_2d(np.asarray(x)) for x in X]
    if not cases or any(x.ndim != 2 or 0 in x.shape for x in cases):
        raise ValueError(
            f"{path}: X must hold cases of shape (n_channels, length) with at least one time "
            "point; a case without one would vanish from a long file."
        )
    if len({len(x) for x in cases}) > 1:
        raise ValueError(f"{path}: every case of X needs the same number of channels.")
    lengths = [x.shape[1] for x in cases]
    if names is not None and len(set(names)) != len(cases):
        raise ValueError(
            f"{path}: names must hold a name of its own for each of the {len(cases)} cases; it "
            f"holds {len(set(names))}."
        )
    columns: dict[str, np.ndarray] = {
        "case": np.repeat(np.arange(len(cases)) if names is None else np.array(names), lengths),
        "time": np.concatenate([_times(n, step) for n in lengths]),
    }
    if y is not None:
        labels = np.asarray(y)
        if labels.shape != (len(cases),) or any(str(label) == "" for label in labels):
            raise ValueError(
                f"{path}: y must hold one label for each of the {len(cases)} cases, none of them "
                f"empty; it has shape {labels.shape}."
            )
        columns["label"] = np.repeat(labels, lengths)
    joined = np.concatenate(cases, axis=1)
    header = [f"channel_{c}" for c in range(len(joined))] if channels is None else list(channels)
    if len(header) != len(joined) or len({*header, *columns}) < len(header) + len(columns):
        raise ValueError(
            f"{path}: channels must hold a name of its own for each of the {len(joined)} channels, "
            f"none of them {', '.join(columns)}; it holds {', '.join(header)}."
        )
    write_table(path, columns | dict(zip(header, joined, strict=True)))


def _times(n: int, step: float | None) -> np.ndarray:
    """Return the times of ``n`` points from 0, without the noise of floats."""
    if step is None:
        return np.arange(n)
    return np.array([float(f"{i * step:.12g}") for i in range(n)])


def _canonical(table: Table) -> Columns:
    """Find the columns of the long format that :func:`write_long` writes."""
    frame, names = table.frame, list(table.frame.columns)
    channels = [name for name in names if name not in ("case", "time", "label")]
    channels = [name for name in channels if not numbers_rows(str(name), frame[name].to_numpy())]
    if not {"case", "time"} <= set(names):
        raise ValueError(_no_long_table(table))
    return Columns(channels, label="label" if "label" in names else None)


def _no_long_table(table: Table) -> str:
    names = ", ".join(map(str, table.frame.columns[:20]))
    return (
        f"{table.path}: {len(table.frame)} rows with the columns {names}; a long file needs rows, "
        "separate columns named case and time, and at least one channel."
    )


def without_decimals(labels: np.ndarray) -> np.ndarray:
    """Write whole numbers alike: 1.0 in one file and 1 in another are one class."""
    if labels.dtype.kind != "U":
        return labels
    whole = [match[1] for match in map(_WHOLE.fullmatch, labels) if match]
    return np.array(whole) if len(whole) == len(labels) else labels


def numbers_rows(name: str, values: np.ndarray) -> bool:
    """Whether a column is the index that pandas writes beside the others."""
    if plain(name) not in INDEX or values.dtype.kind not in "iu":
        return False
    return np.array_equal(values - values[:1], np.arange(len(values)))


def _labels(table: Table, column: str, case: Int[np.ndarray, " n_rows"], cases: Any) -> Labels:
    """Reduce the labels of rows to one per case."""
    first = np.unique(case, return_index=True)[1]
    labels = np.array(table.column(column).tolist())
    labels = without_decimals(labels)
    wrong, trouble = table.empty(column), "has a row without a label"
    if not wrong.any():
        wrong, trouble = labels != labels[first][case], "has more than one label"
    if wrong.any():
        raise ValueError(
            f"{table.path}: case {cases[case[wrong.argmax()]]} {trouble}; give every row of a case "
            f"the same label, or drop the column {column}."
        )
    return labels[first]


@contextmanager
def _errors_naming(path: Path) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
