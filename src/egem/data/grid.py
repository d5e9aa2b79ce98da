"""Irregularly sampled cases on an even grid of time points, NaN where nothing was observed.

The points of a grid are ``start``, ``start + step``, ``start + 2 step`` and so on. Each observation
goes to the nearest point; the observations of one channel that share a point are averaged.
"""

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from egem.data.sequences import Sequences, stack

UNEVEN = 0.01  # relative deviation of a gap from the step up to which spacing is even
JITTER, MAX_IRREGULAR = 0.25, 0.1  # deviation from multiples of a step, in steps; share beyond it
MAX_POINTS_PER_ROW = 100  # a grid with more points than this per row is all but empty
MAX_VALUES = 10_000_000  # a grid may be all but empty up to this size
_ROUNDING = 1e-6  # in steps: a time midway between two points goes to the later one


class Rows(NamedTuple):
    """Observations of several cases, sorted by case and time.

    Attributes
    ----------
    case : array of int (n_rows,)
        Index of the case, from 0; every case has a row.
    time : array (n_rows,)
        Finite.
    values : array (n_channels, n_rows)
        NaN where a channel was not observed.
    names : sequence
        Names of the cases, for messages.
    shown : callable
        Formats a time for messages.
    """

    case: Int[np.ndarray, " n_rows"]
    time: Float[np.ndarray, " n_rows"]
    values: Float[np.ndarray, "n_channels n_rows"]
    names: Any
    shown: Callable[[Any], str] = "{:.15g}".format

    @property
    def starts(self) -> Int[np.ndarray, " n_cases"]:
        """First row of each case."""
        return np.searchsorted(self.case, np.arange(len(self.names)))

    @property
    def ends(self) -> Int[np.ndarray, " n_cases"]:
        """Last row of each case."""
        return np.append(self.starts[1:], len(self.case)) - 1

    def split(self) -> list[np.ndarray]:
        """Return the values of each case, (n_channels, n_rows of the case)."""
        return np.split(self.values, self.starts[1:], axis=1)

    def where(self, row: int) -> tuple[Any, str]:
        """Return the name of a row's case, and its time as text."""
        return self.names[self.case[row]], self.shown(self.time[row])


def on_grid(
    times: Sequence[Any], values: Sequence[Any], step: float, start: float | None = None
) -> Sequences:
    """Lay irregularly sampled cases on an even grid.

    Each observation goes to the nearest point of the grid, the later one where it lies midway;
    several of one channel at one point are averaged; points without any are NaN. A case that is
    evenly spaced by ``step`` within 1 % keeps its points one by one.

    Parameters
    ----------
    times : sequence of array (n_i,)
        Times of the observations of each case, in any order.
    values : sequence of array (n_channels, n_i) or (n_i,)
        The values observed; NaN for channels that were not.
    step : float
        Time between two points, in the unit of ``times``. Cases to be compared need the same step.
    start : float or None, default None
        Time of the first point; None is the first time of each case.

    Returns
    -------
    array (n_cases, n_channels, n_timepoints), or list of array (n_channels, length_i)
        A list where lengths differ. A case ends with the point of its last time.

    Raises
    ------
    ValueError
        If times and values do not match, a time lies before ``start``, or the grid would be
        enormous and over 99 % empty.

    Examples
    --------
    >>> on_grid([[0.0, 0.9, 3.0, 3.2]], [[1.0, 2.0, 3.0, 5.0]], step=1)
    array([[[ 1.,  2., nan,  4.]]])
    >>> on_grid([[10.0, 12.0]], [[[1.0, 2.0], [3.0, float("nan")]]], step=2, start=8)
    array([[[nan,  1.,  2.],
            [nan,  3., nan]]])
    """
    return stack(lay(rows_of(times, values), step, start))


