"""The normal form of a drawing: a curve of length one that starts at the origin.

A pen's path is walked along, wherever it was fast or slow, lifted or not, and ``N_POINTS`` places
at even distances are written down, less the first, divided by the path's length. What is left is
the shape: neither place, nor size, nor pace. y points down, as on a screen.

A stroke that is not finished has the same form, cut off, *once its whole length is known*: of a
path of length ``l`` out of ``L``, the first ``l / L`` of the places are there. The length is the
one thing about the future that has to be guessed; :mod:`egem.apps.web.verdicts` tries several.

Every model of drawings measures in one frame, :data:`FRAME`, whatever it was taught first.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from egem.apps.web.trouble import Trouble
from egem.data.preparation import Preparation
from egem.data.validation import Case

N_POINTS = 48
SPREAD = 0.12  # of the coordinates of letters in normal form
FRAME = Preparation(np.zeros(2), np.full(2, SPREAD), N_POINTS, 1, N_POINTS)
FINE = 256  # points of the path on which the pen's tremor is smoothed away
ROUNDS = 2
SHORTEST = 1e-6  # length of a path, in the page's units, below which it is a dot
LONGEST = 1e6


class Path(NamedTuple):
    """Where a pen went, in the page's units, at even distances.

    Attributes
    ----------
    points : array (2, FINE)
        Smoothed.
    along : array (FINE,)
        Distance walked up to each.
    """

    points: Float[np.ndarray, "2 n"]
    along: Float[np.ndarray, " n"]

    @staticmethod
    def of(x: Sequence[float], y: Sequence[float]) -> "Path":
        """Walk along a stroke.

        Raises
        ------
        Trouble
            Where it is a dot, or lies off any page.
        """
        points = np.array([x, y], np.float64)
        if np.abs(points).max() > LONGEST:
            raise Trouble(
                422,
                f"The stroke goes as far as {np.abs(points).max():.3g}.",
                f"Give coordinates within {LONGEST:g}, in widths of the pad for instance.",
            )
        along = distances(points)
        if along[-1] < SHORTEST:
            raise Trouble(422, "The stroke is a dot.", "Draw a line that goes somewhere.")
        fine = at(points, along, np.linspace(0.0, along[-1], FINE))
        for _ in range(ROUNDS):
            fine[:, 1:-1] = 0.25 * fine[:, :-2] + 0.5 * fine[:, 1:-1] + 0.25 * fine[:, 2:]
        return Path(fine, distances(fine))

    @property
    def length(self) -> float:
        """Distance walked."""
        return float(self.along[-1])

    @property
    def start(self) -> Float[np.ndarray, " 2"]:
        """Where the pen was put down."""
        return self.points[:, 0]

    def n_points(self, whole: float) -> int:
        """Return how many places of the normal form are behind the pen, at a whole length."""
        return min(int(self.length / whole * (N_POINTS - 1) + 1e-6) + 1, N_POINTS)

    def case(self, whole: float | None = None) -> Case:
        """Bring the path to its normal form.

        Parameters
        ----------
        whole : float or None, default None
            How long the path will be once it is finished; None takes it as finished.

        Returns
        -------
        array (2, n_points)
            ``N_POINTS`` of them where it is finished, fewer where it is not.
        """
        whole = self.length if whole is None else whole
        places = np.linspace(0.0, whole, N_POINTS)[: self.n_points(whole)]
        return (at(self.points, self.along, places) - self.start[:, None]) / whole

    def onto_page(self, case: Case, whole: float | None = None) -> Case:
        """Undo :meth:`case`: bring points of the normal form back over the stroke."""
        return self.start[:, None] + case * (self.length if whole is None else whole)


def distances(points: Float[np.ndarray, "2 n"]) -> Float[np.ndarray, " n"]:
    """Return how far it is, along the path, to each of its points."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=1)))])


def at(
    points: Float[np.ndarray, "2 n"],
    along: Float[np.ndarray, " n"],
    places: Float[np.ndarray, " m"],
) -> Float[np.ndarray, "2 m"]:
    """Return where the path is after having gone so far."""
    return np.stack([np.interp(places, along, row) for row in points])


def is_normal(cases: Sequence[Case]) -> bool:
    """Tell whether cases are drawings in normal form."""
    return all(
        case.shape == (2, N_POINTS)
        and np.allclose(case[:, 0], 0.0, atol=1e-6)
        and 0.5 < distances(case)[-1] < 1.01
        for case in cases
    )


def fitted(points: Float[np.ndarray, "2 n"]) -> Float[np.ndarray, "2 n"]:
    """Move and scale points into the middle of the unit square, with a margin of a tenth."""
    low, high = points.min(axis=1, keepdims=True), points.max(axis=1, keepdims=True)
    side = max(float((high - low).max()), SHORTEST)
    return 0.5 + 0.8 * (points - (low + high) / 2) / side
