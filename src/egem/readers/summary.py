"""One line that says how a file was understood."""

from typing import NamedTuple

import numpy as np

from egem.data.sequences import Named
from egem.readers.long_format import Cases

_MAX_LABELS = 6  # that are listed


class Found(NamedTuple):
    """What a file or folder holds, and how it was understood.

    Attributes
    ----------
    cases : Cases or Named
        Rows of cases, or sequences without times.
    noun : str
        What a case is.
    source : str or None
        Where labels are from.
    unit : float or None
        Seconds in the unit of its times, where it is known.
    remarks : tuple of str
        What else a user should know.
    step : float or None
        Step of the grid, where several sensors are joined on one.
    """

    cases: Cases | Named
    noun: str
    source: str | None = None
    unit: float | None = None
    remarks: tuple[str, ...] = ()
    step: float | None = None


def summary(named: Named, found: Found) -> str:
    """Describe what was read.

    >>> named = Named(np.zeros((2, 1, 100)), np.array(["a", "b"]), step=0.02)
    >>> summary(named, Found(named, "recordings", "folder names", 1.0))
    '2 recordings of 2 labels (a, b) from folder names, 1 channel, 50 Hz, 2 s'
    """
    parts = [_count(len(named.X), found.noun) + _labels(named, found.source)]
    parts.append(_count(len(named.X[0]), "channels"))
    lengths = np.array([x.shape[1] for x in named.X])
    if named.step is not None and found.unit is not None:
        seconds = named.step * found.unit
        parts.append(f"{1 / seconds:.4g} Hz")
        parts.append(_range(lengths * seconds) + " s")
    else:
        if named.step is not None:
            parts.append(f"step {named.step:.6g}")
        parts.append(_range(lengths) + " points")
    return ", ".join(parts) + "".join(f"; {remark}" for remark in found.remarks)


def _count(n: int, noun: str) -> str:
    return f"{n:,} {noun.removesuffix('s') if n == 1 and noun != 'series' else noun}"


def _labels(named: Named, source: str | None) -> str:
    if named.y is None:
        return " without labels"
    names = np.unique(np.asarray(named.y).astype(str)).tolist()
    listed = f" ({', '.join(names)})" if len(names) <= _MAX_LABELS else ""
    return f" of {_count(len(names), 'labels')}{listed}" + (f" from {source}" if source else "")


def _range(values: np.ndarray) -> str:
    low, high = (f"{float(value):.4g}" for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"
