"""Read sequences from a user's files and write them: `.npz`, `.ts`, long `.csv` and `.parquet`.

Nothing here unpickles. Every error names the file, the trouble and the remedy.
"""

import re
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

if TYPE_CHECKING:
    import pandas as pd

# An array (n_cases, n_channels, n_timepoints), or a list of (n_channels, length_i) where lengths
# differ. Which of them depends on the data; as a union, no type checker would let X[index] pass.
Sequences: TypeAlias = Any
Labels: TypeAlias = Shaped[np.ndarray, " n_cases"]

_UNEVEN = 0.01  # share of a case's mean time step by which a step may differ unremarked


def read_data(path: str | Path) -> tuple[Sequences, Labels | None]:
    r"""Read sequences, and labels where there are any, from a file.

    * `.npz`: ``X``, (n_cases, n_channels, n_timepoints) or (n_cases, n_timepoints); optionally
      ``y``, (n_cases,), and ``lengths``, (n_cases,), the time points that count.
    * `.ts`: the time-series archive's format (through aeon), without time stamps.
    * `.csv`, `.parquet`: long, one row a time point in any order, with columns ``case``,
      ``time``, optionally ``label``, and a numeric one for each channel. Empty cells are missing
      values. Times only give the order within a case: points are taken to be evenly spaced.

    Cases keep the order of their first rows, channels that of their columns.

    Parameters
    ----------
    path : str or Path
        The file; its ending says how to read it.

    Returns
    -------
    X : array (n_cases, n_channels, n_timepoints), or list of array (n_channels, length_i)
        A list where lengths differ. NaN is a missing value. float32 where the file holds it,
        otherwise float64.
    y : array (n_cases,) or None
        Labels: text from `.csv` and `.ts`, the stored type from `.npz` and `.parquet`.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where the ending is unknown or the content cannot be used.
    ImportError
        Where `.ts` or `.parquet` needs an extra that is not installed.

    Warns
    -----
    UserWarning
        Where the times of a case are unevenly spaced by more than 1 %.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "two.csv")
    ...     _ = file.write_text("case,time,label,x\nb,1,up,4\nb,0,up,3\na,0,down,7\na,1,down,\n")
    ...     X, y = read_data(file)
    >>> X.tolist(), y.tolist()
    ([[[3.0, 4.0]], [[7.0, nan]]], ['up', 'down'])
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file; check its name and folder.")
    match path.suffix.lower():
        case ".npz":
            return _read_npz(path)
        case ".ts":
            return read_ts(path)
        case ".csv":
            return _from_long(path, _read_csv(path), first_row=2)
        case ".parquet":
            return _from_long(path, _read_parquet(path), first_row=1)
        case ending:
            raise ValueError(
                f"{path}: files ending in {ending!r} are not known; give .npz, .ts, or a long "
                ".csv or .parquet."
            )


def write_long(path: str | Path, X: Sequences | Sequence[np.ndarray], y: Any = None) -> None:
    """Write sequences as a long `.csv` or `.parquet` that :func:`read_data` reads back.

    Parameters
    ----------
    path : str or Path
        Ends in `.csv` or `.parquet`; an existing file is replaced.
    X : array (n_cases, n_channels, n_timepoints) or (n_cases, n_timepoints), or list of array
        Cases; a list holds (n_channels, length_i) or (length_i,). NaN becomes an empty cell.
    y : array (n_cases,), optional
        Labels, column ``label``.

    Raises
    ------
    ValueError
        Where the ending is another, or the cases or labels cannot be laid out so.
    ImportError
        Where `.parquet` needs an extra that is not installed.
    """
    import pandas as pd

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
    columns: dict[str, np.ndarray] = {
        "case": np.repeat(np.arange(len(cases)), lengths),
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
    columns |= {f"channel_{c}": values for c, values in enumerate(joined)}
    frame = pd.DataFrame(columns)
    match path.suffix.lower():
        case ".csv":
            frame.to_csv(path, index=False)
        case ".parquet":
            try:
                frame.to_parquet(path, index=False)
            except ImportError as error:
                raise ImportError(_missing(path, "pyarrow")) from error
        case ending:
            raise ValueError(f"{path}: cannot write {ending!r}; end the name in .csv or .parquet.")


def read_ts(path: Path) -> tuple[Sequences, Labels | None]:
    """Read a `.ts` file of the time-series archive; labels keep their case, as text.

    Raises
    ------
    ValueError
        Where the file is damaged, has time stamps, or holds a regression target.
    ImportError
        Where aeon is not installed.
    """
    try:
        from aeon.datasets import load_from_ts_file
    except ImportError as error:
        raise ImportError(_missing(path, "aeon")) from error
    try:
        header, *rows = re.split(r"(?im)^[ \t]*@data[ \t]*$", path.read_text("utf-8"), maxsplit=1)
        tags = dict(re.findall(r"(?m)^[ \t]*@(\w+)[ \t]+(\S+)", header.lower()))
        if tags.get("timestamps") == "true":
            # aeon 1.6 drops the signs of values that come with time stamps
            raise ValueError("it has time stamps, which are not read; give a long .csv instead")
        if tags.get("targetlabel") == "true":
            raise ValueError("it holds a regression target, not class labels")
        X = list(load_from_ts_file(str(path))[0])
        if not X:
            raise ValueError("it holds no cases")
    except (OSError, ValueError, IndexError) as error:
        raise ValueError(
            f"{path}: cannot be read as a .ts file ({error}); see "
            "https://www.aeon-toolkit.org for the format."
        ) from error
    if tags.get("classlabel") == "false":
        return stack(X), None
    # From the text, because aeon turns labels to lower case (and "banana" to "baNaNa").
    labels = [row.rpartition(":")[2].strip() for row in rows[0].splitlines() if row.strip()]
    return stack(X), np.array(labels)


def load_arrays(path: Path, *required: str) -> dict[str, np.ndarray]:
    """Load the arrays of an `.npz` file, never unpickling.

    Raises
    ------
    ValueError
        Where the file is damaged, holds objects, or lacks a required array.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError("it is one bare array")
            arrays = {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"{path}: cannot be read as .npz ({error}); write it with "
            "numpy.savez(path, X=..., y=...), numbers in X and numbers or text in y (objects "
            "would need pickle, which is never loaded)."
        ) from error
    lacking = [key for key in required if key not in arrays]
    if lacking:
        raise ValueError(
            f"{path}: lacks the array {lacking[0]!r} (it holds {', '.join(arrays) or 'none'}); "
            f"write it with numpy.savez(path, {', '.join(f'{key}=...' for key in required)})."
        )
    return arrays


