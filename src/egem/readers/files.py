"""Readers of sequences in files: `.npz`, `.ts`, long `.csv` and `.parquet`; none unpickles."""

import math
import re
import zipfile
import zlib
from pathlib import Path

import numpy as np

from egem.data.sequences import Labels, Named, Sequences, precision, stack
from egem.readers.long_format import sequences_of
from egem.readers.tables import ENDINGS, needs, read_table
from egem.runtime.files import byte_limit, check_size


def read_data(
    path: str | Path,
    *,
    step: float | None = None,
    start: float | str | None = None,
    max_bytes: int | None = None,
) -> tuple[Sequences, Labels | None]:
    r"""Read sequences, and labels where there are any, from a file.

    * `.npz`: ``X``, (n_cases, n_channels, n_timepoints) or (n_cases, n_timepoints); optionally
      ``y``, (n_cases,), and ``lengths``, (n_cases,), the number of time points that count.
    * `.ts`: the time-series archive's format (through aeon), without time stamps.
    * `.csv`, `.parquet`: long, one row per time point in any order, with columns ``case``,
      ``time``, optionally ``label``, and a numeric one for each channel. Empty cells are missing
      values. Times are numbers, or time stamps like ``2024-01-31T23:59:59``, which count in
      seconds; stamps without a zone are taken for UTC.

    Cases keep the order of their first rows, channels that of their columns.

    If every case of a long file is evenly spaced, within 1 %, its rows are the time points. If one
    is not, all cases are laid on an even grid: every observation goes to the nearest point, those
    of a channel that share a point are averaged, and points without any are NaN, which the
    classifier ignores. The step of the grid is chosen as :func:`egem.time_step` does. Files to be
    compared, for training and for prediction, need the same step; pass it for both::

        step = time_step("train.csv")
        X, y = read_data("train.csv", step=step)
        X_new, _ = read_data("new.csv", step=step)

    Rows of one time may hold different channels. Two values of one channel at the same time are an
    error, unless a step is given; then they are averaged.

    Parameters
    ----------
    path : str or Path
        The file; its ending names its format.
    step : float or None, default None
        Time between two points, in the unit of ``time``; in seconds for time stamps. None keeps
        evenly spaced cases as they are, and otherwise chooses a step. A given step holds for evenly
        spaced cases too: those of another spacing are laid on the grid.
    start : float, str or None, default None
        Time of the first point of every case, a time stamp if the times are. None is each case's
        own first time.
    max_bytes : int or None, default None
        Largest file, unpacked; None is ``EGEM_MAX_BYTES`` of the environment, or 2 GiB.

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
        If there is no such file.
    ValueError
        If the ending is unknown, or the content cannot be used or is too large; if times are too
        irregular for a step to be chosen, or the grid would be all but empty; if ``step`` or
        ``start`` is given for a file without times.
    ImportError
        If `.ts` or `.parquet` needs an extra that is not installed.

    Warns
    -----
    UserWarning
        If the times of a case are unevenly spaced and a step was chosen; the message names it.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> file = Path(folder.name, "two.csv")
    >>> _ = file.write_text("case,time,label,x\nb,1,up,4\nb,0,up,3\na,0,down,7\na,1,down,\n")
    >>> X, y = read_data(file)
    >>> X.tolist(), y.tolist()
    ([[[3.0, 4.0]], [[7.0, nan]]], ['up', 'down'])
    >>> _ = file.write_text("case,time,x\na,0,1\na,0.9,2\na,3.1,3\nb,8,4\nb,9,5\nb,11,6\n")
    >>> read_data(file, step=1)[0].tolist()
    [[[1.0, 2.0, nan, 3.0]], [[4.0, 5.0, nan, 6.0]]]
    >>> folder.cleanup()
    """
    return read_named(path, step, start, max_bytes, stacklevel=3)[:2]


def read_named(
    path: str | Path,
    step: float | None = None,
    start: float | str | None = None,
    max_bytes: int | None = None,
    stacklevel: int = 2,
) -> Named:
    """Read a file as :func:`read_data` does, with the names of cases and channels."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file; check its name and folder.")
    ending = path.suffix.lower()
    if ending not in (*ENDINGS, ".npz", ".ts"):
        raise ValueError(
            f"{path}: files ending in {ending!r} are not known; give .npz, .ts, or a long .csv or "
            ".parquet."
        )
    if ending not in ENDINGS and (step is not None or start is not None):
        raise ValueError(
            f"{path}: {ending} files are read without times; leave out step and start, or give a "
            "long .csv or .parquet."
        )
    limit = byte_limit(max_bytes)
    try:
        check_size("it holds", path.stat().st_size, limit)
        if ending in ENDINGS:
            return sequences_of(read_table(path, limit), step, start, stacklevel)
        return Named(*(_read_npz(path, limit) if ending == ".npz" else read_ts(path)))
    except (ImportError, Warning):  # warnings may be errors
        raise
    except Exception as error:  # the errors that damaged files cause have no common type
        if isinstance(error, ValueError) and str(path) in str(error):
            raise
        raise ValueError(f"{path}: cannot be read as {ending} ({error}).") from error


def read_ts(path: Path) -> tuple[Sequences, Labels | None]:
    """Read a `.ts` file of the time-series archive; labels are text and keep their capitals."""
    try:
        from aeon.datasets import load_from_ts_file
    except ImportError as error:
        raise ImportError(needs(path, "aeon")) from error
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


def load_arrays(path: Path, *required: str, max_bytes: int | None = None) -> dict[str, np.ndarray]:
    """Load the arrays of an `.npz` file, some of them required, without unpickling."""
    try:
        _check_unpacked(path, byte_limit(max_bytes))
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


def _check_unpacked(path: Path, limit: int) -> None:
    """Refuse arrays that unpack to more than the limit, or whose headers claim more than that.

    A few bytes can ask for any amount of memory, by a header or by how well zeros compress.
    """
    with zipfile.ZipFile(path) as archive:
        check_size("unpacked it holds", sum(each.file_size for each in archive.infolist()), limit)
        for each in archive.infolist():
            with archive.open(each) as member:
                version = np.lib.format.read_magic(member)
                if version not in _NPY_HEADERS:
                    raise ValueError(f"array format {version} is not known")
                shape, _, dtype = _NPY_HEADERS[version](member)
            if dtype.hasobject:
                raise ValueError("it holds objects")
            if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > each.file_size:
                raise ValueError(f"{each.filename} claims the shape {shape}, but holds less")


_NPY_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def _read_npz(path: Path, limit: int) -> tuple[Sequences, Labels | None]:
    arrays = load_arrays(path, "X", max_bytes=limit)
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
    X = X.astype(precision(X.dtype))
    if y is not None and y.shape != X.shape[:1]:
        raise ValueError(
            f"{path}: X holds {len(X)} cases but y has shape {y.shape}; store one label per case."
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
