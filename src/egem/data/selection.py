"""Training subsets: at random, centres of clusters, or the cases in their middle.

Classes are taken one by one with random numbers of their own, so that the presence of other classes
changes nothing.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from egem.data.sequences import Labels, Sequences
from egem.data.splits import class_generator
from egem.data.validation import Case, as_cases, as_labels

Distances = Callable[[list[Case], list[Case]], Float[np.ndarray, "n m"]]


def select(
    X: Any,
    y: Any,
    k: int,
    method: Literal["random", "centres", "medoids"] = "random",
    distance: Literal["euclidean", "dtw"] = "euclidean",
    *,
    window: float | None = 0.1,
    random_state: int = 0,
    max_rounds: int = 10,
) -> tuple[Sequences, Labels]:
    """Choose k training sequences for each class.

    Parameters
    ----------
    X : array (n_cases, n_channels, n_timepoints) or (n_cases, n_timepoints), or list of array
        Cases; a list holds (n_channels, length_i).
    y : array (n_cases,)
        Labels.
    k : int
        Sequences a class.
    method : {"random", "centres", "medoids"}, default "random"
        ``"centres"``: k-means, whose centres are plain arithmetic means, for cases of one length
        (with ``"dtw"``: the published clustering). ``"medoids"``: the real cases in the middle of
        k clusters, each the one with the least summed distance to its cluster.
    distance : {"euclidean", "dtw"}, default "euclidean"
        How near a case is to a centre or medoid: the sum of squared differences, of points at the
        same time or aligned by dynamic time warping (needs aeon, takes unequal lengths).
    window : float or None, default 0.1
        Farthest that warping may shift a point, as a share of the length; None sets no bound.
    random_state : int, default 0
        Not negative.
    max_rounds : int, default 10
        Rounds of assigning cases and renewing centres, after the start by k-means++.

    Returns
    -------
    X_selected : like X
        k for each class, classes in sorted order; within a class, real cases in their order in X.
    y_selected : array (n_classes * k,)
        Their labels.

    Raises
    ------
    ValueError
        Where a class has fewer than k cases, or the cases do not suit the method.
    ImportError
        Where ``"dtw"`` is asked for and aeon is not installed.

    Examples
    --------
    >>> from egem import load_dataset
    >>> X, y = load_dataset("digits")
    >>> centres, labels = select(X, y, k=4, method="centres")
    >>> centres.shape, labels[:5].tolist()
    ((40, 8, 8), [0, 0, 0, 0, 1])
    """
    if method not in ("random", "centres", "medoids"):
        raise ValueError(f"method must be 'random', 'centres' or 'medoids', not {method!r}.")
    if distance not in ("euclidean", "dtw"):
        raise ValueError(f"distance must be 'euclidean' or 'dtw', not {distance!r}.")
    if window is not None and not 0 <= window <= 1:
        raise ValueError(f"window must be a share of the length, 0 to 1, or None, not {window}.")
    for name, value, least in (
        ("k", k, 1),
        ("random_state", random_state, 0),
        ("max_rounds", max_rounds, 1),
    ):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, not {value}.")
    X = X if isinstance(X, list | tuple) else np.asarray(X)
    cases = as_cases(X)
    labels = as_labels(y, len(cases))
    if method != "random":
        _check_clusterable(cases, method, distance)
    measure = _euclidean if distance == "euclidean" else partial(dtw_distances, window=window)
    classes = np.unique(labels)
    chosen: list[Int[np.ndarray, " k"]] = []
    centres: list[Float[np.ndarray, "k n_channels n_timepoints"]] = []
    for label in classes:
        members = np.flatnonzero(labels == label)
        if len(members) < k:
            raise ValueError(
                f"class {str(label)!r} has {len(members)} cases, fewer than k={k}; lower k, leave "
                "the class out, or give more of its cases."
            )
        rng = class_generator(random_state, label)
        own = [cases[i] for i in members]
        if method == "random":
            chosen.append(np.sort(rng.permutation(members)[:k]))
        elif method == "medoids":
            chosen.append(members[_medoids(own, k, measure, max_rounds, rng)])
        else:
            centres.append(_centres(own, k, measure, max_rounds, rng))
    y_selected = np.repeat(classes, k)
    if method == "centres":
        return _like(np.concatenate(centres), X), y_selected
    index = np.concatenate(chosen)
    return X[index] if isinstance(X, np.ndarray) else [X[i] for i in index], y_selected


def _check_clusterable(cases: list[Case], method: str, distance: str) -> None:
    if any(np.isnan(x).any() for x in cases):
        raise ValueError(
            f"X has missing values (NaN), between which there is no distance; fill them, or take "
            f"method='random' instead of {method!r}."
        )
    lengths = {x.shape[1] for x in cases}
    if len(lengths) > 1 and (method == "centres" or distance == "euclidean"):
        raise ValueError(
            f"X has cases of {min(lengths)} to {max(lengths)} time points, which method={method!r} "
            f"with distance={distance!r} cannot average or compare point by point; resample them "
            "to one length, or take method='medoids' with distance='dtw'."
        )


def _centres(
    cases: list[Case], k: int, measure: Distances, max_rounds: int, rng: np.random.Generator
) -> Float[np.ndarray, "k n_channels n_timepoints"]:
    """Find k-means centres: assign by distance, renew by the mean, until nothing moves."""
    stacked = np.stack(cases)
    centres = stacked[_spread_start(cases, k, measure, rng)]
    before = None
    for _ in range(max_rounds):
        distances = measure(cases, list(centres))
        nearest = _without_empty(distances, distances.argmin(axis=1))
        if before is not None and (nearest == before).all():
            break
        centres = np.stack([stacked[nearest == j].mean(axis=0) for j in range(k)])
        before = nearest
    return centres


def _medoids(
    cases: list[Case], k: int, measure: Distances, max_rounds: int, rng: np.random.Generator
) -> Int[np.ndarray, " k"]:
    """Find k medoids: assign by distance, take the middle of each cluster, until nothing moves."""
    distances = measure(cases, cases)
    medoids = np.sort(_spread_start(cases, k, measure, rng))
    for _ in range(max_rounds):
        nearest = distances[:, medoids].argmin(axis=1)
        nearest[medoids] = np.arange(k)  # a medoid's twin must not empty its cluster
        clusters = [np.flatnonzero(nearest == j) for j in range(k)]
        middles = [c[distances[np.ix_(c, c)].sum(axis=1).argmin()] for c in clusters]
        if set(middles) == set(medoids):
            break
        medoids = np.sort(middles)
    return medoids


def _spread_start(
    cases: list[Case], k: int, measure: Distances, rng: np.random.Generator
) -> Int[np.ndarray, " k"]:
    """Choose k starting cases by k-means++: each with odds of its distance to those chosen."""
    chosen = [int(rng.integers(len(cases)))]
    gap = measure(cases, [cases[chosen[0]]])[:, 0]
    while len(chosen) < k:
        gap[chosen] = 0.0
        odds = gap if gap.any() else np.isin(np.arange(len(cases)), chosen, invert=True)
        chosen.append(int(rng.choice(len(cases), p=odds / odds.sum())))
        gap = np.minimum(gap, measure(cases, [cases[chosen[-1]]])[:, 0])
    return np.array(chosen)


def _without_empty(
    distances: Float[np.ndarray, "n k"], nearest: Int[np.ndarray, " n"]
) -> Int[np.ndarray, " n"]:
    """Give each empty cluster the case farthest from its centre, of those with company."""
    nearest = nearest.copy()
    gap = distances.min(axis=1)
    for j in range(distances.shape[1]):
        if not (nearest == j).any():
            company = np.bincount(nearest, minlength=distances.shape[1])[nearest] > 1
            nearest[np.where(company, gap, -1.0).argmax()] = j
    return nearest


def _euclidean(left: list[Case], right: list[Case]) -> Float[np.ndarray, "n m"]:
    from scipy.spatial.distance import cdist

    flat_left, flat_right = (np.stack(cases).reshape(len(cases), -1) for cases in (left, right))
    return cdist(flat_left, flat_right, "sqeuclidean")


def dtw_distances(
    left: list[Case], right: list[Case], window: float | None
) -> Float[np.ndarray, "n m"]:
    """Dynamic time warping distances between cases, warped by at most ``window`` of the length."""
    try:
        from aeon.distances import dtw_pairwise_distance
        from numba.core.errors import NumbaTypeSafetyWarning
    except ImportError as error:
        raise ImportError("distance='dtw' needs aeon; run: pip install 'egem[data]'") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbaTypeSafetyWarning)  # of aeon's loops, when compiled
        other = None if right is left else right  # None: one half of a symmetric matrix
        return np.asarray(dtw_pairwise_distance(left, other, window=window))


def _like(centres: Float[np.ndarray, "n n_channels n_timepoints"], X: Any) -> np.ndarray:
    """Give centres the floating type and the number of dimensions of X."""
    first = X if isinstance(X, np.ndarray) else np.asarray(X[0])
    centres = centres.astype(np.result_type(first.dtype, np.float32))
    return centres[:, 0] if isinstance(X, np.ndarray) and X.ndim == 2 else centres
