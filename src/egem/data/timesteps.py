"""Time points of cases as they were sampled, and the time step that suits them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

UNEVEN = 0.01  # share of a time step by which spacing may differ and still be even
MOST_PARTS = 8  # of a median gap that may be the beat of a clock
FITS, MOST_FIT = 0.05, 0.95  # how near to whole beats the gaps of a clock are, and how many of them
BREAK = 5  # median gaps; longer ones say nothing of how densely was sampled
LEAST_SEEN = 1 / 3  # share of a typical case's points on a chosen grid
EMPTY = 100  # points a row beyond which a grid says next to nothing
OUTLYING = 10  # times the points of the typical case


class Rows(NamedTuple):
    """Time points of several cases, sorted by case and by time.

    Attributes
    ----------
    case : array of int (n_rows,)
        Number of the case, from 0, none without a row.
    time : array (n_rows,)
        Finite.
    values : array (n_channels, n_rows)
        NaN where a channel was not observed.
    names : sequence
        What messages call the cases.
    shown : callable
        How messages write a time.
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

    def split(self) -> list[np.ndarray]:
        """Return each case's rows as they are, (n_channels, n_rows of the case)."""
        return np.split(self.values, self.starts[1:], axis=1)


class Spacing(NamedTuple):
    """Time between successive rows.

    Attributes
    ----------
    gap, owner : array (n_gaps,)
        Gaps longer than 0, and the case of each.
    mean : array (n_cases,)
        Mean gap of each case; NaN where there is none.
    even : array of bool (n_cases,)
        Whether all gaps of a case are its mean gap, within 1 %; so are those of a single row.
    """

    gap: Float[np.ndarray, " n_gaps"]
    owner: Int[np.ndarray, " n_gaps"]
    mean: Float[np.ndarray, " n_cases"]
    even: Bool[np.ndarray, " n_cases"]


def rows_of(times: Sequence[Any], values: Sequence[Any]) -> Rows:
    """Join cases, given as :func:`egem.on_grid` takes them, into sorted rows.

    Raises
    ------
    ValueError
        Where times and values do not go together.
    """
    when = [np.asarray(t, np.float64) for t in times]
    what = [np.atleast_2d(np.asarray(x)) for x in values]
    if not when or len(when) != len(what):
        raise ValueError(
            f"times holds {len(when)} cases and values {len(what)}; give the same, at least one."
        )
    for i, (t, x) in enumerate(zip(when, what, strict=True)):
        if t.ndim != 1 or not len(t) or x.ndim != 2 or x.shape != (len(what[0]), len(t)):
            raise ValueError(
                f"case {i} has times of shape {t.shape} and values of shape {x.shape}; give (n,) "
                f"and (n_channels, n), n at least 1, the same channels ({len(what[0])}) throughout."
            )
        if not np.isfinite(t).all():
            raise ValueError(f"times: case {i} holds NaN or infinity; give every row its time.")
    joined = np.concatenate(what, axis=1)
    if joined.dtype.kind != "f":
        joined = joined.astype(np.float64)
    case = np.repeat(np.arange(len(when)), [len(t) for t in when])
    return sort_rows(Rows(case, np.concatenate(when), joined, range(len(when))))


def sort_rows(rows: Rows) -> Rows:
    """Sort by case and time; rows of one time by their values, so that sums never vary."""
    order = np.lexsort((rows.time, rows.case))
    if (np.diff(rows.time[order], prepend=np.nan) == 0).any():
        order = np.lexsort((*rows.values, rows.time, rows.case))
    return rows._replace(case=rows.case[order], time=rows.time[order], values=rows.values[:, order])


def spacing(rows: Rows) -> Spacing:
    """Measure the gaps between rows, and tell which cases are evenly spaced."""
    n_cases = len(rows.names)
    follows = (np.diff(rows.case) == 0) & (np.diff(rows.time) > 0)
    gap, owner = np.diff(rows.time)[follows], rows.case[1:][follows]
    n_gaps = np.bincount(owner, minlength=n_cases)
    mean = np.where(n_gaps, np.bincount(owner, gap, n_cases) / np.maximum(n_gaps, 1), np.nan)
    even = np.ones(n_cases, bool)
    even[owner[np.abs(gap - mean[owner]) > UNEVEN * mean[owner]]] = False
    return Spacing(gap, owner, mean, even)