def stack(cases: list[np.ndarray]) -> Sequences:
    """Make one array of cases where their lengths agree, otherwise leave the list."""
    return np.stack(cases) if len({x.shape for x in cases}) == 1 else cases


def _missing(path: Path, package: str) -> str:
    return f"{path}: {path.suffix} files need {package}; run: pip install 'egem[data]'"


def _read_npz(path: Path) -> tuple[Sequences, Labels | None]:
    arrays = load_arrays(path, "X")
    X, y, lengths = arrays["X"], arrays.get("y"), arrays.get("lengths")
    if X.dtype.kind not in "fiub":
        raise ValueError(f"{path}: X holds {X.dtype}; store real numbers.")
    if X.ndim == 2:
        X = X[:, None, :]
    if X.ndim != 3 or 0 in X.shape:
        raise ValueError(
            f"{path}: X has shape {arrays['X'].shape}; store (n_cases, n_channels, n_timepoints), "
            "or (n_cases, n_timepoints) for one channel."
        )
    X = X.astype(_precision(X.dtype))
    if y is not None and y.shape != X.shape[:1]:
        raise ValueError(
            f"{path}: X holds {len(X)} cases but y has shape {y.shape}; store one label a case."
        )
    if lengths is None:
        return X, y
    longest = X.shape[2]
    if lengths.shape != X.shape[:1] or lengths.dtype.kind not in "iu":
        raise ValueError(
            f"{path}: lengths has shape {lengths.shape} and type {lengths.dtype}; store one whole "
            f"number for each of the {len(X)} cases."
        )
    if lengths.min() < 1 or lengths.max() > longest:
        raise ValueError(
            f"{path}: lengths run from {lengths.min()} to {lengths.max()}, but X has {longest} "
            "time points on its last axis; is X (n_cases, n_channels, n_timepoints)?"
        )
    return stack([x[:, :n] for x, n in zip(X, lengths, strict=True)]), y


def _precision(*dtypes: np.dtype) -> type[np.floating]:
    return np.float32 if all(d in (np.float32, np.float16) for d in dtypes) else np.float64


