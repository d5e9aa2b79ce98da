"""What a class of many cases spans, piece by piece.

A flat hull through thousands of cases reaches far beyond them. Hulls through those of one kind each
stay close. So a class is cut, in each space, across the direction in which its cases differ most,
and the parts again, until ``CASES_OF_A_PIECE`` cases are left in each; the nearest piece counts.
All classes of nearly the same size are cut into equally many, lest some come nearer than others for
no other reason.
"""

import numpy as np
from jaxtyping import Float, Int

from egem.data.preparation import Batch
from egem.ensemble.linear import Pieces, about_mean, hull

CASES_OF_A_PIECE = 250
PIECE_DIRECTIONS = 32  # of a hull that is one of several
POWERS = 12  # of the scatter, by which the direction is found: it need not be exact


def n_pieces(counts: Int[np.ndarray, " n_classes"]) -> Int[np.ndarray, " n_classes"]:
    """Into how many pieces classes of so many cases are cut.

    >>> n_pieces(np.array([6131, 5842, 900, 3]))
    array([25, 24,  4,  1])
    >>> n_pieces(np.array([374, 370, 16]))
    array([1, 1, 1])
    """
    largest = int(counts.max())
    finest = max(round(largest / CASES_OF_A_PIECE), 1)
    return np.maximum(np.round(finest * counts / largest), 1).astype(int)


def span(batch: Batch, n: int) -> Pieces:
    """Span the cases of one class in at most ``n`` pieces."""
    if n == 1:
        return (hull(batch),)
    centred = about_mean(batch)[1]
    parts = _cut(centred, np.arange(len(centred)), n)
    return tuple(hull(batch[part], PIECE_DIRECTIONS) for part in parts)


def span_classes(
    batch: Batch, classes: Int[np.ndarray, " n"], piecewise: bool = True
) -> tuple[Pieces, ...]:
    """Span each class that occurs, in the order of their numbers."""
    present, counts = np.unique(classes, return_counts=True)
    pieces = n_pieces(counts) if piecewise else np.ones(len(present), int)
    return tuple(span(batch[classes == c], n) for c, n in zip(present, pieces, strict=True))


def _cut(
    rows: Float[np.ndarray, "n p"], of: Int[np.ndarray, " m"], n: int
) -> list[Int[np.ndarray, " k"]]:
    """Cut some rows into ``n`` parts of the same size, fewer where there are fewer rows."""
    n = min(n, len(of))
    if n == 1:
        return [of]
    centred = rows[of] - rows[of].mean(axis=0)
    along = centred[(centred**2).sum(axis=1).argmax()]
    for _ in range(POWERS):
        along = centred.T @ (centred @ along)
        along /= np.linalg.norm(along) or 1.0
    ordered = of[np.argsort(centred @ along, kind="stable")]
    first = n // 2
    at = len(of) * first // n
    return _cut(rows, np.sort(ordered[:at]), first) + _cut(rows, np.sort(ordered[at:]), n - first)
