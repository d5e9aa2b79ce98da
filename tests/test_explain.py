"""Explanations: best experts, shares of the loss, nearest training cases, search paths."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egem.core.metric import Metric, factor, squared
from egem.explain import loss_shares


def a_metric(n_values, seed=0):
    basis = np.random.default_rng(seed).normal(size=(n_values, 5)).astype(np.float32)
    return Metric("whitened", basis, 0.3, 1.0, 0.5)


@given(st.integers(0, 1000))
def test_shares_divide_the_loss_in_the_metric(seed):
    rng = np.random.default_rng(seed)
    metric, seen = a_metric(12, seed), rng.random((6, 2)) < 0.7
    seen[0] = True
    residual = rng.normal(size=(6, 2)).astype(np.float32)
    shares = loss_shares(residual[None], seen, metric)[0]
    assert (shares >= 0).all() and abs(shares.sum() - 1) < 1e-6
    assert (shares[~seen.any(axis=1)] < 0.5).all()
    row = np.where(seen, residual, 0).reshape(1, -1)
    loss = float(squared(metric, factor(metric, seen.ravel()), row)[0])
    basis = metric.basis.astype(float) * seen.reshape(-1, 1)
    sigma = (basis @ basis.T + metric.floor * np.eye(12))[np.ix_(seen.ravel(), seen.ravel())]
    values, vectors = np.linalg.eigh(sigma)
    white = vectors @ ((vectors.T @ row.ravel()[seen.ravel()]) / np.sqrt(values))
    np.testing.assert_allclose((white**2).sum(), loss, rtol=1e-3)


def test_an_explanation_shows_the_best_experts(digit_model, digits):
    X = digits[2][:40:4]
    found, inversion = digit_model.explain(X), digit_model.invert(X)
    np.testing.assert_array_equal(found.labels[:, 0], digit_model.predict(X))
    rows = np.arange(len(X))
    winner = inversion.scores.argmin(axis=1)
    np.testing.assert_allclose(found.losses[:, 0], inversion.losses[rows, winner], rtol=1e-5)
    np.testing.assert_allclose(found.shares.sum(axis=2), 1.0, atol=1e-5)
    np.testing.assert_allclose(found.reconstructions[:, 0], digit_model.reconstruct(X), atol=1e-5)
    np.testing.assert_allclose(found.p_values, digit_model.p_value(X))
    for i, label in enumerate(found.labels[:, 0]):
        near = found.near[i][found.near[i] >= 0]
        assert (digit_model.classes_[digit_model.exemplars_.classes[near]] == label).all()
    assert (np.diff(found.distances, axis=1) >= 0).all()
    assert (np.diff(found.path_scores, axis=1) <= 1e-5).all()
    at = inversion.losses[rows, winner] + inversion.priors[rows, winner]
    np.testing.assert_allclose(found.path_scores[:, -1], at, rtol=2e-3)


def test_a_training_case_is_nearest_to_itself(digit_model, digits):
    X = digits[0]
    found = digit_model.explain(X[:20])
    nearest = [digit_model.exemplars_.cases[j] for j in found.near[:, 0]]
    same = [np.array_equal(a, b) for a, b in zip(nearest, X[:20], strict=True)]
    assert np.mean(same) > 0.7


def test_an_explanation_takes_a_given_inversion(digit_model, digits):
    X = digits[2][:4]
    inversion = digit_model.invert(X)
    found = digit_model.explain(X)
    again = digit_model.explain(X, inversion=inversion, paths=False)
    for name in ("labels", "probabilities", "reconstructions", "shares", "near", "p_values"):
        assert np.array_equal(getattr(found, name), getattr(again, name))
    assert np.isfinite(found.paths).any() and np.isnan(again.paths).all()
    with pytest.raises(ValueError, match="inversion is of 4 cases"):
        digit_model.explain(X[:2], inversion=inversion)


def test_numbers_of_experts_and_cases_are_checked(digit_model, digits):
    with pytest.raises(ValueError, match="n_experts and n_near"):
        digit_model.explain(digits[2][:1], n_near=0)
    with pytest.raises(ValueError, match="n_experts and n_near"):
        digit_model.explain(digits[2][:1], n_experts=0)


def test_a_published_search_has_no_path(paper_model, digits):
    found = paper_model.explain(digits[2][:2], n_experts=9, n_near=9)
    assert found.labels.shape == (2, 3)
    assert np.isnan(found.path_scores).all()
    assert (found.near[:, 4:] == -1).all() and np.isnan(found.distances[:, 4:]).all()
