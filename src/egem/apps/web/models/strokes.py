"""The normal form of a drawing: a curve of length one that starts at the origin.

The path of the pen is resampled at ``N_POINTS`` equally spaced points, whatever the speed and the
pen lifts; the first point is subtracted, and the result is divided by the length of the path. This
keeps the shape and discards position, size and speed. y points down, as on a screen.

An unfinished stroke has the same form, cut off, *given its final length*: of a path of length ``l``
out of ``L``, the first ``l / L`` of the points exist. The final length is the only unknown;
:mod:`egem.apps.web.models.recognition` tries several.

All models of drawings use one fixed preparation, :data:`FRAME`, whatever their training cases.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from egem.apps.web.errors import ApiError
from egem.data.cases import Case
from egem.data.preparation import Preparation

N_POINTS = 48
SPREAD = 0.12  # of the coordinates of letters in normal form
FRAME = Preparation(np.zeros(2), np.full(2, SPREAD), N_POINTS, 1, N_POINTS)
N_FINE = 256  # points at which the path is smoothed, to remove the tremor of the hand
N_SMOOTHINGS = 2
MIN_LENGTH = 1e-6  # of a path, in the page's units; anything shorter is a dot


class PenPath(NamedTuple):
    """The path of the pen, in the page's units, at equally spaced points.

    Attributes
    ----------
    points : array (2, N_FINE)
        Smoothed.
    distance : array (N_FINE,)
        Length of the path up to each point.
    """

    points: Float[np.ndarray, "2 n"]
    distance: Float[np.ndarray, " n"]

    @staticmethod
    def of(x: Sequence[float], y: Sequence[float]) -> "PenPath":
        """Resample and smooth a stroke.

        Raises
        ------
        ApiError
            If it is a dot.
        """
        points = np.array([x, y], np.float64)
        distance = cumulative_length(points)
        if distance[-1] < MIN_LENGTH:
            raise ApiError(422, "The stroke is a dot.", "Draw a longer line.")
        fine = points_at(points, distance, np.linspace(0.0, distance[-1], N_FINE))
        for _ in range(N_SMOOTHINGS):
            fine[:, 1:-1] = 0.25 * fine[:, :-2] + 0.5 * fine[:, 1:-1] + 0.25 * fine[:, 2:]
        return PenPath(fine, cumulative_length(fine))

    @property
    def length(self) -> float:
        """Length of the path."""
        return float(self.distance[-1])

    @property
    def start(self) -> Float[np.ndarray, " 2"]:
        """First point."""
        return self.points[:, 0]

    def n_points(self, final_length: float) -> int:
        """Return how many points of the normal form exist, given the final length."""
        return min(int(self.length / final_length * (N_POINTS - 1) + 1e-6) + 1, N_POINTS)

    def case(self, final_length: float | None = None) -> Case:
        """Convert the path to its normal form.

        Parameters
        ----------
        final_length : float or None, default None
            Length of the path once it is finished; None means that it is.

        Returns
        -------
        array (2, n_points)
            ``N_POINTS`` of them if it is finished, otherwise fewer.
        """
        final_length = self.length if final_length is None else final_length
        places = np.linspace(0.0, final_length, N_POINTS)[: self.n_points(final_length)]
        return (points_at(self.points, self.distance, places) - self.start[:, None]) / final_length

    def to_page(self, case: Case, final_length: float | None = None) -> Case:
        """Invert :meth:`case`: convert points of the normal form to the page's coordinates."""
        return self.start[:, None] + case * (self.length if final_length is None else final_length)


def cumulative_length(points: Float[np.ndarray, "2 n"]) -> Float[np.ndarray, " n"]:
    """Return the length of the path up to each of its points."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=1)))])


def points_at(
    points: Float[np.ndarray, "2 n"],
    distance: Float[np.ndarray, " n"],
    places: Float[np.ndarray, " m"],
) -> Float[np.ndarray, "2 m"]:
    """Interpolate the path at distances from its start."""
    return np.stack([np.interp(places, distance, row) for row in points])


def are_drawings(cases: Sequence[Case]) -> bool:
    """Return whether all cases are drawings in normal form."""
    return all(
        case.shape == (2, N_POINTS)
        and np.allclose(case[:, 0], 0.0, atol=1e-6)
        and 0.5 < cumulative_length(case)[-1] < 1.01
        for case in cases
    )


def fit_to_square(points: Float[np.ndarray, "2 n"]) -> Float[np.ndarray, "2 n"]:
    """Centre and scale points to the unit square, with a margin of a tenth."""
    low, high = points.min(axis=1, keepdims=True), points.max(axis=1, keepdims=True)
    side = max(float((high - low).max()), MIN_LENGTH)
    return 0.5 + 0.8 * (points - (low + high) / 2) / side
