"""Files of arrays: `.npz`, `.npy` beside its labels, `.mat`; none unpickles."""

import io
import math
import re
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from egem.data.grid import Rows
from egem.data.sequences import Labels, Named, Sequences, precision, stack
from egem.readers.dialect import sniff
from egem.readers.encoding import decode
from egem.readers.hints import Hints
from egem.readers.layouts import Arranged
from egem.readers.long_format import Cases
from egem.readers.wide import whole_labels
from egem.runtime.files import byte_limit, check_size

if TYPE_CHECKING:
    from egem.readers.folders import Member

_LABELS = ("y", "labels", "label", "targets", "target", "classes")
_DATA = ("x", "data", "samples", "series", "sequences")


def arrays_among(members: "list[Member]", path: Path) -> Named | None:
    """Read an array of cases and the labels beside it; None if the members are no such pair.

    Raises
    ------
    ValueError
        If there are several pairs.
    """
    data = [m for m in members if m.ending == ".npy" and not _words(m.stem) & {*_LABELS}]
    labels = [m for m in members if _words(m.stem) & {*_LABELS} and m.ending != ".parquet"]
    if not labels or not data or len({m.parts[:-1] for m in (*data, *labels)}) > 1:
        return None
    if len(data) > 1:
        if not any(_words(m.stem) & {*_DATA} for m in data):
            return None
        names = ", ".join(m.parts[-1] for m in data)
        raise ValueError(f"{path}: it holds several arrays ({names}); give one of them.")
    if len(labels) > 1 or len(members) > 2:
        return None
    X = npy_cases(data[0].read(), data[0].path)
    return _labelled(X, data[0].path, labels[0].read(), labels[0].path)


def read_npy(path: Path, limit: int) -> Named:
    """Read an array of cases, and the labels of the file beside it that its name tells."""
    X = npy_cases(path.read_bytes(), path)
    rest = _words(path.stem) - {*_DATA}
    for file in sorted(path.parent.iterdir()):
        words = _words(file.stem)
        known = words & {*_LABELS} and file.suffix.lower() in (".npy", ".csv", ".txt", ".tsv")
        if known and words - {*_LABELS} in (rest, _words(path.stem)):
            check_size(f"{file}: it holds", file.stat().st_size, limit)
            return _labelled(X, path, file.read_bytes(), file)
    return Named(X, None)


def npy_cases(content: bytes, path: Path) -> Sequences:
    """Read cases, (n_cases, n_channels, n_timepoints) or (n_cases, n_timepoints), from `.npy`."""
    X = _npy(content, path)
    if X.dtype.kind not in "fiub" or X.ndim not in (2, 3) or 0 in X.shape:
        raise ValueError(
            f"{path}: it holds {X.dtype} of shape {X.shape}; store numbers, (n_cases, n_channels, "
            "n_timepoints), or (n_cases, n_timepoints) for one channel."
        )
    X = X[:, None] if X.ndim == 2 else X
    return X.astype(precision(X.dtype))


def recording_of_array(content: bytes, path: Path, limit: int) -> Arranged:
    """Read one recording, of which the longer axis is time, from `.npy`."""
    x = _npy(content, path)
    check_size(f"{path}: it holds", x.nbytes, limit)
    x = x[None] if x.ndim == 1 else x
    if x.dtype.kind not in "fiub" or x.ndim != 2 or 0 in x.shape or x.shape[0] == x.shape[1]:
        raise ValueError(
            f"{path}: it holds {x.dtype} of shape {x.shape}; a recording has (n_channels, "
            "n_timepoints), more time points than channels."
        )
    x = x.T if x.shape[0] > x.shape[1] else x
    x = x.astype(precision(x.dtype))
    n = x.shape[1]
    rows = Rows(np.zeros(n, int), np.arange(float(n)), x, [path.stem])
    names = [f"channel_{c}" for c in range(len(x))]
    return Arranged(Cases(path, rows, None, names, None, timed=False), "recording")