def choose_step(rows: Rows) -> float:
    """Choose the step of a grid: the median gap between successive time stamps of a case.

    The median is checked against the time stamps: 9 in 10 gaps must be a multiple of it, within a
    quarter of a step. If they are not, the gaps between observations of one channel are tried.

    Raises
    ------
    ValueError
        If the time stamps are too irregular, or a case is so long and empty on the grid that its
        times must be wrong; the message names a remedy.
    """
    gaps, after = _gaps(rows, np.ones(len(rows.case), bool))
    if not len(gaps):
        return 1.0
    step, irregular = _median_step(gaps)
    if irregular.mean() > MAX_IRREGULAR:
        of_channels = [_gaps(rows, ~np.isnan(channel))[0] for channel in rows.values]
        step_of_channels, irregular_too = _median_step(np.concatenate(of_channels))
        if irregular_too.mean() > MAX_IRREGULAR:
            first = irregular.argmax()
            name, time = rows.where(after[first])
            raise ValueError(
                f"the times are too irregular to choose a step: {irregular.mean():.0%} of the gaps "
                f"are no multiple of the median gap {step:g}, such as the "
                f"{gaps[first]:g} before time {time} of case {name}. Pass step (--step), the time "
                f"between two points of the grid; the mean gap is {float(f'{gaps.mean():.2g}'):g}."
            )
        step = step_of_channels
    n_points = (rows.time[rows.ends] - rows.time[rows.starts]) / step + 1
    per_row = n_points / np.bincount(rows.case)
    if per_row.max() > MAX_POINTS_PER_ROW:
        raise ValueError(_too_large(rows, int(per_row.argmax()), step, n_points))
    return step


def lay(rows: Rows, step: float, start: float | None = None) -> list[np.ndarray]:
    """Lay sorted rows on a grid, as :func:`on_grid` does."""
    if not isinstance(step, Real) or not 0 < step < np.inf:
        raise ValueError(f"step must be a positive number, not {step!r}.")
    if start is not None and not np.isfinite(start):
        raise ValueError(f"start must be a finite number or None, not {start!r}.")
    if np.isinf(rows.values).any():
        channel, row = np.argwhere(np.isinf(rows.values))[0]
        name, time = rows.where(row)
        raise ValueError(
            f"case {name} holds an infinite value in channel {channel}, at time {time}; correct "
            "it, or leave it out where it is missing."
        )
    first = rows.time[rows.starts] if start is None else np.full(len(rows.names), float(start))
    early = rows.time < first[rows.case]
    if early.any():
        name, time = rows.where(int(early.argmax()))
        raise ValueError(
            f"case {name} has a row of time {time}, before start; give an earlier start, or leave "
            "the row out."
        )
    with np.errstate(over="ignore"):
        point = np.floor((rows.time - first[rows.case]) / step + 0.5 + _ROUNDING)
    if start is None:
        even = evenly_spaced(rows, step)[rows.case]
        point = np.where(even, np.arange(len(point)) - rows.starts[rows.case], point)
    n_points = point[rows.ends] + 1
    n_channels, n_rows = rows.values.shape
    if not n_points.sum() <= max(MAX_POINTS_PER_ROW * n_rows, MAX_VALUES / n_channels):
        raise ValueError(_too_large(rows, int(n_points.argmax()), step, n_points))
    ends = np.cumsum(n_points.astype(int))
    at = point.astype(int) + np.append(0, ends[:-1])[rows.case]
    return np.split(_means(rows.values, at, ends[-1])[1], ends[:-1], axis=1)


def evenly_spaced(rows: Rows, step: float | None = None) -> Bool[np.ndarray, " n_cases"]:
    """Whether all gaps of a case equal their mean, and the step if given, within 1 %."""
    inside = np.diff(rows.case) == 0
    gap, case = np.diff(rows.time)[inside], rows.case[1:][inside]
    n_gaps = np.bincount(case, minlength=len(rows.names))
    mean = np.bincount(case, gap, len(rows.names)) / np.maximum(n_gaps, 1)
    even = np.ones(len(rows.names), bool)
    even[case[np.abs(gap - mean[case]) > UNEVEN * mean[case]]] = False
    return even if step is None else even & (np.abs(mean - step) <= UNEVEN * step)


def common_step(rows: Rows) -> float | None:
    """Return the step that all cases are evenly spaced by, within 1 %; None if there is none."""
    inside = np.diff(rows.case) == 0
    if not inside.any() or (np.diff(rows.time)[inside] <= 0).any():
        return None
    step = float(np.median(np.diff(rows.time)[inside]))
    several = np.bincount(rows.case, minlength=len(rows.names)) > 1
    return step if evenly_spaced(rows, step)[several].all() else None


