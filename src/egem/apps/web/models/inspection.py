"""Views into a model: training cases, code spaces, confusions."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from egem.apps.web.models.snapshot import Snapshot, check_class
from egem.apps.web.models.strokes import fit_to_square
from egem.apps.web.responses import (
    Cases,
    CodePlane,
    CodePoint,
    Confusion,
    Confusions,
    Curve,
    Direction,
    Imagined,
    Series,
)
from egem.data.cases import Case
from egem.fit import held_out_exemplars

MARGIN = 0.35  # of the range of the cases' codes, added at both ends
WARP_RANGE = 2.0  # standard deviations of a warp that are displayed
N_PEN_WARPS = 7  # with two channels: three of time, then the map of the plane
PEN_WARPS_FIRST = (5, 3, 6)  # slant, width, height
MIN_SPREAD = 1e-6
MAX_POINTS = 400  # of a displayed series
MAX_COORDINATE = 100.0  # of a point in the plane; decoded values must stay finite


class Plane(NamedTuple):
    """A plane in the code space of an expert.

    Attributes
    ----------
    origin : array (k,)
        Mean of the training cases' codes.
    axes : array (2, k)
        Orthonormal.
    bounds : array (2, 2)
        Lowest and highest displayed coordinate of each axis.
    points : array (n_cases, 2)
        Coordinates of the training cases.
    """

    origin: Float[np.ndarray, " k"]
    axes: Float[np.ndarray, "2 k"]
    bounds: Float[np.ndarray, "2 2"]
    points: Float[np.ndarray, "n_cases 2"]


def cases(snapshot: Snapshot, label: str) -> Cases:
    """Return the training cases of a class."""
    check_class(snapshot, label)
    drawings = snapshot.drawings.get(label)
    if drawings is not None:
        return Cases(cases=[_curve(np.array([d.x, d.y]), d.lifts) for d in drawings])
    return Cases(cases=[displayed(snapshot, case) for case in snapshot.cases(label)])


def code_plane(snapshot: Snapshot, label: str) -> CodePlane:
    """Return the two main directions of a class's codes."""
    plane = _plane(snapshot, label)
    first, second = (Direction(low=low, high=high) for low, high in plane.bounds.tolist())
    return CodePlane(
        directions=(first, second),
        centre=(0.0, 0.0),
        points=[CodePoint(at=(a, b), case=i) for i, (a, b) in enumerate(plane.points.tolist())],
    )


def imagine(snapshot: Snapshot, label: str, at: list[list[float]]) -> Imagined:
    """Decode points of the code plane of a class."""
    plane = _plane(snapshot, label)
    clf = snapshot.classifier
    assert clf is not None
    points = np.clip(np.array(at), -MAX_COORDINATE, MAX_COORDINATE)
    e = snapshot.labels.index(label)
    decoded = clf.model_.imagine(e, plane.origin + points @ plane.axes)
    return Imagined(imagined=[displayed(snapshot, each) for each in decoded])


def confusions(snapshot: Snapshot) -> Confusions:
    """Return the confusion matrix of held-out training cases."""
    clf = snapshot.classifier
    n = len(snapshot.labels)
    if clf is None:
        return Confusions(labels=[], matrix=[], pairs=[])
    held = clf.held_out_
    predicted = held.log_scores.argmin(axis=1)
    matrix = np.zeros((n, n), int)
    np.add.at(matrix, (held.truth, predicted), 1)
    pairs = []
    numbers = held_out_exemplars(clf.model_)
    if numbers is not None:
        first = np.searchsorted(clf.exemplars_.classes, np.arange(n))
        wrong = np.flatnonzero(predicted != held.truth)
        pairs = [
            Confusion(
                true=snapshot.labels[held.truth[i]],
                predicted=snapshot.labels[predicted[i]],
                case=int(numbers[i] - first[held.truth[i]]),
            )
            for i in wrong
        ]
    return Confusions(labels=snapshot.labels, matrix=matrix.tolist(), pairs=pairs)


def displayed(snapshot: Snapshot, case: Case) -> Curve | Series:
    """Prepare a case for display: drawings are scaled to the unit square."""
    return _curve(case, []) if snapshot.kind == "strokes" else series(case)


def series(case: Case, max_points: int = MAX_POINTS) -> Series:
    """Prepare a series for display, thinned to at most ``max_points``."""
    some = np.unique(np.linspace(0, case.shape[1] - 1, min(case.shape[1], max_points)).astype(int))
    return Series(
        n_timepoints=case.shape[1],
        channels=[
            [None if np.isnan(value) else float(f"{value:.6g}") for value in row]
            for row in case[:, some]
        ],
    )


def _curve(points: Float[np.ndarray, "2 n"], lifts: list[int]) -> Curve:
    x, y = np.round(fit_to_square(points), 5).tolist()
    return Curve(x=x, y=y, lifts=lifts)


def _plane(snapshot: Snapshot, label: str) -> Plane:
    """Span a plane by the directions along which the decoded codes of the cases vary most.

    If the cases vary along fewer than two, warps take their place.
    """
    clf = check_class(snapshot, label)
    e = snapshot.labels.index(label)
    expert, exemplars = clf.model_.experts[e], clf.exemplars_
    codes = expert.codes[exemplars.rows[exemplars.classes == e]].astype(float)
    origin = codes.mean(axis=0)
    decoded = clf.model_.imagine(e, codes).reshape(len(codes), -1).astype(float)
    scores, spreads, _ = np.linalg.svd(decoded - decoded.mean(axis=0), full_matrices=False)
    rank = int(np.sum(spreads > MIN_SPREAD * max(spreads[0], MIN_SPREAD)))
    units = np.eye(codes.shape[1])[_entries(codes.shape[1], expert.n_warps)]
    axes = _orthonormal(np.vstack([scores[:, :rank].T @ (codes - origin), units]))
    points = (codes - origin) @ axes.T
    low, high = points.min(axis=0), points.max(axis=0)
    margin = np.where(high - low < MIN_SPREAD, WARP_RANGE, MARGIN * (high - low))
    return Plane(origin, axes, np.stack([low - margin, high + margin], axis=1), points)


def _entries(size: int, n_warps: int) -> list[int]:
    """Order the entries of a code by the visible effect of a change: warps first."""
    warps = list(range(size - n_warps, size))
    first = [warps[i] for i in PEN_WARPS_FIRST] if n_warps == N_PEN_WARPS else warps
    return [*first, *(i for i in range(size) if i not in first)]


def _orthonormal(directions: Float[np.ndarray, "m k"]) -> Float[np.ndarray, "2 k"]:
    """Return two axes from the first independent directions; zeros if there is only one."""
    axes = np.zeros((2, directions.shape[1]))
    n = 0
    for direction in directions:
        residual = direction - axes.T @ (axes @ direction)
        length = np.linalg.norm(residual)
        if n < len(axes) and length > MIN_SPREAD * np.linalg.norm(direction):
            axes[n] = residual / length
            n += 1
    return axes
