"""Readers of sequences in files and folders, whatever their layout; none unpickles."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from egem.data.sequences import Labels, Named, Sequences
from egem.readers.archive_files import read_arff, read_ts
from egem.readers.array_files import read_mat, read_npy, read_npz
from egem.readers.collection import of_one_file, read_collection
from egem.readers.folders import Budget, is_pattern
from egem.readers.hints import Hints
from egem.readers.long_format import Cases, sequences_of, step_of
from egem.readers.spreadsheets import read_spreadsheet
from egem.readers.summary import Found, summary
from egem.readers.table_files import TEXT, arranged_frame, arranged_text
from egem.readers.tables import read_parquet
from egem.runtime.files import byte_limit, check_size

ENDINGS = (*TEXT, ".gz", ".parquet", ".npz", ".npy", ".ts", ".arff", ".mat", ".xlsx", ".zip")
_log = logging.getLogger(__name__)


def read_data(
    path: str | Path,
    *,
    step: float | None = None,
    start: float | str | None = None,
    max_bytes: int | None = None,
    layout: str | None = None,
    case: str | None = None,
    time: str | None = None,
    label: str | None = None,
    channels: Sequence[str] | None = None,
    label_from: str | None = None,
    sep: str | None = None,
    decimal: str | None = None,
) -> tuple[Sequences, Labels | None]:
    r"""Read sequences, and labels where there are any, from a file or folder of any layout.

    * Tables (`.csv`, `.tsv`, `.txt`, `.parquet`, ..., also `.gz`): *long*, one row per time point
      in any order, with columns of the case, the time, optionally the label, and a numeric one for
      each channel; *wide*, one row per sequence; one recording of which a column of labels makes
      *segments*; or one *recording* without labels. Empty cells are missing values. Times are
      numbers, or time stamps like ``2024-01-31T23:59:59``, which count in seconds; stamps without a
      zone are taken for UTC.
    * A folder, a `.zip` or a pattern like ``walk_*.csv``: a file for each recording, with labels
      from folders or names, or the sensors of a phone's export.
    * `.npz`: ``X``, (n_cases, n_channels, n_timepoints) or (n_cases, n_timepoints); optionally
      ``y``, (n_cases,), and ``lengths``, (n_cases,), the number of time points that count. `.npy`
      likewise, with labels in a file beside it, and `.mat`.
    * `.ts` and `.arff`: the time-series archive's formats (through aeon), without time stamps.

    The layout is recognised by names and content; what was understood is logged at level INFO, in
    one line. Where two readings are equally likely, an error names the options that choose.

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
        The file, folder or pattern; a file's ending names its format.
    step : float or None, default None
        Time between two points, in the unit of ``time``; in seconds for time stamps. None keeps
        evenly spaced cases as they are, and otherwise chooses a step. A given step holds for evenly
        spaced cases too: those of another spacing are laid on the grid.
    start : float, str or None, default None
        Time of the first point of every case, a time stamp if the times are. None is each case's
        own first time.
    max_bytes : int or None, default None
        Largest file, unpacked, or sum of files; None is ``EGEM_MAX_BYTES`` of the environment, or
        2 GiB.
    layout : {"long", "wide", "segments", "recording"} or None, default None
        Layout of a table; None is recognised, as all that follow.
    case, time, label : str or None, default None
        Names of columns; without a header their numbers from 1, ``"first"`` or ``"last"``.
    channels : sequence of str or None, default None
        Columns that are channels, in this order; ``*`` stands for any characters.
    label_from : {"folder", "name", "column", "segments", "none"} or None, default None
        Where labels are; ``"folder:1"`` is the outermost folder, ``"folder"`` the innermost.
    sep, decimal : str or None, default None
        Separator of cells and decimal mark of text.

    Returns
    -------
    X : array (n_cases, n_channels, n_timepoints), or list of array (n_channels, length_i)
        A list where lengths differ. NaN is a missing value. float32 where the file holds it,
        otherwise float64.
    y : array (n_cases,) or None
        Labels: text, or the stored type from `.npz`, `.npy` and `.parquet`.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder.
    ValueError
        If the ending or the layout is unknown, or the content cannot be used or is too large; if
        times are too irregular for a step to be chosen, or the grid would be all but empty; if
        ``step`` or ``start`` is given for a file without times.
    ImportError
        If `.ts`, `.parquet` or `.xlsx` needs a package that is not installed.

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
    hints = Hints(layout, case, time, label, channels, label_from, sep, decimal)
    return read_named(path, step, start, max_bytes, 3, hints)[:2]


