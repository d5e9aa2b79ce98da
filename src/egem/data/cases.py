"""Cases from whatever holds sequences: arrays, lists, data frames, tensors and panels.

What can be read without guessing is read; all else is refused with an error that names the
argument, the trouble and the remedy.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.utils.validation import check_array

Case = Float[np.ndarray, "n_channels n_timepoints"]


def as_cases(X: Any, name: str = "X") -> list[Case]:
    """Convert any accepted input to a list of float64 cases ``(n_channels, length)``.

    Parameters
    ----------
    X : array, sequence or data frame
        ``(n_cases, n_channels, n_timepoints)``; ``(n_cases, n_timepoints)``, univariate; a sequence
        of ``(n_channels, length_i)`` or ``(length_i,)`` arrays, tensors or lists, or of data frames
        with a column for each channel; a data frame with a row for each case, whose cells are
        numbers or sequences, or with rows indexed by case and time. NaN, or a masked value, is
        missing.
    name : str, default "X"
        Name of the argument, for messages.

    Returns
    -------
    list of array (n_channels, length_i)
        Time points after the last observed one of a case are dropped.

    Raises
    ------
    ValueError
        If X is empty, infinite or not real, its cases differ in their number of channels, or a
        case holds no value.
    """
    try:
        arrays = _arrays(X, name)
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:  # whatever X raises
        if str(error).startswith(name):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{name} cannot be read as an array of numbers ({error}); {_FORMS}") from error
    channels = {len(x) for x in arrays}
    if len(channels) != 1:
        raise ValueError(
            f"{name}: the cases have {sorted(channels)} channels; every case needs the same "
            "channels (a missing one is a row of NaN)."
        )
    return [x if np.isfinite(x).all() else _trimmed(x, i, name) for i, x in enumerate(arrays)]


_FORMS = (
    "give an array (n_cases, n_channels, n_timepoints) of numbers, or a list of arrays "
    "(n_channels, length)."
)


def _arrays(X: Any, name: str) -> list[Case]:
    """Take X apart into arrays (n_channels, length)."""
    X = _unpacked(X, name)
    if isinstance(X, Sequence | np.ndarray) and getattr(X, "ndim", 1) and len(X) == 0:
        raise ValueError(f"{name} holds no cases; give at least one.")
    if is_list_of_cases(X):
        return [_one_case(x, i, name) for i, x in enumerate(_of_the_same_columns(X, name))]
    array = check_array(
        _refuse_others(X, name),
        allow_nd=True,
        dtype="float64",
        ensure_all_finite=False,
        input_name=name,
    )
    if array.ndim == 2:
        array = array[:, None, :]
    if array.ndim != 3:
        raise ValueError(
            f"{name} has {array.ndim} dimensions; give (n_cases, n_channels, n_timepoints), "
            "(n_cases, n_timepoints), or a list of (n_channels, length) arrays."
        )
    if 0 in array.shape:
        raise ValueError(
            f"{name} has shape {array.shape}; give at least one channel and one time point."
        )
    return list(array)


def is_table(X: Any) -> bool:
    """Whether X is two-dimensional: an array, a data frame, or equally long lists of numbers."""
    if is_frame(X) and (_is_panel(X) or _is_nested(X)):
        return False
    if hasattr(X, "shape"):
        return np.ndim(X) == 2
    if isinstance(X, str) or not isinstance(X, Sequence) or not X or is_list_of_cases(X):
        return False
    return isinstance(X[0], list | tuple) and np.ndim(X) == 2


def is_list_of_cases(X: Any) -> bool:
    """Whether X is a sequence of arrays or of ragged lists, not one array to NumPy."""
    if isinstance(X, np.ndarray):
        return X.dtype == object and X.ndim == 1 and len(X) > 0 and np.ndim(X[0]) > 0
    if not isinstance(X, Sequence) or isinstance(X, str) or not X:
        return False
    if any(is_frame(x) for x in X):
        return True
    if all(hasattr(x, "shape") for x in X):
        return len(X[0].shape) > 1 or len({tuple(x.shape) for x in X}) > 1
    return all(_is_list(x) for x in X) and _is_ragged(X)


def is_frame(x: Any) -> bool:
    """Whether x is a data frame, of pandas or polars."""
    return hasattr(x, "columns") and hasattr(x, "to_numpy")


def _is_panel(X: Any) -> bool:
    """Whether the rows of a data frame are indexed by case and time."""
    return getattr(getattr(X, "index", None), "nlevels", 1) == 2


def _is_nested(X: Any) -> bool:
    """Whether the cells of a data frame hold sequences."""
    return hasattr(X, "iloc") and 0 not in X.shape and np.ndim(X.iloc[0, 0]) > 0


def _is_list(x: Any) -> bool:
    return isinstance(x, Sequence) and not isinstance(x, str)


def _is_ragged(X: Sequence) -> bool:
    """Whether nested lists have no common shape."""
    if not any(_is_list(x) for x in X):
        return False
    if len({len(x) if _is_list(x) else -1 for x in X}) > 1:
        return True
    return _is_ragged([y for x in X for y in x])


def _of_the_same_columns(X: Any, name: str) -> Any:
    """Bring data frames to the columns of the first one: channels are matched by name."""
    if not all(is_frame(x) for x in X):
        return X
    columns = list(X[0].columns)
    for i, x in enumerate(X):
        if len(x.columns) == len(columns) and set(x.columns) != set(columns):
            raise ValueError(
                f"{name}: case {i} has the columns {list(x.columns)}, case 0 {columns}; give every "
                "data frame the same columns, one for each channel."
            )
    return [x[columns] if set(x.columns) == set(columns) else x for x in X]


def _unpacked(X: Any, name: str) -> Any:
    """Turn tensors, masked arrays and what pandas nests into arrays or lists; others stay."""
    if isinstance(X, np.ma.MaskedArray) or hasattr(X, "detach"):
        return _as_array(X)
    if not hasattr(X, "to_numpy"):
        return X
    if not is_frame(X):  # a Series: of sequences, or one that NumPy refuses
        return list(X) if len(X) and np.ndim(X.iloc[0] if hasattr(X, "iloc") else X[0]) else X
    if getattr(getattr(X, "index", None), "nlevels", 1) > 2:
        raise ValueError(
            f"{name} is a data frame with {X.index.nlevels} levels of its index; give two, case "
            "and time."
        )
    if _is_panel(X):
        if X.index.has_duplicates:
            case, time = X.index[X.index.duplicated()][0]
            raise ValueError(f"{name}: case {case} has two rows of time {time}; keep one of them.")
        cases = [of.droplevel(0) for _, of in X.groupby(level=0, sort=False)]
        return [x if x.index.is_monotonic_increasing else x.sort_index() for x in cases]
    if _is_nested(X):
        rows = X.itertuples(index=False)
        return [[np.asarray(cell, float).tolist() for cell in row] for row in rows]
    return X


def _refuse_others(X: Any, name: str) -> Any:
    """Refuse what NumPy would make an array of that nobody meant."""
    dtype = getattr(X, "dtype", None)
    if is_frame(X) and hasattr(X, "iloc"):
        dates = [column for column, t in X.dtypes.items() if t.kind in "mM"]
        if dates:
            raise ValueError(
                f"{name} has times in column {dates[0]!r}; a row is a case, of numbers only: leave "
                "the column out, or give a list of data frames, one for each case."
            )
    if isinstance(X, Sequence) and not isinstance(X, str):
        try:
            np.asarray(X)
        except ValueError as error:
            raise ValueError(f"{name} is not an array of real numbers ({error}).") from error
    elif (
        not (hasattr(X, "shape") or hasattr(X, "__array__")) or getattr(dtype, "kind", "f") in "mMV"
    ):
        what = f"a {type(X).__name__}" if dtype is None else f"values of type {dtype}"
        raise ValueError(f"{name} holds {what}; {_FORMS}")
    return X


def _as_array(x: Any) -> Any:
    """Return an array of numbers: NaN for what is masked, tensors without gradients."""
    if isinstance(x, np.ma.MaskedArray):
        return np.where(np.ma.getmaskarray(x), np.nan, x.data.astype(np.float64))
    if is_frame(x):
        return np.asarray(x.to_numpy(), np.float64).T  # a column for each channel
    if hasattr(x, "detach"):
        x = x.detach().cpu()
        return (x.float() if "bfloat16" in str(x.dtype) else x).numpy()
    return np.asarray(x)


def _one_case(x: Any, i: int, name: str) -> Case:
    try:
        array = _as_array(x)
        if array.dtype == object:
            array = np.array(array.tolist(), np.float64)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"values of type {array.dtype}")
        array = array.astype(np.float64)
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise ValueError(f"{name}: case {i} is not an array of real numbers ({error}).") from error
    if array.ndim == 1:
        array = array[None, :]
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            f"{name}: case {i} has shape {np.shape(x)}; give (n_channels, length) with at least "
            "one channel and one time point."
        )
    return array


def _trimmed(x: Case, i: int, name: str) -> Case:
    if np.isinf(x).any():
        channel, point = np.argwhere(np.isinf(x))[0]
        raise ValueError(
            f"{name}: case {i} holds an infinite value (channel {channel}, time point {point}); "
            "replace it, or mark it as missing with NaN."
        )
    observed = np.flatnonzero(~np.isnan(x).all(axis=0))
    if not len(observed):
        raise ValueError(f"{name}: case {i} holds only NaN (missing values); remove it.")
    return x[:, : observed[-1] + 1]
