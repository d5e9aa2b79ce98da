"""Looking inside a model: training cases, code spaces, confusions."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from egem.apps.web.models import Model
from egem.apps.web.schema import (
    Cases,
    Codes,
    Confused,
    Confusions,
    Direction,
    Drawn,
    Imagined,
    Placed,
    Series,
)
from egem.apps.web.strokes import fitted
from egem.apps.web.teaching import check_class
from egem.data.validation import Case

MARGIN = 0.35  # of the range of the cases' codes, beyond it at either end
BENDS = 2.0  # standard deviations of a bend that are worth looking at
PEN_BENDS = 7  # of two channels: three warps of time, then the map of the channels
PEN_BENDS_FIRST = (5, 3, 6)  # lean, width, height
LEAST_SPREAD = 1e-6
MOST_SHOWN = 400  # points of a series


class Plane(NamedTuple):
    """A plane in the code space of an expert.

    Attributes
    ----------
    origin : array (k,)
        Mean of the training cases' codes.
    axes : array (2, k)
        Orthonormal.
    reach : array (2, 2)
        Lowest and highest coordinate worth looking at, for each axis.
    places : array (n_cases, 2)
        Coordinates of the training cases.
    """

    origin: Float[np.ndarray, " k"]
    axes: Float[np.ndarray, "2 k"]
    reach: Float[np.ndarray, "2 2"]
    places: Float[np.ndarray, "n_cases 2"]


def cases(model: Model, label: str) -> Cases:
    """Return the training cases of a class."""
    check_class(model, label)
    drawings = model.drawings.get(label)
    if drawings is not None:
        return Cases(cases=[_fitted_drawing(d.x, d.y, d.lifts) for d in drawings])
    return Cases(cases=[shown(model, case) for case in model.cases(label)])


def codes(model: Model, label: str) -> Codes:
    """Return the two main directions of a class's codes."""
    plane = _plane(model, label)
    first, second = (Direction(low=low, high=high) for low, high in plane.reach.tolist())
    return Codes(
        directions=(first, second),
        centre=(0.0, 0.0),
        points=[Placed(at=(a, b), case=i) for i, (a, b) in enumerate(plane.places.tolist())],
    )


def imagine(model: Model, label: str, at: list[list[float]]) -> Imagined:
    """Return what an expert imagines at places of the plane of its codes."""
    plane = _plane(model, label)
    clf = model.classifier
    assert clf is not None
    # Far out an expert draws nonsense, but numbers must stay finite.
    places = np.clip(np.array(at), -100.0, 100.0)
    e = model.labels.index(label)
    made = clf.ensemble_.imagine(e, plane.origin + places @ plane.axes)
    return Imagined(imagined=[shown(model, each) for each in made])


def confusions(model: Model) -> Confusions:
    """Return what held-out training cases are taken for."""
    clf = model.classifier
    n = len(model.labels)
    if clf is None:
        return Confusions(labels=[], matrix=[], pairs=[])
    held = clf.held_out_
    predicted = held.log_scores.argmin(axis=1)
    matrix = np.zeros((n, n), int)
    np.add.at(matrix, (held.truth, predicted), 1)
    pairs = []
    numbers = clf.held_out_cases()
    if numbers is not None:
        first = np.searchsorted(clf.cases_.classes, np.arange(n))
        wrong = np.flatnonzero(predicted != held.truth)
        pairs = [
            Confused(
                true=model.labels[held.truth[i]],
                predicted=model.labels[predicted[i]],
                case=int(numbers[i] - first[held.truth[i]]),
            )
            for i in wrong
        ]
    return Confusions(labels=model.labels, matrix=matrix.tolist(), pairs=pairs)


def shown(model: Model, case: Case) -> Drawn | Series:
    """Lay out a case as the page shows it: drawings fill the unit square, others stay."""
    if model.kind == "strokes":
        x, y = np.round(fitted(case), 5).tolist()
        return Drawn(x=x, y=y)
    return series(case)


def series(case: Case, most: int = MOST_SHOWN) -> Series:
    """Lay out a series of any length, thinned to at most so many points."""
    some = np.unique(np.linspace(0, case.shape[1] - 1, min(case.shape[1], most)).astype(int))
    return Series(
        channels=[
            [None if np.isnan(value) else float(f"{value:.6g}") for value in row]
            for row in case[:, some]
        ]
    )


def _fitted_drawing(x: list[float], y: list[float], lifts: list[int]) -> Drawn:
    px, py = np.round(fitted(np.array([x, y])), 5).tolist()
    return Drawn(x=px, y=py, lifts=lifts)


def _plane(model: Model, label: str) -> Plane:
    """Lay a plane along the directions in which what the cases' codes imagine differs most.

    Where cases differ in fewer, bends take their place.
    """
    check_class(model, label)
    clf = model.classifier
    assert clf is not None
    e = model.labels.index(label)
    trained = clf.ensemble_.trained[e]
    its = trained.codes[clf.cases_.rows[clf.cases_.classes == e]].astype(float)
    if not len(its):  # a model of an older egem keeps no cases
        its = trained.codes[:64].astype(float)
    origin = its.mean(axis=0)
    made = clf.ensemble_.imagine(e, its).reshape(len(its), -1).astype(float)
    scores, spreads, _ = np.linalg.svd(made - made.mean(axis=0), full_matrices=False)
    differing = int(np.sum(spreads > LEAST_SPREAD * max(spreads[0], LEAST_SPREAD)))
    units = np.eye(its.shape[1])[_entries(its.shape[1], trained.n_bends)]
    axes = _orthonormal(np.vstack([scores[:, :differing].T @ (its - origin), units]))
    places = (its - origin) @ axes.T
    low, high = places.min(axis=0), places.max(axis=0)
    alike = high - low < LEAST_SPREAD
    margin = np.where(alike, BENDS, MARGIN * (high - low))
    return Plane(origin, axes, np.stack([low - margin, high + margin], axis=1), places)


def _entries(size: int, n_bends: int) -> list[int]:
    """Order the entries of a code by how much there is to see when they change: bends first."""
    bends = list(range(size - n_bends, size))
    first = [bends[i] for i in PEN_BENDS_FIRST] if n_bends == PEN_BENDS else bends
    return [*first, *(i for i in range(size) if i not in first)]


def _orthonormal(directions: Float[np.ndarray, "m k"]) -> Float[np.ndarray, "2 k"]:
    """Make two axes of the first directions that differ; zeros where there is but one."""
    axes = np.zeros((2, directions.shape[1]))
    n = 0
    for direction in directions:
        rest = direction - axes.T @ (axes @ direction)
        length = np.linalg.norm(rest)
        if n < len(axes) and length > LEAST_SPREAD * np.linalg.norm(direction):
            axes[n] = rest / length
            n += 1
    return axes
