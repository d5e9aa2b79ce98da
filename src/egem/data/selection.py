"""Training subsets of each class: random cases, k-means centres, or medoids.

Every class has random numbers of its own, so that the presence of other classes changes nothing.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from egem.data.cases import Case, as_cases
from egem.data.sequences import Labels, Sequences
from egem.data.splits import class_generator
from egem.data.validation import as_labels

Method = Literal["random", "centres", "medoids"]
Distance = Literal["euclidean", "dtw"]
Distances = Callable[[list[Case], list[Case]], Float[np.ndarray, "n m"]]


def select(
    X: Any,
    y: Any,
    k: int,
    method: Method = "random",
    distance: Distance = "euclidean",
    *,
    window: float | None = 0.1,
    random_state: int = 0,
    max_rounds: int = 10,
) -> tuple[Sequences, Labels]:
    """Choose k training sequences of each class.

    Parameters
    ----------
    X : array (n_cases, n_channels, n_timepoints) or (n_cases, n_timepoints), or list of array
        Cases; a list holds (n_channels, length_i).
    y : array (n_cases,)
        Labels.
    k : int
        Sequences per class.
    method : {"random", "centres", "medoids"}, default "random"
        ``"centres"``: k-means, whose centres are arithmetic means, for cases of one length (with
        ``"dtw"``: the published clustering). ``"medoids"``: k real cases, each the one with the
        least summed distance to the cases of its cluster.
    distance : {"euclidean", "dtw"}, default "euclidean"
        Distance of a case to a centre or medoid: the sum of squared differences, of points at the
        same time or aligned by dynamic time warping (needs aeon; medoids may differ in length).
    window : float or None, default 0.1
        Largest shift of a point by warping, as a share of the length; None sets no bound.
    random_state : int, default 0
        Not negative.
    max_rounds : int, default 10
        Rounds of assigning cases and updating centres, after a start by k-means++.

    Returns
    -------
    X_selected : like X
        k sequences of each class, classes in sorted order; real cases of a class in their order
        in X.
    y_selected : array (n_classes * k,)
        Their labels.

    Raises
    ------
    ValueError
        If a class has fewer than k cases, or the cases do not suit the method.
    ImportError
        If ``"dtw"`` is asked for and aeon is not installed.

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
    minima = {"k": (k, 1), "random_state": (random_state, 0), "max_rounds": (max_rounds, 1)}
    for name, (value, minimum) in minima.items():
        if value < minimum:
            raise ValueError(f"{name} must be at least {minimum}, not {value}.")
    X = X if isinstance(X, list | tuple) else np.asarray(X)
    cases = as_cases(X)
    labels = as_labels(y, len(cases))
    if method != "random":
        _check_clusterable(cases, method, distance)
    measure = _euclidean if distance == "euclidean" else partial(dtw_distances, window=window)
    classes = np.unique(labels)
    chosen: list[np.ndarray] = []  # of each class: centres, or indices of real cases
    for label in classes:
        members = np.flatnonzero(labels == label)
        if len(members) < k:
            raise ValueError(
                f"class {str(label)!r} has {len(members)} cases, fewer than k={k}; lower k, leave "
                "the class out, or give more of its cases."
            )
        rng = class_generator(random_state, label)
        if method == "random":
            chosen.append(np.sort(rng.permutation(members)[:k]))
            continue
        own = [cases[i] for i in members]
        start = _kmeans_plus_plus(own, k, measure, rng)
        if method == "medoids":
            chosen.append(members[_medoids(own, start, measure, max_rounds)])
        else:
            chosen.append(_centres(np.stack(own), start, distance, window, max_rounds))
    y_selected = np.repeat(classes, k)
    selected = np.concatenate(chosen)
    if method == "centres":
        return _like(selected, X), y_selected
    return X[selected] if isinstance(X, np.ndarray) else [X[i] for i in selected], y_selected


def _check_clusterable(cases: list[Case], method: str, distance: str) -> None:
    if any(np.isnan(x).any() for x in cases):
        raise ValueError(
            f"X has missing values (NaN), which method={method!r} cannot compare; fill them, or "
            "use method='random'."
        )
    lengths = {x.shape[1] for x in cases}
    if len(lengths) > 1 and (method == "centres" or distance == "euclidean"):
        raise ValueError(
            f"X has cases of {min(lengths)} to {max(lengths)} time points, which method={method!r} "
            f"with distance={distance!r} cannot average or compare point by point; resample them "
            "to one length, or use method='medoids' with distance='dtw'."
        )