def _read_csv(path: Path) -> "pd.DataFrame":
    import pandas as pd

    try:
        names = pd.read_csv(path, nrows=0, encoding="utf-8-sig").columns
        values = [name for name in names if name not in ("case", "label")]
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # cells beyond the header
            return pd.read_csv(
                path,
                encoding="utf-8-sig",
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


def _read_parquet(path: Path) -> "pd.DataFrame":
    import pandas as pd

    try:
        frame = pd.read_parquet(path, engine="pyarrow")
    except ImportError as error:
        raise ImportError(_missing(path, "pyarrow")) from error
    except (OSError, ValueError) as error:  # pyarrow's errors are among these
        raise ValueError(f"{path}: cannot be read as .parquet ({error}).") from error
    return frame if frame.index.names == [None] else frame.reset_index()


def _from_long(
    path: Path, frame: "pd.DataFrame", first_row: int
) -> tuple[Sequences, Labels | None]:
    import pandas as pd

    columns = dict(frame.items())
    channels = [columns[name] for name in columns if name not in ("case", "time", "label")]
    if not {"case", "time"} <= set(columns) or not channels or not len(frame):
        raise ValueError(
            f"{path}: {len(frame)} rows with the columns {', '.join(map(str, columns))}; a long "
            "file needs rows, separate columns named case and time, and at least one channel."
        )
    time = _numbers(path, columns["time"], first_row)
    for name, empty in (("case", _empty(columns["case"])), ("time", ~np.isfinite(time))):
        if empty.any():
            row = int(np.argmax(empty)) + first_row
            raise ValueError(f"{path}: column {name!r} is empty or infinite in row {row}; fill it.")
    number, names = pd.factorize(columns["case"])
    values = np.stack([_numbers(path, column, first_row) for column in channels])
    values = values.astype(_precision(*(column.to_numpy().dtype for column in channels)))
    order = np.lexsort((time, number))
    _check_times(path, number[order], time[order], names)
    starts = np.flatnonzero(np.diff(number[order])) + 1
    X = stack(np.split(values[:, order], starts, axis=1))
    return X, _labels(path, columns["label"], number, names) if "label" in columns else None


def _empty(column: "pd.Series") -> Bool[np.ndarray, " n_rows"]:
    return (column.isna() | (column.astype(str) == "")).to_numpy(bool)


def _numbers(path: Path, column: "pd.Series", first_row: int) -> Float[np.ndarray, " n_rows"]:
    """Turn a column into floats, or say where it holds something else."""
    array = column.to_numpy()
    if array.dtype.kind in "fiub":
        return array.astype(np.float64)
    numbers = np.full(len(column), np.nan)
    for row, (value, absent) in enumerate(zip(column, column.isna(), strict=True)):
        try:
            numbers[row] = np.nan if absent else float(value)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{path}: column {column.name!r}, row {row + first_row} holds {value!r}, which is "
                "not a number; correct it, leave it empty where the value is missing, or drop the "
                "column if it is no channel."
            ) from error
    return numbers


def _check_times(
    path: Path, case: Int[np.ndarray, " n_rows"], time: Float[np.ndarray, " n_rows"], names: Any
) -> None:
    """Refuse repeated times, and warn of uneven ones; rows are sorted by case and time."""
    within = np.diff(case) == 0
    step, owner = np.diff(time)[within], case[1:][within]
    if not step.all():
        where = int(np.argmin(step))
        raise ValueError(
            f"{path}: case {names[owner[where]]} has two rows of time "
            f"{time[1:][within][where]:g}; keep one."
        )
    n_steps = np.maximum(np.bincount(owner, minlength=len(names)), 1)
    mean = np.bincount(owner, step, minlength=len(names)) / n_steps
    uneven = np.unique(owner[np.abs(step - mean[owner]) > _UNEVEN * mean[owner]])
    if len(uneven):
        warnings.warn(
            f"{path}: the times of {len(uneven)} of {len(names)} cases are unevenly spaced, "
            f"first in case {names[uneven[0]]}; the spacing is ignored and only their order "
            "used. Resample, or add rows with empty cells where time points are missing.",
            UserWarning,
            stacklevel=4,
        )


def _labels(
    path: Path, label: "pd.Series", number: Int[np.ndarray, " n_rows"], names: Any
) -> Labels:
    """Reduce the labels of rows to one a case; ``number`` counts cases by first appearance."""
    wrong, trouble = _empty(label), "has a row without a label"
    first = np.unique(number, return_index=True)[1]
    labels = np.array(label.tolist())
    if not wrong.any():
        wrong, trouble = labels != labels[first][number], "has more than one label"
    if wrong.any():
        raise ValueError(
            f"{path}: case {names[number[np.argmax(wrong)]]} {trouble}; give every row of a case "
            "the same label, or drop the column label."
        )
    return labels[first]