def rows_of(times: Sequence[Any], values: Sequence[Any]) -> Rows:
    """Join cases, given as for :func:`on_grid`, into sorted rows."""
    times = [np.asarray(t, np.float64) for t in times]
    values = [np.atleast_2d(np.asarray(x)) for x in values]
    if not times or len(times) != len(values):
        raise ValueError(
            f"times holds {len(times)} cases and values {len(values)}; give the same number, at "
            "least one."
        )
    for i, (t, x) in enumerate(zip(times, values, strict=True)):
        if t.ndim != 1 or not x.size or x.ndim != 2 or x.shape != (len(values[0]), len(t)):
            raise ValueError(
                f"case {i} has times of shape {t.shape} and values of shape {x.shape}; give (n,) "
                f"and (n_channels, n), at least 1 each, with {len(values[0])} channels throughout."
            )
        if not np.isfinite(t).all():
            raise ValueError(f"times: case {i} holds NaN or infinity; give every row its time.")
    joined = np.concatenate(values, axis=1)
    joined = joined if joined.dtype.kind == "f" else joined.astype(np.float64)
    case = np.repeat(np.arange(len(times)), [len(t) for t in times])
    return sort_rows(Rows(case, np.concatenate(times), joined, range(len(times))))


def sort_rows(rows: Rows) -> Rows:
    """Sort by case and time; rows of one time by their values, so that sums never vary."""
    order = np.lexsort((rows.time, rows.case))
    if (np.diff(rows.time[order]) == 0).any():
        order = np.lexsort((*rows.values, rows.time, rows.case))
    return rows._replace(case=rows.case[order], time=rows.time[order], values=rows.values[:, order])


def merge_simultaneous(rows: Rows) -> Rows:
    """Merge rows of one case and time that hold different channels; refuse two of one channel."""
    later = (np.diff(rows.case, prepend=-1) != 0) | (np.diff(rows.time, prepend=np.nan) != 0)
    if later.all():
        return rows
    group = np.cumsum(later) - 1
    counts, values = _means(rows.values, group, group[-1] + 1)
    twice = (counts > 1).any(axis=0)
    if twice.any():
        name, time = rows.where(np.flatnonzero(later)[twice.argmax()])
        raise ValueError(
            f"case {name} has two rows of time {time} with values of one channel; keep one, or "
            "give step, the time within which values are averaged."
        )
    return rows._replace(case=rows.case[later], time=rows.time[later], values=values)


def _means(
    values: Float[np.ndarray, "n_channels n_rows"], group: Int[np.ndarray, " n_rows"], n_groups: int
) -> tuple[Int[np.ndarray, "n_channels n_groups"], Float[np.ndarray, "n_channels n_groups"]]:
    """Count and average the observed values of each group; NaN where there are none."""
    counts = np.zeros((len(values), n_groups), int)
    means = np.full(counts.shape, np.nan, values.dtype)
    for count, mean, row in zip(counts, means, values, strict=True):
        seen = ~np.isnan(row)
        count[:] = np.bincount(group[seen], minlength=n_groups)
        total = np.bincount(group[seen], row[seen].astype(np.float64), n_groups)
        mean[count > 0] = total[count > 0] / count[count > 0]
    return counts, means


def _median_step(gaps: Float[np.ndarray, " n"]) -> tuple[float, Bool[np.ndarray, " n"]]:
    """Return the median gap, and whether each gap is no multiple of it."""
    if not len(gaps):
        return np.inf, np.ones(1, bool)
    step = float(f"{np.quantile(gaps, 0.5, method='lower'):.6g}")  # without the noise of floats
    multiple = np.maximum(np.rint(gaps / step), 1.0)
    return step, np.abs(gaps / step - multiple) > JITTER


def _gaps(
    rows: Rows, observed: Bool[np.ndarray, " n_rows"]
) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Return the times between successive observations of a case, and the row after each."""
    row = np.flatnonzero(observed)
    gap = np.diff(rows.time[row])
    inside = (np.diff(rows.case[row]) == 0) & (gap > 0)
    return gap[inside], row[1:][inside]


def _too_large(rows: Rows, i: int, step: float, n_points: Float[np.ndarray, " n_cases"]) -> str:
    """Explain that a case would be all but empty on a grid."""
    start, end = rows.starts[i], rows.ends[i]
    return (
        f"case {rows.names[i]} runs from time {rows.shown(rows.time[start])} to "
        f"{rows.shown(rows.time[end])}: {n_points[i]:.4g} points of a grid of step={step:g} for "
        f"{end - start + 1} rows. Give a larger step or a later start, correct the times, or cut "
        "the case in parts."
    )