def _centres(
    cases: Float[np.ndarray, "n n_channels n_timepoints"],
    start: Int[np.ndarray, " k"],
    distance: Distance,
    window: float | None,
    max_rounds: int,
) -> Float[np.ndarray, "k n_channels n_timepoints"]:
    """Cluster cases by k-means: assign by distance, update by the arithmetic mean."""
    k, init = len(start), cases[start]
    distinct = np.unique(cases, axis=0)
    if len(distinct) <= k:  # both libraries would leave clusters empty
        return np.resize(distinct, init.shape)
    if distance == "euclidean":
        from sklearn.cluster import KMeans

        options: dict[str, Any] = {"init": init.reshape(k, -1), "n_init": 1, "tol": 0}
        labels = KMeans(k, max_iter=max_rounds, **options).fit_predict(
            cases.reshape(len(cases), -1)
        )
        # Its own centres differ from the means by rounding, where a value is the same in all cases.
        return np.stack([cases[labels == j].mean(axis=0) for j in range(k)])
    with _aeon_at_work():
        from aeon.clustering import TimeSeriesKMeans

        # The last of aeon's iterations assigns only.
        model = TimeSeriesKMeans(k, init, "dtw", n_init=1, max_iter=max_rounds + 1)
        model.set_params(averaging_method="mean", distance_params={"window": window})
        model.fit(cases)
        return np.asarray(model.cluster_centers_)


def _medoids(
    cases: list[Case], start: Int[np.ndarray, " k"], measure: Distances, max_rounds: int
) -> Int[np.ndarray, " k"]:
    """Cluster cases around k of them, by alternating assignment and update; return their places."""
    distances, medoids = measure(cases, cases), np.sort(start)
    for _ in range(max_rounds):
        nearest = distances[:, medoids].argmin(axis=1)
        nearest[medoids] = np.arange(len(medoids))  # even where an equal case is a medoid too
        clusters = [np.flatnonzero(nearest == j) for j in range(len(medoids))]
        updated = [c[distances[np.ix_(c, c)].sum(axis=1).argmin()] for c in clusters]
        if set(updated) == set(medoids):
            break
        medoids = np.sort(updated)
    return medoids


def _kmeans_plus_plus(
    cases: list[Case], k: int, measure: Distances, rng: np.random.Generator
) -> Int[np.ndarray, " k"]:
    """Choose k cases, each with a probability proportional to its distance to those chosen."""
    chosen = [int(rng.integers(len(cases)))]
    gap = measure(cases, [cases[chosen[0]]])[:, 0]
    while len(chosen) < k:
        gap[chosen] = 0.0
        odds = gap if gap.any() else np.isin(np.arange(len(cases)), chosen, invert=True)
        chosen.append(int(rng.choice(len(cases), p=odds / odds.sum())))
        gap = np.minimum(gap, measure(cases, [cases[chosen[-1]]])[:, 0])
    return np.array(chosen)


def _euclidean(left: list[Case], right: list[Case]) -> Float[np.ndarray, "n m"]:
    from scipy.spatial.distance import cdist

    flat_left, flat_right = (np.stack(cases).reshape(len(cases), -1) for cases in (left, right))
    return cdist(flat_left, flat_right, "sqeuclidean")


def dtw_distances(
    left: list[Case], right: list[Case], window: float | None
) -> Float[np.ndarray, "n m"]:
    """Dynamic time warping distances between cases, warped by at most ``window`` of the length."""
    with _aeon_at_work():
        from aeon.distances import dtw_pairwise_distance

        other = None if right is left else right  # None: one half of a symmetric matrix
        return np.asarray(dtw_pairwise_distance(left, other, window=window))


@contextmanager
def _aeon_at_work() -> Iterator[None]:
    """Ask for aeon if it is not installed, and ignore the warnings of numba as it compiles."""
    try:
        from numba.core.errors import NumbaTypeSafetyWarning
    except ImportError as error:
        raise ImportError("distance='dtw' needs aeon; run: pip install 'egem[data]'") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumbaTypeSafetyWarning)
        yield


def _like(centres: Float[np.ndarray, "n n_channels n_timepoints"], X: Any) -> np.ndarray:
    """Convert centres to the floating type and the number of dimensions of X."""
    first = X if isinstance(X, np.ndarray) else np.asarray(X[0])
    centres = centres.astype(np.result_type(first.dtype, np.float32))
    return centres[:, 0] if isinstance(X, np.ndarray) and X.ndim == 2 else centres
