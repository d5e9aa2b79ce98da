"""Observations at any times, laid on an even grid: time counts, and what was not seen is NaN.

A grid has points at ``start``, ``start + step``, ``start + 2 step`` and so on. Each observation
goes to the point nearest to it, and those of one channel that share a point are averaged.
"""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from egem.data.sequences import Sequences, stack
from egem.data.timesteps import EMPTY, UNEVEN, Rows, rows_of, spacing

SMALL = 10_000_000  # values of a grid that may be empty all the same
_BORDER = 1e-6  # of a step: times midway between two points go to the later, whatever their noise


def on_grid(
    times: Sequence[Any], values: Sequence[Any], step: float, start: float | None = None
) -> Sequences:
    """Lay irregularly sampled cases on an even grid.

    Each observation goes to the nearest point of the grid, the later one where it lies midway;
    several of one channel at one point are averaged; points without any are NaN. A case whose times
    are evenly spaced by ``step`` anyway, within 1 %, keeps its points one by one.

    Parameters
    ----------
    times : sequence of array (n_i,)
        When each case was observed, in any order.
    values : sequence of array (n_channels, n_i) or (n_i,)
        What was observed then; NaN for channels that were not.
    step : float
        Time between two points, in the unit of ``times``. Cases that are to be compared need the
        same one; :mod:`egem.data.timesteps` has ``choose_step(rows_of(times, values))``.
    start : float or None, default None
        Time of the first point; None is the first time of each case.

    Returns
    -------
    array (n_cases, n_channels, n_timepoints), or list of array (n_channels, length_i)
        A list where lengths differ. A case ends with the point of its last time.

    Raises
    ------
    ValueError
        Where times and values do not go together, a time lies before ``start``, or the grid would
        be enormous and over 99 % empty.

    Examples
    --------
    >>> on_grid([[0.0, 0.9, 3.0, 3.2]], [[1.0, 2.0, 3.0, 5.0]], step=1)
    array([[[ 1.,  2., nan,  4.]]])
    >>> on_grid([[10.0, 12.0]], [[[1.0, 2.0], [3.0, float("nan")]]], step=2, start=8)
    array([[[nan,  1.,  2.],
            [nan,  3., nan]]])
    """
    return stack(lay(rows_of(times, values), step, start))


def lay(rows: Rows, step: float, start: float | None = None) -> list[np.ndarray]:
    """Lay sorted rows on a grid; :func:`on_grid` says how.

    Raises
    ------
    ValueError
        As :func:`on_grid` does.
    """
    if not isinstance(step, Real) or not 0 < step < np.inf:
        raise ValueError(f"step must be a positive number, not {step!r}.")
    if start is not None and not np.isfinite(start):
        raise ValueError(f"start must be a finite number or None, not {start!r}.")
    if np.isinf(rows.values).any():
        channel, row = np.argwhere(np.isinf(rows.values))[0]
        raise ValueError(
            f"case {rows.names[rows.case[row]]} holds an infinite value in channel {channel}, at "
            f"time {rows.shown(rows.time[row])}; correct it, or leave it out where it is missing."
        )
    begin = rows.time[rows.starts] if start is None else np.full(len(rows.names), float(start))
    early = rows.time < begin[rows.case]
    if early.any():
        row = int(np.argmax(early))
        raise ValueError(
            f"case {rows.names[rows.case[row]]} has a row of time {rows.shown(rows.time[row])}, "
            "before start; give an earlier start, or leave it out."
        )
    with np.errstate(over="ignore"):
        at = np.floor((rows.time - begin[rows.case]) / step + 0.5 + _BORDER)
    if start is None:
        kept = _evenly_spaced_by(rows, step)[rows.case]
        at = np.where(kept, np.arange(len(at)) - rows.starts[rows.case], at)
    last = np.append(rows.starts[1:], len(at)) - 1
    _check_size(rows, at[last] + 1.0, step)
    ends = np.cumsum(at[last].astype(int) + 1)
    point = at.astype(int) + np.append(0, ends[:-1])[rows.case]
    return np.split(_means(rows.values, point, ends[-1])[1], ends[:-1], axis=1)


def merge_simultaneous(rows: Rows) -> Rows:
    """Make one row of those of one case and time that hold different channels.

    Raises
    ------
    ValueError
        Where two of them hold a value of the same channel.
    """
    later = (np.diff(rows.case, prepend=-1) != 0) | (np.diff(rows.time, prepend=np.nan) != 0)
    if later.all():
        return rows
    group = np.cumsum(later) - 1
    count, values = _means(rows.values, group, group[-1] + 1)
    if (count > 1).any():
        row = np.flatnonzero(later)[np.argmax((count > 1).any(axis=0))]
        raise ValueError(
            f"case {rows.names[rows.case[row]]} has two rows of time "
            f"{rows.shown(rows.time[row])} with values of one channel; keep one, or give step, "
            "the time within which values are averaged."
        )
    return rows._replace(case=rows.case[later], time=rows.time[later], values=values)


def _evenly_spaced_by(rows: Rows, step: float) -> Bool[np.ndarray, " n_cases"]:
    """Tell which cases keep their points: spaced by the step, and no two rows of one time."""
    apart = spacing(rows)
    n_gaps = np.bincount(apart.owner, minlength=len(rows.names))
    distinct = n_gaps + 1 == np.bincount(rows.case)
    return apart.even & distinct & (np.abs(apart.mean - step) <= UNEVEN * step)


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


def _check_size(rows: Rows, n_points: Float[np.ndarray, " n_cases"], step: float) -> None:
    total = n_points.sum()
    n_channels, n_rows = rows.values.shape
    if not total * n_channels <= max(EMPTY * n_rows * n_channels, SMALL):
        i = int(np.argmax(n_points))
        last = np.append(rows.starts[1:], n_rows)[i] - 1
        raise ValueError(
            f"a grid of step={step} would have {total:.3g} points for {n_rows} rows, most of them "
            f"in case {rows.names[i]}, which ends at time {rows.shown(rows.time[last])}. Give a "
            "larger step or a later start, correct the times, or cut the case in parts."
        )
