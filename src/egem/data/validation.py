"""Validation of user input; every error names the argument, the trouble and the remedy."""

import math
import warnings
from collections.abc import Iterator, Sequence
from copy import copy
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from egem.data.cases import Case, as_cases, is_table

VALUES_AT_ONCE = 2**15  # float64s that fit in a cache

# A value this many typical deviations from the median is a sentinel (-999, 1e30), no measurement:
# standardised with it, the other values would fall below float32's resolution.
SENTINEL = 1e6
# Common codes for "missing" (99, 999, ...). They are suspect beyond ODD typical deviations, and
# APART times the deviation of the farthest other value.
USUAL_SENTINELS = {10.0**n - 1.0 for n in range(2, 7)}
ODD, APART = 20.0, 4.0


def check_spread(cases: list[Case], name: str = "X", stacklevel: int = 3) -> None:
    """Refuse sentinel values, which would dwarf all others; warn of values that may be one.

    By default the warning goes to the caller of the caller. Deviations below float32's resolution
    of those in the widest channel count as rounding errors.

    Raises
    ------
    ValueError
        If a value deviates a million times as far from the median as is typical of its channel.
    """
    spreads = [_spread(cases, channel) for channel in range(len(cases[0]))]
    rounding = np.finfo(np.float32).eps * max(each.typical for each in spreads)
    for channel, spread in enumerate(spreads):
        typical = max(spread.typical, rounding)
        if not spread.farthest / SENTINEL <= typical or spread.farthest > 1e150:
            i = next(i for i, x in enumerate(cases) if (x[channel] == spread.worst).any())
            raise ValueError(
                f"{name}: case {i} holds {spread.worst:g} in channel {channel}, over a million "
                f"times the typical spread there ({typical:g}); if it stands for a missing value, "
                "give NaN, otherwise remove or rescale it."
            )
        alone = spread.farthest > max(APART * spread.second, ODD * typical)
        if alone and abs(spread.worst) in USUAL_SENTINELS:
            n = sum(int((x[channel] == spread.worst).sum()) for x in cases)
            warnings.warn(
                f"{name} holds {spread.worst:g} in channel {channel} ({n} times), far from all "
                "other values there; if it stands for a missing value, give NaN.",
                UserWarning,
                stacklevel=stacklevel,
            )


def check_axes(cases: list[Case], stacklevel: int = 3) -> None:
    """Warn of cases with twice as many channels as time points: axes may have been swapped."""
    n, longest = len(cases[0]), max(x.shape[1] for x in cases)
    if n > 2 * longest:
        warnings.warn(
            f"X has {n} channels of at most {longest} time points; if its axes are time points, "
            "then channels, give X.transpose(0, 2, 1), or x.T of each case.",
            UserWarning,
            stacklevel=stacklevel,
        )


class _Spread(NamedTuple):
    """Absolute deviations of a channel's values from their median."""

    typical: float  # median of those above 0
    farthest: float
    second: float  # the largest of any other value
    worst: float  # the value with the largest


def _spread(cases: list[Case], channel: int) -> _Spread:
    pooled = np.concatenate([x[channel] for x in cases])
    pooled = pooled[~np.isnan(pooled)]
    if not len(pooled):
        return _Spread(0.0, 0.0, 0.0, 0.0)
    with np.errstate(over="ignore"):
        far = np.abs(pooled - np.median(pooled))
    typical = float(np.median(far[far > 0])) if (far > 0).any() else 0.0
    worst = pooled[far.argmax()]
    second = float(far[pooled != worst].max(initial=0.0))
    return _Spread(typical, float(far.max()), second, float(worst))


def learn_input(estimator: Any, X, cases: list[Case]) -> None:
    """Let an estimator learn the width and feature names of the X it is fitted to.

    It keeps what it knows where X is refused.
    """
    learned = copy(estimator)
    for name in ("n_features_in_", "feature_names_in_", "time_step_", "channel_names_"):
        vars(learned).pop(name, None)
    if is_table(X):
        validate_data(learned, X, reset=True, skip_check_array=True)
    else:
        learned.n_features_in_ = len(cases[0])
    estimator.__dict__ = vars(learned)