def read_mat(path: Path, limit: int) -> tuple[Named, tuple[str, ...]]:
    """Read an array of cases and its labels from a `.mat` file, and say which axes were taken.

    Raises
    ------
    ValueError
        If it is of MATLAB 7.3, or its arrays cannot be told apart.
    """
    from scipy.io import loadmat, whosmat

    try:
        sizes = [math.prod(shape) * 8 for _, shape, _ in whosmat(path)]
        check_size(f"{path}: unpacked it holds", sum(sizes), limit)
        arrays = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
    except NotImplementedError as error:
        raise ValueError(
            f"{path}: files of MATLAB 7.3 are not read; save it with save(file, '-v7')."
        ) from error
    held = ", ".join(f"{name} {value.shape}" for name, value in arrays.items()) or "nothing"
    labels = {k: _mat_labels(v) for k, v in arrays.items() if k.casefold() in _LABELS}
    if not labels:
        labels = {k: _mat_labels(v) for k, v in arrays.items() if 1 in v.shape and v.size > 1}
    data = {k: v for k, v in arrays.items() if k not in labels and _is_data(v)}
    if len(data) > 1:
        data = {k: v for k, v in data.items() if k.casefold() in _DATA} or data
    if len(data) != 1 or len(labels) > 1:
        raise ValueError(
            f"{path}: its arrays are {held}; store X, (n_cases, n_channels, n_timepoints), and y."
        )
    ((name, X),) = data.items()
    y = next(iter(labels.values()), None)
    if X.dtype == object:
        cases = [np.asarray(x, np.float64) for x in X.ravel()]
        narrow = {min(x.shape) for x in cases}
        fixed = [a for a in (0, 1) if len({x.shape[a] for x in cases}) == 1]
        axis = fixed[0] if len(fixed) == 1 else (0 if narrow == {cases[0].shape[0]} else 1)
        X, said = stack([x if axis == 0 else x.T for x in cases]), f"cells of {name}"
    else:
        X, said = _oriented(X, name, y, path)
    if y is not None and len(y) != len(X):
        raise ValueError(f"{path}: {len(X)} cases but {len(y)} labels ({held}); store one each.")
    return Named(X, y), (said,)


def _oriented(X: np.ndarray, name: str, y, path: Path) -> tuple[np.ndarray, str]:
    """Put the axis of cases first and that of time last: the cases are as many as the labels."""
    X = np.asarray(X, np.float64)
    axes = [0] if y is None else [a for a in range(X.ndim) if X.shape[a] == len(y)]
    if X.ndim == 2 and axes == [0, 1]:
        axes = [0]
    if len(axes) != 1:
        raise ValueError(
            f"{path}: {len(axes)} axes of {name} {X.shape} are as long as the labels are many; "
            "store (n_cases, n_channels, n_timepoints) with numpy.savez(path, X=..., y=...)."
        )
    X = np.moveaxis(X, axes[0], 0)
    if X.ndim == 2:
        return X[:, None], f"rows of {name} are cases" if axes[0] == 0 else f"columns of {name}"
    if X.shape[1] == X.shape[2]:
        return X, f"{name} taken as (cases, channels, time points)"
    X = X if X.shape[1] < X.shape[2] else X.swapaxes(1, 2)
    return X, f"the shorter axis of {name} taken for the channels"


def _is_data(value: np.ndarray) -> bool:
    if value.dtype == object:
        inner = [x for x in value.ravel() if isinstance(x, np.ndarray)]
        return len(inner) == value.size > 0 and all(
            x.ndim == 2 and x.dtype.kind in "fiub" and x.size for x in inner
        )
    return value.dtype.kind in "fiub" and value.ndim in (2, 3) and min(value.shape) > 0


def _mat_labels(value: np.ndarray) -> np.ndarray:
    if value.dtype == object:
        return np.array([str(np.squeeze(cell)) for cell in value.ravel()])
    if value.dtype.kind == "U":
        return np.array([str(row).strip() for row in value.ravel()])
    return whole_labels(value.ravel().tolist())


def _words(stem: str) -> set[str]:
    return {word for word in re.split(r"[\W_]+", stem.casefold()) if word}


def _npy(content: bytes, path: Path) -> np.ndarray:
    try:
        with io.BytesIO(content) as file:
            version = np.lib.format.read_magic(file)
            shape, _, dtype = _NPY_HEADERS[version](file)
            if dtype.hasobject or math.prod(shape) * dtype.itemsize > len(content):
                raise ValueError("it holds objects, or less than it claims")
        return np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, KeyError, EOFError, OSError) as error:
        raise ValueError(
            f"{path}: cannot be read as .npy ({error}); write it with numpy.save, numbers or text "
            "(objects would need pickle, which is never loaded)."
        ) from error


def _labelled(X: Sequences, path: Path, content: bytes, file: Path) -> Named:
    y = _npy(content, file) if file.suffix == ".npy" else _listed(content, file, len(X))
    if y.shape != (len(X),):
        raise ValueError(
            f"{file}: it holds labels of shape {y.shape} for the {len(X)} cases of {path}; store "
            "one label per case."
        )
    return Named(X, y)


def _listed(content: bytes, file: Path, n: int) -> np.ndarray:
    """Read a list of labels, a line each: the last column, with or without a header."""
    text = sniff(decode(content, file)[0], file, Hints())
    lines = [line for line in decode(content, file)[0].splitlines() if line.strip()]
    cells: Sequence[str] = [line.split(text.sep)[-1].strip().strip('"') for line in lines]
    return whole_labels(list(cells[1:] if len(cells) == n + 1 else cells))


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


def read_npz(path: Path, limit: int) -> tuple[Sequences, Labels | None]:
    """Read `X`, and `y` and `lengths` where there are any, from an `.npz` file."""
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
