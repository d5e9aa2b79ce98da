"""The long format: a table with one row a time point, for cases of any length and any times."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from egem.data.grid import lay, merge_simultaneous
from egem.data.sequences import Labels, Sequences, precision, stack
from egem.data.tables import ENDINGS, Table, read_table, write_table
from egem.data.timesteps import Rows, choose_step, sort_rows, spacing
from egem.runtime.limits import most_bytes


class Named(NamedTuple):
    """Sequences with what a user calls them.

    Attributes
    ----------
    X : array (n_cases, n_channels, n_timepoints), or list of array (n_channels, length_i)
        The sequences.
    y : array (n_cases,) or None
        Labels.
    cases : list or None
        Names of the cases, text or numbers; None where they have none.
    channels : list of str or None
        Names of the channels.
    """

    X: Sequences
    y: Labels | None
    cases: list[Any] | None = None
    channels: list[str] | None = None


def read_long(
    path: Path, step: float | None, start: float | str | None, max_bytes: int, stacklevel: int
) -> Named:
    """Read a long `.csv` or `.parquet`; :func:`egem.read_data` says how.

    Raises
    ------
    ValueError
        Where the content cannot be used.
    ImportError
        Where `.parquet` needs an extra that is not installed.

    Warns
    -----
    UserWarning
        Where times are uneven and a step was chosen; ``stacklevel`` says to whom.
    """
    return sequences_of(read_table(path, max_bytes), step, start, stacklevel + 1)


def sequences_of(
    table: Table, step: float | None, start: float | str | None, stacklevel: int | None
) -> Named:
    """Turn a long table into cases, as :func:`read_long` does.

    Where it is a part of a larger one, ``stacklevel`` is None and no step is chosen.

    Raises
    ------
    ValueError
        Where the content cannot be used.
    """
    path = table.path
    rows, labels, begin, channels = _rows(table, start)
    cases = [
        name if isinstance(name, int | float | str) else str(name) for name in rows.names.tolist()
    ]
    with _errors_naming(path):
        if step is not None:
            return Named(stack(lay(rows, step, begin)), labels, cases, channels)
        rows = merge_simultaneous(rows)
        even = spacing(rows).even
        if even.all() and begin is None:
            return Named(stack(rows.split()), labels, cases, channels)
        if stacklevel is None:
            raise ValueError(
                f"the times of case {rows.names[np.argmin(even)]} are unevenly spaced, and a file "
                "read in parts needs one step for all of them; give --step."
            )
        step = choose_step(rows)
        laid = lay(rows, step, begin)
    if not even.all():
        seen = sum(int((~np.isnan(x)).sum()) for x in laid)
        n_averaged = int((~np.isnan(rows.values)).sum()) - seen
        warnings.warn(
            f"{path}: the times of {(~even).sum()} of {len(even)} cases are unevenly spaced, first "
            f"in case {rows.names[np.argmin(even)]}; all cases were laid on a grid of step={step}, "
            f"of which {seen / sum(x.size for x in laid):.0%} is observed and where {n_averaged} "
            "values were averaged with a neighbour. Give this step, or a better one, for this file "
            "and for those to be compared with it.",
            UserWarning,
            stacklevel=stacklevel + 1,
        )
    return Named(stack(laid), labels, cases, channels)


def time_step(path: str | Path) -> float:
    r"""Return the time between two points that suits the cases of a long file.

    Files read with the same step can be compared, whatever the times in each: take that of the
    training cases for those to be predicted.

    Parameters
    ----------
    path : str or Path
        A long `.csv` or `.parquet`, see :func:`egem.read_data`.

    Returns
    -------
    float
        In the unit of the column ``time``, seconds for time stamps; how it is chosen is told by
        :func:`egem.data.timesteps.choose_step`.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where the file is not a long one, or cannot be used.
    ImportError
        Where `.parquet` needs an extra that is not installed.

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
    rows, *_ = _rows(read_table(path, most_bytes(None)), None)
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
        Where the ending is another, or the cases or labels cannot be laid out so.
    ImportError
        Where `.parquet` needs an extra that is not installed.
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
    of = [f"channel_{c}" for c in range(len(joined))] if channels is None else list(channels)
    if len(of) != len(joined) or len({*of, *columns}) < len(of) + len(columns):
        raise ValueError(
            f"{path}: channels must hold a name of its own for each of the {len(joined)} channels, "
            f"none of them {', '.join(columns)}; it holds {', '.join(of)}."
        )
    write_table(path, columns | dict(zip(of, joined, strict=True)))


def _rows(table: Table, start: Any) -> tuple[Rows, Labels | None, float | None, list[str]]:
    """Sort a long table into time points, labels of the cases, the start as a number, channels."""
    import pandas as pd

    path, columns = table.path, table.columns
    channels = [name for name in columns if name not in ("case", "time", "label")]
    if not {"case", "time"} <= set(columns) or not channels or not table.n_rows:
        raise ValueError(
            f"{path}: {table.n_rows} rows with the columns {', '.join(map(str, columns))}; a long "
            "file needs rows, separate columns named case and time, and at least one channel."
        )
    times = table.times("time", start)
    empty = table.empty("case")
    if empty.any():
        row = int(np.argmax(empty)) + table.first_row
        raise ValueError(f"{path}: column 'case' is empty in row {row}; fill it.")
    number, names = pd.factorize(columns["case"])
    values = np.stack([table.numbers(name) for name in channels])
    values = values.astype(precision(*(columns[name].to_numpy().dtype for name in channels)))
    rows = sort_rows(Rows(number, times.time, values, names, times.shown))
    labels = _labels(table, number, names) if "label" in columns else None
    return rows, labels, times.start, [str(name) for name in channels]


def _labels(table: Table, number: Int[np.ndarray, " n_rows"], names: Any) -> Labels:
    """Reduce the labels of rows to one a case; ``number`` counts cases by first appearance."""
    wrong, trouble = table.empty("label"), "has a row without a label"
    first = np.unique(number, return_index=True)[1]
    labels = np.array(table.columns["label"].tolist())
    if not wrong.any():
        wrong, trouble = labels != labels[first][number], "has more than one label"
    if wrong.any():
        raise ValueError(
            f"{table.path}: case {names[number[np.argmax(wrong)]]} {trouble}; give every row of a "
            "case the same label, or drop the column label."
        )
    return labels[first]


@contextmanager
def _errors_naming(path: Path) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
