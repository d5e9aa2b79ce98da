"""Linear experts: the mean of a class's cases plus any combination of their differences.

The loss of a case against a linear expert is the smallest, over codes ``z``, of::

    r' Sigma^-1 r + ridge |z|^2,     r = x - mean - z'B,     Sigma = floor I + (1 - s) D diag(v) D'

divided by the number of observed values, with the shrinkage ``s`` and ``floor`` equal to ``s``
times the mean variance: the objective of :mod:`egem.core.inversion` for a
:class:`egem.core.decoder.LinearDecoder`, in closed form. What is missing in a case is left out,
which marginalises it exactly. This module makes linear experts; :mod:`egem.views.linear_losses`
inverts them.

A linear expert of thousands of cases reaches far beyond them, local ones of similar cases do not.
A class of many cases is therefore split, in each view, across the direction in which its cases
differ most, and the parts again, down to ``CASES_PER_EXPERT`` cases; the nearest local expert
counts. Classes of similar size are split into equally many, so that none gains from the number.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

from egem.core.decoder import LinearParams
from egem.data.preparation import Batch
from egem.runtime.linalg import principal

MAX_DIRECTIONS = 128  # of the only expert of a class
MAX_LOCAL_DIRECTIONS = 32  # of one of several
CASES_PER_EXPERT = 250
POWER_ITERATIONS = 12  # for the direction of a split, which need not be exact


class LinearExpert(NamedTuple):
    """What some cases of a class span in a view."""

    mean: Float32[np.ndarray, " p"]  # mean of the cases
    # their differences from it, or as many principal directions, times their length
    basis: Float32[np.ndarray, "r p"]

    def params(self, n_channels: int) -> LinearParams:
        """Return the parameters of a :class:`egem.core.decoder.LinearDecoder`."""
        directions = self.basis.reshape(len(self.basis), -1, n_channels)
        return LinearParams(directions, self.mean.reshape(-1, n_channels))


LocalExperts = tuple[LinearExpert, ...]  # of one class in one view


def fit_linear_expert(batch: Batch, max_directions: int = MAX_DIRECTIONS) -> LinearExpert:
    """Span some cases; a value that is missing counts as the mean."""
    mean, basis = centred(batch)
    if len(basis) > max_directions:
        basis = _leading(basis, max_directions)
    return LinearExpert(mean.astype(np.float32), basis.astype(np.float32))


def fit_local_experts(batch: Batch, n: int) -> LocalExperts:
    """Span the cases of one class by at most ``n`` local experts."""
    if n == 1:
        return (fit_linear_expert(batch),)
    rows = centred(batch)[1]
    parts = _split(rows, np.arange(len(rows)), n)
    return tuple(fit_linear_expert(batch[part], MAX_LOCAL_DIRECTIONS) for part in parts)


def fit_classes(
    batch: Batch, classes: Int[np.ndarray, " n"], local: bool = True
) -> tuple[LocalExperts, ...]:
    """Span each class that occurs, in the order of their numbers."""
    present, counts = np.unique(classes, return_counts=True)
    numbers = n_local_experts(counts) if local else np.ones(len(present), int)
    return tuple(
        fit_local_experts(batch[classes == c], n) for c, n in zip(present, numbers, strict=True)
    )


def n_local_experts(counts: Int[np.ndarray, " n_classes"]) -> Int[np.ndarray, " n_classes"]:
    """Return the number of local experts of classes of so many cases.

    >>> n_local_experts(np.array([6131, 5842, 900, 3]))
    array([25, 24,  4,  1])
    >>> n_local_experts(np.array([374, 370, 16]))
    array([1, 1, 1])
    """
    largest = int(counts.max())
    finest = max(round(largest / CASES_PER_EXPERT), 1)
    return np.maximum(np.round(finest * counts / largest), 1).astype(int)


def centred(batch: Batch) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, "n p"]]:
    """Return the mean of cases and their differences from it, 0 where a value is missing."""
    values = batch.values.reshape(batch.n_cases, -1).astype(np.float64)
    mask = batch.mask.reshape(values.shape)
    mean = values.sum(axis=0) / np.maximum(mask.sum(axis=0), 1)
    return mean, np.where(mask, values - mean, 0.0)


def _leading(rows: Float[np.ndarray, "n p"], most: int) -> Float[np.ndarray, "r p"]:
    """Return principal directions times their lengths, the longest first."""
    if len(rows) <= rows.shape[1]:
        _, combinations = np.linalg.eigh(rows @ rows.T)
        return combinations[:, : -most - 1 : -1].T @ rows
    lengths, directions = principal(rows)
    return (lengths[:, None] * directions)[:most]


def _split(
    rows: Float[np.ndarray, "n p"], of: Int[np.ndarray, " m"], n: int
) -> list[Int[np.ndarray, " k"]]:
    """Split some rows into ``n`` parts of the same size, fewer where there are fewer rows."""
    n = min(n, len(of))
    if n == 1:
        return [of]
    about_mean = rows[of] - rows[of].mean(axis=0)
    along = about_mean[(about_mean**2).sum(axis=1).argmax()]
    for _ in range(POWER_ITERATIONS):
        along = about_mean.T @ (about_mean @ along)
        along /= np.linalg.norm(along) or 1.0
    ordered = of[np.argsort(about_mean @ along, kind="stable")]
    first = n // 2
    at = len(of) * first // n
    return _split(rows, np.sort(ordered[:at]), first) + _split(
        rows, np.sort(ordered[at:]), n - first
    )
