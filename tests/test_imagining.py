"""Completions, explanations and evaluations: what they say is there, and adds up."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm

from egem.ensemble.completion import band, posterior
from egem.ensemble.metric import Metric, bind, squared
from egem.evaluate import evaluate
from egem.explain import loss_shares


def a_metric(n_values, seed=0):
    basis = np.random.default_rng(seed).normal(size=(n_values, 5)).astype(np.float32)
    return Metric("whitened", basis, 0.3, 1.0, 0.5)


@given(st.integers(0, 1000))
def test_shares_are_of_the_metrics_loss(seed):
    """Not scaled, they would sum to the loss that the search minimises, gaps and all."""
    rng = np.random.default_rng(seed)
    metric, seen = a_metric(12, seed), rng.random((6, 2)) < 0.7
    seen[0] = True
    residual = rng.normal(size=(6, 2)).astype(np.float32)
    shares = loss_shares(residual[None], seen, metric)[0]
    assert (shares >= 0).all() and abs(shares.sum() - 1) < 1e-6
    assert (shares[~seen.any(axis=1)] < 0.5).all()
    weights = bind(metric, seen[None])
    row = np.where(seen, residual, 0).reshape(1, 1, -1)
    loss = float(squared(metric, weights.factors, row)[0, 0])
    basis = metric.basis.astype(float) * seen.reshape(-1, 1)
    sigma = (basis @ basis.T + metric.floor * np.eye(12))[np.ix_(seen.ravel(), seen.ravel())]
    values, vectors = np.linalg.eigh(sigma)
    white = vectors @ ((vectors.T @ row.ravel()[seen.ravel()]) / np.sqrt(values))
    np.testing.assert_allclose((white**2).sum(), loss, rtol=1e-3)


def test_completion_is_the_conditional_of_the_joint_normal():
    """Against the textbook formula, with code and residuals drawn jointly."""
    rng = np.random.default_rng(0)
    p, k = 12, 3
    metric, jacobian = a_metric(p), rng.normal(size=(k, p))
    seen, prior = rng.random(p) < 0.5, np.array([2.0, 3.0, 4.0])
    imagined, target = rng.normal(size=p), rng.normal(size=p)
    basis = metric.basis.astype(float)
    sigma = basis @ basis.T + metric.floor * np.eye(p)
    inverse = np.linalg.inv(sigma[np.ix_(seen, seen)])
    residual = (target - imagined)[seen]
    estimate, sd = posterior(target, seen, imagined, jacobian, metric, prior)
    gain = sigma[np.ix_(~seen, seen)] @ inverse
    np.testing.assert_allclose(estimate[~seen], (imagined[~seen] + gain @ residual), rtol=1e-6)
    np.testing.assert_allclose(estimate[seen], target[seen], atol=1e-12)
    code = np.linalg.inv(jacobian[:, seen] @ inverse @ jacobian[:, seen].T + np.diag(prior))
    free = jacobian[:, ~seen] - jacobian[:, seen] @ gain.T
    shape = np.diag(
        free.T @ code @ free + sigma[np.ix_(~seen, ~seen)] - gain @ sigma[seen][:, ~seen]
    )
    ratio = sd[~seen] ** 2 / shape
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)
    assert (sd[seen] < sd[~seen].min()).all()


def test_what_is_there_is_kept_and_the_rest_comes_with_a_band(digit_model, digits):
    X = digits[2][:20].copy()
    gappy = X.copy()
    gappy[:, :, 5:] = np.nan
    whole = digit_model.complete(gappy, level=0.9)
    assert whole.values.shape == X.shape
    for of in (whole.values, whole.low, whole.high):
        np.testing.assert_allclose(of[:, :, :5], X[:, :, :5], atol=1e-6)
    rest = np.s_[:, :, 5:]
    assert (whole.low[rest] < whole.high[rest]).all()
    wider = digit_model.complete(gappy, level=0.99)
    assert (wider.high[rest] >= whole.high[rest]).all()
    plain = np.abs(X[rest] - X.mean()).mean()
    assert np.abs(whole.values[rest] - X[rest]).mean() < 0.8 * plain
    named = digit_model.complete(gappy[:3], label=8)
    assert named.labels.tolist() == [8, 8, 8]


@given(
    arrays(float, (3, 4), elements=st.floats(-5, 5)),
    arrays(float, (3, 4), elements=st.floats(0.1, 3)),
    arrays(float, 3, elements=st.floats(0.05, 1)),
    st.floats(0.1, 0.99),
)
def test_a_band_holds_its_share_of_a_mixture(means, sds, weights, level):
    weights = weights / weights.sum()
    low, high = band(means, sds, weights, level)
    below, above = (weights @ norm.cdf((each - means) / sds) for each in (low, high))
    np.testing.assert_allclose(below, (1 - level) / 2, atol=1e-6)
    np.testing.assert_allclose(above, (1 + level) / 2, atol=1e-6)


def test_a_class_in_doubt_widens_the_band(digit_model, digits):
    start = digits[2][:40].copy()
    start[:, :, 2:] = np.nan
    certain = digit_model.predict_proba(start).max(axis=1)
    doubtful = np.argsort(certain)[:5]
    assert certain[doubtful].max() < 0.9
    whole = digit_model.complete(start[doubtful])
    widths = []  # of each case with all likely experts, and with the winner alone
    for i, label in enumerate(whole.labels):
        named = digit_model.complete(start[doubtful[i : i + 1]], label=label)
        np.testing.assert_allclose(named.values[0], whole.values[i], atol=1e-4)
        widths.append([np.mean(whole.high[i] - whole.low[i]), np.mean(named.high - named.low)])
    width, alone = np.mean(widths, axis=0)  # others may be surer than the winner in single cases
    assert width > alone


def test_level_and_label_are_checked(digit_model, digits):
    with pytest.raises(ValueError, match="level must lie"):
        digit_model.complete(digits[2][:1], level=1.0)
    with pytest.raises(ValueError, match="is not a class"):
        digit_model.complete(digits[2][:1], label=77)
    with pytest.raises(ValueError, match="n_experts and n_near"):
        digit_model.explain(digits[2][:1], n_near=0)


def test_an_explanation_tells_what_decided(digit_model, digits):
    X = digits[2][:40:4]
    found, inversion = digit_model.explain(X), digit_model.invert(X)
    np.testing.assert_array_equal(found.labels[:, 0], digit_model.predict(X))
    rows = np.arange(len(X))
    winner = inversion.scores.argmin(axis=1)
    np.testing.assert_allclose(found.losses[:, 0], inversion.losses[rows, winner], rtol=1e-5)
    np.testing.assert_allclose(found.shares.sum(axis=2), 1.0, atol=1e-5)
    np.testing.assert_allclose(found.reconstructions[:, 0], digit_model.reconstruct(X), atol=1e-5)
    np.testing.assert_allclose(found.novelty, digit_model.novelty(X))
    for i, label in enumerate(found.labels[:, 0]):
        near = found.near[i][found.near[i] >= 0]
        assert (digit_model.classes_[digit_model.cases_.classes[near]] == label).all()
    assert (np.diff(found.distances, axis=1) >= 0).all()
    assert (np.diff(found.path_scores, axis=1) <= 1e-5).all()
    at = inversion.losses[rows, winner] + inversion.priors[rows, winner]
    np.testing.assert_allclose(found.path_scores[:, -1], at, rtol=2e-3)


def test_a_training_case_is_nearest_to_itself(digit_model, digits):
    X = digits[0]
    found = digit_model.explain(X[:20])
    nearest = [digit_model.cases_.cases[j] for j in found.near[:, 0]]
    same = [np.array_equal(a, b) for a, b in zip(nearest, X[:20], strict=True)]
    assert np.mean(same) > 0.7


def test_an_evaluation_counts_right(digit_model, digits):
    X, y = digits[2], digits[3].copy()
    y[:12] = 77
    found = evaluate(digit_model, X, y)
    assert (found.n_known, found.n_unknown) == (len(y) - 12, 12)
    assert found.confusion.sum() == found.n_known
    assert found.accuracy == np.trace(found.confusion) / found.n_known
    assert found.accuracy == pytest.approx(digit_model.score(X[12:], y[12:]), abs=0.01)
    assert found.n_in_bin.sum() == found.n_known
    assert 0 <= found.calibration_error < 0.3
    assert (np.diff(found.coverage) <= 0).all()
    assert 0 <= found.novelty_auc <= 1


def test_only_unknown_cases_can_be_evaluated(wave_model, waves):
    found = evaluate(wave_model, waves[2], ["x"] * len(waves[2]))
    assert found.n_known == 0 and found.n_unknown == len(waves[2])
    assert found.as_dict()["accuracy"] is None


def test_an_explanation_takes_an_inversion_that_is_there(digit_model, digits):
    X = digits[2][:4]
    inversion = digit_model.invert(X)
    told = digit_model.explain(X)
    again = digit_model.explain(X, inversion=inversion, paths=False)
    for name in ("labels", "probabilities", "reconstructions", "shares", "near", "novelty"):
        assert np.array_equal(getattr(told, name), getattr(again, name))
    assert np.isfinite(told.paths).any() and np.isnan(again.paths).all()
    with pytest.raises(ValueError, match="inversion tells of 4 cases"):
        digit_model.explain(X[:2], inversion=inversion)