def read_named(
    path: str | Path,
    step: float | None = None,
    start: float | str | None = None,
    max_bytes: int | None = None,
    stacklevel: int = 2,
    hints: Hints | None = None,
    times_needed: bool = True,
) -> Named:
    """Read a file as :func:`read_data` does, with names, step and what was understood.

    Without ``times_needed`` a step is ignored where there are no times.
    """
    path = Path(path)
    hints = (hints or Hints()).checked()
    found = _found(path, hints, start, byte_limit(max_bytes))
    timed = isinstance(found.cases, Cases) and found.cases.timed
    if not timed and times_needed and (step is not None or start is not None):
        kind = f"{path.suffix} files are" if isinstance(found.cases, Named) else "it is"
        raise ValueError(
            f"{path}: {kind} read without times; leave out step and start, or give a long .csv or "
            ".parquet."
        )
    warning = None
    if isinstance(found.cases, Named):
        named = found.cases
    else:
        step = (step or found.step) if timed else None
        named, warning = sequences_of(found.cases, step)
        named = named._replace(step=(named.step or step) if timed else None)
    if found.step is not None:
        seen = sum(int((~np.isnan(x)).sum()) for x in named.X) / sum(x.size for x in named.X)
        remark = f"sensors on one grid, {seen:.0%} observed"
        found = found._replace(remarks=(*found.remarks, remark))
    named = named._replace(summary=summary(named, found))
    _log.info("%s: %s", path, named.summary)
    if warning is not None:
        warnings.warn(warning, UserWarning, stacklevel=stacklevel)
    return named


def time_step(path: str | Path) -> float:
    r"""Return the time step that suits the cases of a long file.

    It is the median gap between successive time stamps of a case, checked against the time stamps:
    9 in 10 gaps must be a multiple of it, within a quarter of a step. If they are not, the gaps
    between observations of one channel are tried. Files to be compared need the same step: use that
    of the training cases for new ones.

    Parameters
    ----------
    path : str or Path
        A file or folder with times, see :func:`egem.read_data`.

    Returns
    -------
    float
        In the unit of the column ``time``; in seconds for time stamps.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it holds no times, cannot be used, or has times too irregular for a step to be
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
    if path.suffix.lower() in (".npz", ".ts"):
        raise ValueError(f"{path}: only long files, such as .csv and .parquet, hold times.")
    found = _found(path, Hints(), None, byte_limit(None))
    if not isinstance(found.cases, Cases) or not found.cases.timed:
        raise ValueError(f"{path}: it holds no times; give a file with a column of them.")
    return found.step or step_of(found.cases)


def _found(path: Path, hints: Hints, start: Any, limit: int) -> Found:
    """Read a file or folder; errors name it."""
    ending = path.suffix.lower()
    if not path.exists() and not is_pattern(path):
        raise FileNotFoundError(
            f"{path}: there is no such file or folder; check its name and where it is."
        )
    many = not path.is_file() or ending == ".zip"
    if not many and ending not in ENDINGS:
        raise ValueError(
            f"{path}: files ending in {ending!r} are not known; give {', '.join(ENDINGS)}, or a "
            "folder."
        )
    try:
        if many:
            return read_collection(path, hints, start, limit)
        check_size("it holds", path.stat().st_size, limit)
        return _of_file(path, ending, hints, start, limit)
    except (ImportError, FileNotFoundError, Warning):  # warnings may be errors
        raise
    except Exception as error:  # the errors that damaged files cause have no common type
        if isinstance(error, ValueError) and str(path) in str(error):
            raise
        kind = "a folder" if path.is_dir() else ending
        raise ValueError(f"{path}: cannot be read as {kind} ({error}).") from error


def _of_file(path: Path, ending: str, hints: Hints, start: Any, limit: int) -> Found:
    match ending:
        case ".npz":
            return Found(Named(*read_npz(path, limit)), "sequences", "y")
        case ".ts":
            return Found(Named(*read_ts(path)), "sequences", "the file")
        case ".npy":
            return Found(read_npy(path, limit), "sequences", "the file beside it")
        case ".mat":
            named, remarks = read_mat(path, limit)
            return Found(named, "sequences", "the array of labels", None, remarks)
        case ".xlsx":
            return read_spreadsheet(path, hints, start, limit)
        case ".arff":
            arranged = read_arff(path.read_bytes(), path, hints)
        case ".parquet":
            arranged = arranged_frame(read_parquet(path, limit), hints, start)
        case ".gz":
            content = Budget(limit).unpacked(path.read_bytes(), path)
            if Path(path.stem).suffix.lower() not in TEXT:
                raise ValueError(f"{path}: of .gz only text is read, like .csv.gz; unpack it.")
            arranged = arranged_text(content, path, hints, start)
        case _:
            arranged = arranged_text(path.read_bytes(), path, hints, start)
    return of_one_file(arranged, path, hints)
