"""Normal forms: what sequences of any size, place and pace are compared in."""

from typing import Literal

import numpy as np
from jaxtyping import Float

from egem.data.cases import Case

Kind = Literal["pen", "motion", "series"]
KINDS = ("pen", "motion", "series")
N_POINTS = 33


def normalise(x: Case, kind: Kind, n_points: int = N_POINTS) -> Float[np.ndarray, "c n_points"]:
    """Bring a sequence to its normal form.

    ========  ========================  ======================================================
    kind      points are taken          and
    ========  ========================  ======================================================
    pen       evenly along the path     centred, and divided by the length of the path: place,
                                        size and pace do not count
    motion    evenly along the path     centred: place and pace do not count
    series    evenly in time            left as they are: only the duration does not count
    ========  ========================  ======================================================

    Parameters
    ----------
    x : array (n_channels, n_timepoints)
        The sequence. Along the path all channels are in one unit. Time points with a missing value
        (NaN) are bridged by a straight line.
    kind : {"pen", "motion", "series"}
        The form.
    n_points : int, default 33
        Points of the result.

    Returns
    -------
    array (n_channels, n_points)
        The normal form.

    Raises
    ------
    ValueError
        For an unknown kind, fewer than two complete time points, or a path of no length.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(map(repr, KINDS))}; it is {kind!r}.")
    x = np.atleast_2d(np.asarray(x, float))
    complete = np.flatnonzero(~np.isnan(x).any(axis=0))
    if len(complete) < 2:
        raise ValueError(
            f"x has {len(complete)} time points without a missing value; give two or more."
        )
    x = x[:, complete]
    if kind == "series":
        return _at(np.linspace(complete[0], complete[-1], n_points), complete, x)
    steps = np.linalg.norm(np.diff(x, axis=1), axis=0)
    moved = np.append(True, steps > 0)
    along = np.cumsum(np.append(0.0, steps))[moved]
    if along[-1] == 0:
        raise ValueError('x does not move: its path has no length; leave it out or use "series".')
    points = _at(np.linspace(0.0, along[-1], n_points), along, x[:, moved])
    points -= points.mean(axis=1, keepdims=True)
    return points / along[-1] if kind == "pen" else points


def path_length(x: Case) -> float:
    """Return the length of the path through all complete time points."""
    complete = x[:, ~np.isnan(x).any(axis=0)]
    return float(np.linalg.norm(np.diff(complete, axis=1), axis=0).sum())


def directions(x: Case) -> Float[np.ndarray, "c n"]:
    """Return the unit vectors from each point to the next; zeros where they coincide."""
    steps = np.diff(x, axis=1)
    size = np.linalg.norm(steps, axis=0)
    return steps / np.where(size > 0, size, 1.0)


def _at(
    where: Float[np.ndarray, " m"], along: Float[np.ndarray, " n"], x: Case
) -> Float[np.ndarray, "c m"]:
    return np.stack([np.interp(where, along, row) for row in x])
