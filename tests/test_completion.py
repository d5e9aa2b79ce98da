"""Completion of gaps and prefixes: the conditional normal and its band."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm

from egem.core.metric import Metric
from egem.ensemble.completion import band, posterior


def a_metric(n_values, seed=0):
    basis = np.random.default_rng(seed).normal(size=(n_values, 5)).astype(np.float32)
    return Metric("whitened", basis, 0.3, 1.0, 0.5)


def test_a_completion_is_the_conditional_of_the_joint_normal():
    rng = np.random.default_rng(0)
    p, k = 12, 3
    metric, jacobian = a_metric(p), rng.normal(size=(k, p))
    seen, prior = rng.random(p) < 0.5, np.array([2.0, 3.0, 4.0])
    decoded, target = rng.normal(size=p), rng.normal(size=p)
    basis = metric.basis.astype(float)
    sigma = basis @ basis.T + metric.floor * np.eye(p)
    inverse = np.linalg.inv(sigma[np.ix_(seen, seen)])
    residual = (target - decoded)[seen]
    estimate, sd = posterior(target, seen, decoded, jacobian, metric, prior)
    gain = sigma[np.ix_(~seen, seen)] @ inverse
    np.testing.assert_allclose(estimate[~seen], (decoded[~seen] + gain @ residual), rtol=1e-6)
    np.testing.assert_allclose(estimate[seen], target[seen], atol=1e-12)
    code = np.linalg.inv(jacobian[:, seen] @ inverse @ jacobian[:, seen].T + np.diag(prior))
    free = jacobian[:, ~seen] - jacobian[:, seen] @ gain.T
    shape = np.diag(
        free.T @ code @ free + sigma[np.ix_(~seen, ~seen)] - gain @ sigma[seen][:, ~seen]
    )
    ratio = sd[~seen] ** 2 / shape
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)
    assert (sd[seen] < sd[~seen].min()).all()


def test_observed_values_are_kept_and_missing_ones_have_a_band(digit_model, digits):
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


def test_the_band_is_wider_where_the_class_is_in_doubt(digit_model, digits):
    start = digits[2][:40].copy()
    start[:, :, 2:] = np.nan
    certain = digit_model.predict_proba(start).max(axis=1)
    uncertain = np.argsort(certain)[:5]
    assert certain[uncertain].max() < 0.9
    whole = digit_model.complete(start[uncertain])
    widths = []  # of each case with all likely experts, and with the winner alone
    for i, label in enumerate(whole.labels):
        named = digit_model.complete(start[uncertain[i : i + 1]], label=label)
        np.testing.assert_allclose(named.values[0], whole.values[i], atol=1e-4)
        widths.append([np.mean(whole.high[i] - whole.low[i]), np.mean(named.high - named.low)])
    width, alone = np.mean(widths, axis=0)  # in single cases others may be narrower
    assert width > alone


def test_level_and_label_are_checked(digit_model, digits):
    with pytest.raises(ValueError, match="level must lie"):
        digit_model.complete(digits[2][:1], level=1.0)
    with pytest.raises(ValueError, match="is not a class"):
        digit_model.complete(digits[2][:1], label=77)
