"""The scatter within classes against a plain covariance, and the decompositions beneath it."""

import numpy as np
import pytest

from egem.calibration.scatter import COPIES_FREEDOM, MAX_DIRECTIONS, Copies, class_scatter
from egem.data.preparation import Batch
from egem.runtime import linalg
from test_metric import CLASSES, P, make_batch, within_class_covariance


@pytest.fixture(scope="module")
def scatter():
    return class_scatter(make_batch(12, 0), CLASSES)


def test_scatter_is_the_pooled_within_class_covariance(scatter):
    expected = within_class_covariance(make_batch(12, 0), CLASSES)
    covariance = scatter.directions * scatter.variances @ scatter.directions.T
    np.testing.assert_allclose(covariance, expected, atol=1e-6)
    np.testing.assert_allclose(scatter.mean_variance, np.trace(expected) / P, rtol=1e-6)
    gram = scatter.directions.T @ scatter.directions
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-10)


def test_scatter_does_not_depend_on_the_class_means(scatter):
    batch = make_batch(12, 0)
    moved = Batch(batch.values + CLASSES[:, None, None] * np.float32(10), batch.mask)
    shifted = class_scatter(moved, CLASSES)
    np.testing.assert_allclose(shifted.variances, scatter.variances, rtol=1e-3)


def test_scatter_of_a_subset_with_missing_values_is_unbiased():
    whole = make_batch(4000, 1)
    classes = np.repeat(np.arange(1000), 4)
    holes = np.random.default_rng(2).random(whole.mask.shape) < 0.25
    seen = Batch(np.where(holes, 0, whole.values), whole.mask & ~holes)

    def variances(batch):
        s = class_scatter(batch, classes)
        return np.sum(s.directions**2 * s.variances, axis=1)

    np.testing.assert_allclose(variances(seen), variances(whole), rtol=0.12)


def test_the_variance_left_out_of_the_directions_is_kept_as_their_mean():
    rng = np.random.default_rng(0)
    n, p = MAX_DIRECTIONS + 60, MAX_DIRECTIONS + 40
    batch = Batch(rng.normal(size=(n, p, 1)).astype(np.float32), np.ones((n, p, 1), bool))
    s = class_scatter(batch, np.zeros(n, int))
    assert s.directions.shape == (p, MAX_DIRECTIONS)
    total = np.var(batch.values[:, :, 0], axis=0, ddof=1).sum()
    np.testing.assert_allclose(s.variances.sum() + s.tail * p, total, rtol=1e-4)


def test_many_cases_give_the_scatter_of_a_plain_covariance():
    """Beyond twice as many cases as values eigenvectors replace singular vectors."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(8, 8))
    for n in (12, 40):
        classes = np.arange(n) % 2
        values = (rng.normal(size=(n, 8)) @ mixing + 5 * classes[:, None]).astype(np.float32)
        batch = Batch(values.reshape(n, 4, 2), np.ones((n, 4, 2), bool))
        found = class_scatter(batch, classes)
        away = values - np.stack([values[classes == c].mean(axis=0) for c in (0, 1)])[classes]
        covariance = found.directions * found.variances @ found.directions.T
        np.testing.assert_allclose(covariance, away.T @ away / (n - 2), atol=1e-3)
        assert (np.diff(found.variances) <= 0).all()


def copies_of(n, seed=3):
    """Copies of ``n`` cases that differ along one direction only."""
    rng = np.random.default_rng(seed)
    along = rng.normal(size=P) / np.sqrt(P)
    return Copies(np.arange(n), rng.normal(size=(n, 1)) * along), along


def test_deformed_copies_give_the_scatter_where_no_cases_do():
    batch = make_batch(400, 0)
    copies, along = copies_of(400)
    scatter = class_scatter(batch, np.arange(400), copies=copies)
    variance = np.mean((copies.differences @ along) ** 2) / (along @ along)
    np.testing.assert_allclose(scatter.variances, [variance], rtol=1e-5)
    cosine = np.abs(scatter.directions[:, 0] @ along) / np.linalg.norm(along)
    np.testing.assert_allclose(cosine, 1.0, rtol=1e-5)


def test_many_cases_outweigh_deformed_copies():
    copies, _ = copies_of(12)
    total = []
    for n in (12, 4000):
        batch, classes = make_batch(n, 0), np.zeros(n, int)
        alone = class_scatter(batch, classes).mean_variance
        joined = class_scatter(batch, classes, copies=copies).mean_variance
        of_copies = np.mean(copies.differences**2)
        share = COPIES_FREEDOM / (COPIES_FREEDOM + n - 1)
        np.testing.assert_allclose(joined, (1 - share) * alone + share * of_copies, rtol=1e-4)
        total.append(abs(joined / alone - 1))
    assert total[1] < 0.01 < total[0]


def test_copies_stay_with_their_cases():
    copies = Copies(np.array([0, 0, 1, 2, 2]), np.arange(5.0)[:, None])
    kept = copies.among(np.array([True, False, True]))
    np.testing.assert_array_equal(kept.of, [0, 0, 1, 1])
    np.testing.assert_array_equal(kept.differences[:, 0], [0, 1, 3, 4])


# --------------------------------------------------- decompositions


def matrix():
    rng = np.random.default_rng(0)
    return rng.normal(size=(30, 4)) @ rng.normal(size=(4, 20))


@pytest.mark.parametrize("quick", [True, False])
def test_decomposition_is_thin_and_gives_the_matrix_back(monkeypatch, quick):
    if not quick:

        def give_up(*_, **__):
            raise np.linalg.LinAlgError("SVD did not converge")

        monkeypatch.setattr(linalg.np.linalg, "svd", give_up)
    u, s, vt = linalg.svd(matrix())
    assert u.shape == (30, 20) and s.shape == (20,) and vt.shape == (20, 20)
    np.testing.assert_allclose((u * s) @ vt, matrix(), atol=1e-10)
    assert (np.diff(s) <= 1e-12).all() and (s[4:] < 1e-10).all()
