"""The long format: tables with one row per time point, for cases of any length and any times."""

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
from egem.readers.tables import ENDINGS, Table, read_table, write_table
from egem.runtime.files import byte_limit

_WHOLE = re.compile(r"(-?\d+)(?:\.0*)?")  # a label that is a whole number


def sequences_of(
    table: Table, step: float | None, start: float | str | None, stacklevel: int | None
) -> Named:
    """Convert a long table to cases, as :func:`egem.read_data` does.

    If a step is chosen for uneven times, a warning goes to the caller's caller at ``stacklevel``;
    None chooses no step, for a table that is a part of a larger one.
    """
    path = table.path
    rows, labels, begin, channels = _rows(table, start)
    cases = [
        name if isinstance(name, int | float | str) else str(name) for name in rows.names.tolist()
    ]
    with _errors_naming(path):
        own = common_step(rows)
        if step is not None:
            return Named(stack(lay(rows, step, begin)), labels, cases, channels, own)
        rows = merge_simultaneous(rows)
        even = evenly_spaced(rows)
        if even.all() and begin is None:
            return Named(stack(rows.split()), labels, cases, channels, own)
        if stacklevel is None:
            raise ValueError(
                f"the times of case {rows.names[np.argmin(even)]} are unevenly spaced, and a file "
                "read in parts needs one step for all of them; give --step."
            )
        step = choose_step(rows)
        laid = lay(rows, step, begin)
    if not even.all():
        n_points = sum(int((~np.isnan(x)).sum()) for x in laid)
        n_averaged = int((~np.isnan(rows.values)).sum()) - n_points
        warnings.warn(
            f"{path}: the times of {(~even).sum()} of {len(even)} cases are unevenly spaced, first "
            f"in case {rows.names[np.argmin(even)]}; all cases were laid on a grid of step={step}, "
            f"of which {n_points / sum(x.size for x in laid):.0%} is observed and where "
            f"{n_averaged} values were averaged with a neighbour. Pass this step, or a better one, "
            "for this file and for those to be compared with it.",
            UserWarning,
            stacklevel=stacklevel + 1,
        )
    return Named(stack(laid), labels, cases, channels, step)


def time_step(path: str | Path) -> float:
    r"""Return the time step that suits the cases of a long file.

    It is the median gap between successive time stamps of a case, checked against the time stamps:
    9 in 10 gaps must be a multiple of it, within a quarter of a step. If they are not, the gaps
    between observations of one channel are tried. Files to be compared need the same step: use that
    of the training cases for new ones.

    Parameters
    ----------
    path : str or Path
        A long `.csv` or `.parquet`, see :func:`egem.read_data`.

    Returns
    -------
    float
        In the unit of the column ``time``; in seconds for time stamps.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not a long one, cannot be used, or has times too irregular for a step to be
        chosen; the message names the mean gap to try.
    ImportError
        If `.parquet` needs an extra that is not installed.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "two.csv")
    ...     _ = file.write_text("case,time,x\na,0,1\na,0.5,2\na,2,3\nb,7,1\nb,7.5,2\n")
    ...     time_step(file)
    0.5
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file; check its name and folder.")
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(f"{path}: only long files, .csv and .parquet, hold times.")
    rows, *_ = _rows(read_table(path, byte_limit(None)), None)
    with _errors_naming(path):
        return choose_step(rows)


def write_long(
    path: str | Path,
    X: Sequences | Sequence[np.ndarray],
    y: Any = None,
    channels: Sequence[str] | None = None,
    names: Sequence[Any] | None = None,
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
        "time": np.concatenate([np.arange(n) for n in lengths]),
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


def _rows(table: Table, start: Any) -> tuple[Rows, Labels | None, float | None, list[str]]:
    """Sort a long table into rows; with labels of cases, the start as a number, and channels."""
    import pandas as pd

    frame, names = table.frame, list(table.frame.columns)
    channels = [name for name in names if name not in ("case", "time", "label")]
    channels = [name for name in channels if not _numbers_rows(str(name), frame[name].to_numpy())]
    if not {"case", "time"} <= set(names) or not channels or not len(frame):
        raise ValueError(
            f"{table.path}: {len(frame)} rows with the columns {', '.join(map(str, names))}; a "
            "long file needs rows, separate columns named case and time, and at least one channel."
        )
    if not frame.columns.is_unique:
        raise ValueError(f"{table.path}: two columns have the same name; rename or drop one.")
    times = table.times("time", start)
    empty = table.empty("case")
    if empty.any():
        row = int(empty.argmax()) + table.first_row
        raise ValueError(f"{table.path}: column 'case' is empty in row {row}; fill it.")
    case, cases = pd.factorize(frame["case"])
    values = np.stack([table.numbers(name) for name in channels])
    values = values.astype(precision(*(frame[name].to_numpy().dtype for name in channels)))
    rows = sort_rows(Rows(case, times.time, values, cases, times.shown))
    labels = _labels(table, case, cases) if "label" in names else None
    return rows, labels, times.start, [str(name) for name in channels]


def _without_decimals(labels: np.ndarray) -> np.ndarray:
    """Write whole numbers alike: 1.0 in one file and 1 in another are one class."""
    if labels.dtype.kind != "U":
        return labels
    whole = [match[1] for match in map(_WHOLE.fullmatch, labels) if match]
    return np.array(whole) if len(whole) == len(labels) else labels


def _numbers_rows(name: str, values: np.ndarray) -> bool:
    """Whether a column is the index that pandas writes beside the others."""
    if name.lower() not in ("", "index", "unnamed: 0") or values.dtype.kind not in "iu":
        return False
    return np.array_equal(values - values[:1], np.arange(len(values)))


def _labels(table: Table, case: Int[np.ndarray, " n_rows"], cases: Any) -> Labels:
    """Reduce the labels of rows to one per case."""
    first = np.unique(case, return_index=True)[1]
    labels = np.array(table.column("label").tolist())
    labels = _without_decimals(labels)
    wrong, trouble = table.empty("label"), "has a row without a label"
    if not wrong.any():
        wrong, trouble = labels != labels[first][case], "has more than one label"
    if wrong.any():
        raise ValueError(
            f"{table.path}: case {cases[case[wrong.argmax()]]} {trouble}; give every row of a case "
            "the same label, or drop the column label."
        )
    return labels[first]


@contextmanager
def _errors_naming(path: Path) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