def choose_step(rows: Rows) -> float:
    """Choose the time between two points of a grid that suits all cases.

    1. Where all cases are evenly spaced by the same step, within 1 %, that step.
    2. Otherwise from the gaps between successive observations of a channel, of all channels and
       cases: the median gap, halved, divided by 3, and so on by up to 8; the longest of these of
       which 95 % of the gaps are multiples, within 5 %. That finds the beat of a clock some of
       whose readings are missing. Where a typical case has readings at less than a third of its
       beats, it is that of the stamps' resolution and says nothing.
    3. Where there is no beat, the mean gap, to two digits; breaks count as five median gaps. This
       is doubled until a typical case is observed at a third of its points: of events in bursts,
       those of a burst are averaged.

    Raises
    ------
    ValueError
        Where a case is so long and empty on that grid that its times must be wrong.
    """
    rows_apart = spacing(rows)
    if not len(rows_apart.gap):
        return 1.0
    means = rows_apart.mean[~np.isnan(rows_apart.mean)]
    overall = float(rows_apart.gap.mean())
    if rows_apart.even.all() and (np.abs(means - overall) <= UNEVEN * overall).all():
        return _rounded(overall, 6)
    gaps = _gaps_of_channels(rows)
    if not len(gaps):
        gaps = rows_apart.gap
    median = float(np.sort(gaps)[(len(gaps) - 1) // 2])
    step = _beat(gaps, median)
    if step is None or _share_seen(rows, step) < LEAST_SEEN:
        step = _rounded(float(np.minimum(gaps, BREAK * median).mean()), 2)
    while _share_seen(rows, step) < LEAST_SEEN:
        step *= 2
    _check_outlying(rows, step)
    return step


def _gaps_of_channels(rows: Rows) -> Float[np.ndarray, " n_gaps"]:
    """Return the time between successive observations of one channel, all channels together."""
    gaps = []
    for row in rows.values:
        seen = ~np.isnan(row)
        case, time = rows.case[seen], rows.time[seen]
        gap = np.diff(time)[np.diff(case) == 0]
        gaps.append(gap[gap > 0])
    return np.concatenate(gaps)


def _beat(gaps: Float[np.ndarray, " n_gaps"], median: float) -> float | None:
    """Find the longest step of which nearly all gaps are multiples."""
    for parts in range(1, MOST_PARTS + 1):
        n_beats = np.rint(gaps * parts / median)
        beat = float(gaps @ n_beats / (n_beats @ n_beats))
        if np.mean(np.abs(gaps / beat - np.rint(gaps / beat)) <= FITS) >= MOST_FIT:
            return _rounded(beat, 6)
    return None


def _rounded(step: float, digits: int) -> float:
    """Drop digits that are noise, so that files of one kind get one step."""
    return float(f"{step:.{digits}g}")


def _share_seen(rows: Rows, step: float) -> float:
    """Return the share of points with a row, in the case in the middle."""
    at = np.rint((rows.time - rows.time[rows.starts[rows.case]]) / step)
    new = (np.diff(rows.case, prepend=-1) != 0) | (np.diff(at, prepend=-1) != 0)
    last = np.append(rows.starts[1:], len(at)) - 1
    return float(np.median(np.bincount(rows.case[new]) / (at[last] + 1)))


def _check_outlying(rows: Rows, step: float) -> None:
    n_rows = np.bincount(rows.case)
    first, last = rows.starts, np.append(rows.starts[1:], len(rows.time)) - 1
    n_points = (rows.time[last] - rows.time[first]) / step + 1
    bound = np.maximum(EMPTY * n_rows, OUTLYING * np.median(n_points))
    if (n_points > bound).any():
        i = int(np.argmax(n_points / bound))
        raise ValueError(
            f"case {rows.names[i]} runs from time {rows.shown(rows.time[first[i]])} to "
            f"{rows.shown(rows.time[last[i]])}: on the grid of step={step} that suits the others, "
            f"{n_points[i]:.0f} points for {n_rows[i]} rows. Correct its times, cut it in parts, "
            "or give the step to use."
        )