def cases_of(estimator: Any, X, fitted: Any) -> list[Case]:
    """Take X apart, and check it against what an estimator was fitted to.

    ``fitted`` is the estimator's preparation (``n_channels``, ``n_timepoints``).
    """
    table, cases = is_table(X), as_cases(X)
    if table and fitted.n_channels > 1:
        n = fitted.n_channels
        raise ValueError(
            f"X has shape {np.shape(X)}, which reads as {len(cases)} cases of one channel, but "
            f"this model was fitted with {n}; give (n_cases, {n}, n_timepoints): X[None] for a "
            "single case."
        )
    if table and estimator.n_features_in_ == 1:  # fitted to 3-D input or a list
        width = np.shape(X)[1]
        if width != fitted.n_timepoints:
            raise ValueError(
                f"X has {width} time points, but this model was fitted with {fitted.n_timepoints}; "
                "give prefixes as a list, as (n_cases, 1, length), or padded with NaN."
            )
        table = hasattr(estimator, "feature_names_in_")
    if table:
        validate_data(estimator, X, reset=False, skip_check_array=True)
    return cases


def check_channels(cases: list[Case], n_channels: int, fitted: str) -> None:
    """Refuse cases with another number of channels than ``fitted`` has.

    Raises
    ------
    ValueError
        Naming both numbers.
    """
    n = len(cases[0])
    if n != n_channels:
        raise ValueError(
            f"X has {n} channel{'s' * (n != 1)}, but {fitted} was fitted with {n_channels}; give "
            "the same channels in the same order (a missing one is a row of NaN)."
        )


def check_share(name: str, value: float) -> None:
    """Refuse what is not strictly between 0 and 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1, both excluded, not {value!r}.")


def as_labels(y, n_cases: int) -> Shaped[np.ndarray, " n_cases"]:
    """Check labels: one for each case, all text or all integers (or booleans).

    Raises
    ------
    ValueError
        If y has another length than X, is continuous, or mixes types.
    """
    if y is None:
        raise ValueError(
            "This EGEMClassifier estimator requires y to be passed, but the target y is None."
        )
    if isinstance(y, Sequence) and not isinstance(y, str):
        if any(isinstance(label, str) and label.endswith("\0") for label in y):
            raise ValueError("y holds labels that end in a NUL character, which NumPy drops.")
        kinds = {"text" if isinstance(label, str) else "number" for label in y}
        if len(kinds) > 1:
            raise ValueError(_MIXED)
    if isinstance(y, np.ma.MaskedArray):
        if y.mask.any():
            raise ValueError("y is masked in places; name the class of every case.")
        y = y.data
    y = column_or_1d(y, warn=True)
    if y.dtype == object:
        if len({isinstance(label, str) for label in y}) > 1:
            raise ValueError(_MIXED)
        if isinstance(y[0] if len(y) else "", str):
            y = y.astype(str)
        elif all(isinstance(label, int | np.integer) for label in y):
            y = y.astype(np.int64)
    if len(y) != n_cases:
        raise ValueError(f"X holds {n_cases} cases but y holds {len(y)} labels; give one per case.")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError("y holds NaN or infinite labels; name the class of every case.")
    check_classification_targets(y)
    whole = y.dtype.kind == "f" and (y == np.round(y)).all()
    return y.astype(np.int64) if whole else y  # 1.0 and 1 are one class


def of_one_shape(
    cases: Sequence[Case],
) -> Iterator[tuple[Int[np.ndarray, " m"], Float[np.ndarray, "m c t"]]]:
    """Yield batches of cases of one shape that fit in a cache: their indices, and their array.

    >>> [(i.tolist(), x.shape) for i, x in of_one_shape([np.ones((1, 2)), np.ones((1, 3))])]
    [([0], (1, 1, 2)), ([1], (1, 1, 3))]
    """
    places: dict[tuple[int, ...], list[int]] = {}
    for i, case in enumerate(cases):
        places.setdefault(case.shape, []).append(i)
    for shape, alike in places.items():
        some = max(VALUES_AT_ONCE // max(math.prod(shape), 1), 1)
        for first in range(0, len(alike), some):
            at = alike[first : first + some]
            yield np.array(at), np.stack([cases[i] for i in at])


_MIXED = "y mixes text and number labels; make them all text or all integers."
