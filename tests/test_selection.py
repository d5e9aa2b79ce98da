"""Training subsets: real cases, k-means centres, medoids."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from egem import select


def clumps(n_clumps, n_each, seed=0, n_channels=2, length=10):
    """Tight clumps of curves, far apart, in random order, and which clump each is of."""
    rng = np.random.default_rng(seed)
    middles = 10 * rng.normal(size=(n_clumps, n_channels, length))
    of = rng.permutation(np.repeat(np.arange(n_clumps), n_each))
    return middles[of] + 0.1 * rng.normal(size=(len(of), n_channels, length)), of


@pytest.fixture(scope="module")
def two_classes():
    X, of = zip(*(clumps(3, 6, seed) for seed in (0, 1)), strict=True)
    return np.concatenate(X), np.repeat(["a", "b"], 18), np.concatenate(of)


@pytest.mark.parametrize("distance", ["euclidean", "dtw"])
def test_centres_are_the_means_of_the_clumps(two_classes, distance):
    X, y, of = two_classes
    centres, labels = select(X, y, 3, "centres", distance)
    assert centres.shape == (6, 2, 10) and labels.tolist() == list("aaabbb")
    for label in "ab":
        own = [X[(y == label) & (of == c)].mean(axis=0) for c in range(3)]
        found = centres[labels == label]
        for mean in own:
            assert np.abs(found - mean).max(axis=(1, 2)).min() < 1e-9


def test_centres_are_as_good_as_scikit_learns():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 1, 5))
    centres, _ = select(X, np.zeros(60, int), 4, "centres", max_rounds=100)
    own = ((X[:, None] - centres[None]) ** 2).sum(axis=(2, 3)).min(axis=1).sum()
    flat = X.reshape(60, -1)
    # Lloyd's rounds have ended: scikit-learn's, begun at our centres, finds nothing to move.
    again = KMeans(4, init=centres.reshape(4, -1), n_init=1).fit(flat)
    np.testing.assert_allclose(own, again.inertia_, rtol=1e-6)
    assert own < 1.3 * KMeans(4, n_init=20, random_state=0).fit(flat).inertia_


@pytest.mark.parametrize("distance", ["euclidean", "dtw"])
def test_medoids_are_cases_in_the_middle_of_each_clump(two_classes, distance):
    X, y, of = two_classes
    medoids, labels = select(X, y, 3, "medoids", distance)
    for label in "ab":
        index = [
            int(np.flatnonzero((m == X).all(axis=(1, 2)))[0]) for m in medoids[labels == label]
        ]
        assert (y[index] == label).all() and sorted(of[index]) == [0, 1, 2]
        assert index == sorted(index)
        if distance == "euclidean":
            for i in index:
                clump = X[(y == label) & (of == of[i])]
                sums = ((clump[:, None] - clump[None]) ** 2).sum(axis=(1, 2, 3))
                np.testing.assert_array_equal(X[i], clump[sums.argmin()])


def test_dtw_aligns_what_euclid_cannot():
    """Two shapes, each early and late: warping groups by shape, point by point by place."""
    t = np.arange(60)
    bump, step = np.exp(-(((t - 20) / 3) ** 2)), 1 / (1 + np.exp(-(t - 20.0)))
    curves = [np.interp(t - shift, t, shape) for shape in (bump, step) for shift in (0, 1, 5, 6)]
    X, shape_of = np.array(curves), np.repeat([0, 1], 4)
    medoids, _ = select(X, np.zeros(8, int), 2, "medoids", "dtw", window=0.3)
    found = [int(np.flatnonzero((m == X).all(axis=1))[0]) for m in medoids]
    assert sorted(shape_of[found]) == [0, 1]


@given(st.integers(1, 6), st.integers(0, 1000))
def test_a_random_choice_is_k_real_cases_of_each_class(k, seed):
    y = np.array(list("abacabcbcabcabcabcc"))
    X = np.arange(len(y), dtype=float)[:, None] + np.zeros(4)
    chosen, labels = select(X, y, k, random_state=seed)
    index = chosen[:, 0].astype(int)
    assert (chosen == X[index]).all() and (y[index] == labels).all()
    assert labels.tolist() == sorted("abc" * k) and len(set(index)) == 3 * k
    for label in "abc":
        assert (np.diff(index[labels == label]) > 0).all()


@pytest.mark.parametrize("method", ["random", "centres", "medoids"])
def test_a_class_is_chosen_from_alike_in_any_company(two_classes, method):
    X, y, _ = two_classes
    whole, labels = select(X, y, 2, method, random_state=4)
    alone, _ = select(X[y == "b"], y[y == "b"], 2, method, random_state=4)
    np.testing.assert_array_equal(whole[labels == "b"], alone)
    again, _ = select(X, y, 2, method, random_state=4)
    np.testing.assert_array_equal(whole, again)


@pytest.mark.parametrize("method", ["centres", "medoids"])
def test_as_many_as_there_are_is_all_of_them(method):
    X, _ = clumps(1, 5)
    chosen, _ = select(X, np.zeros(5, int), 5, method)
    assert {c.tobytes() for c in chosen} == {x.tobytes() for x in X}


@pytest.mark.parametrize("method", ["centres", "medoids"])
def test_equal_cases_do_no_harm(method):
    X = np.ones((6, 1, 4))
    chosen, labels = select(X, np.zeros(6, int), 3, method)
    assert chosen.shape == (3, 1, 4) and (chosen == 1).all() and len(labels) == 3


def test_the_form_of_x_is_kept():
    X, _ = clumps(2, 4, n_channels=1)
    y = np.zeros(8, int)
    assert select(X[:, 0], y, 2, "centres")[0].shape == (2, 10)
    assert select(X[:, 0].astype(np.float32), y, 2, "centres")[0].dtype == np.float32
    assert select(X[:, 0], y, 2)[0].shape == (2, 10)
    ragged = [x[:, : 5 + i % 3] for i, x in enumerate(X)]
    chosen, _ = select(ragged, y, 2, "medoids", "dtw")
    assert isinstance(chosen, list) and all(any(c is x for x in ragged) for c in chosen)


NAN = np.full((4, 1, 3), 1.0)
NAN[1, 0, 1] = np.nan


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"k": 5}, "class '7' has 4 cases, fewer than k=5; lower k"),
        ({"k": 0}, "k must be at least 1, not 0"),
        ({"method": "mean"}, "method must be 'random', 'centres' or 'medoids', not 'mean'"),
        ({"distance": "cosine"}, "distance must be 'euclidean' or 'dtw'"),
        ({"window": 1.5}, "window must be a share of the length"),
        ({"random_state": -1}, "random_state must be at least 0"),
        ({"max_rounds": 0}, "max_rounds must be at least 1"),
        ({"X": NAN, "method": "centres"}, "X has missing values .*fill them, or .*'random'"),
        (
            {"X": [np.ones(3), np.ones(4), np.ones(3), np.ones(3)], "method": "medoids"},
            "X has cases of 3 to 4 time points.*resample them",
        ),
        ({"y": [7, 7, 7]}, "X holds 4 cases but y holds 3 labels"),
    ],
)
def test_what_cannot_be_chosen_is_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        select(**({"X": np.ones((4, 1, 3)), "y": [7] * 4, "k": 2} | arguments))
