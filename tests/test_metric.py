"""Metrics against dense NumPy algebra, complete and with missing values."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egem.calibration.scatter import class_scatter
from egem.core.metric import METRICS, NOISE_WITHOUT_SCATTER, factor, inner, mse, squared, whitened
from egem.data.preparation import Batch

STEPS, CHANNELS = 4, 3
P = STEPS * CHANNELS


def make_batch(n, seed, missing=0.0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, STEPS, CHANNELS)) * rng.uniform(0.5, 2, size=(STEPS, CHANNELS))
    mask = rng.random(values.shape) >= missing
    mask[:, 0, 0] = True
    return Batch(np.where(mask, values, 0).astype(np.float32), mask)


def dense(metric):
    basis = np.asarray(metric.basis, np.float64)
    return metric.floor * np.eye(len(basis)) + basis @ basis.T


def within_class_covariance(batch, classes):
    flat = batch.values.reshape(batch.n_cases, -1).astype(np.float64)
    groups = [flat[classes == c] for c in np.unique(classes)]
    freedom = sum(len(g) - 1 for g in groups)
    return sum((len(g) - 1) * np.cov(g, rowvar=False) for g in groups if len(g) > 1) / freedom


CLASSES = np.repeat([0, 1, 2], 4)


@pytest.fixture(scope="module")
def scatter():
    return class_scatter(make_batch(12, 0), CLASSES)


@pytest.mark.parametrize("shrinkage", [0.1, 0.5, 0.9])
def test_whitened_is_the_shrunk_covariance(scatter, shrinkage):
    metric = whitened(scatter, P, shrinkage)
    covariance = within_class_covariance(make_batch(12, 0), CLASSES)
    shrunk = (1 - shrinkage) * covariance
    shrunk += shrinkage * np.trace(covariance) / P * np.eye(P)
    np.testing.assert_allclose(dense(metric), shrunk, atol=1e-5)


def losses_by_low_rank(metric, residuals, mask):
    factors = [factor(metric, seen.ravel()) for seen in mask]
    rows = np.where(mask, residuals, 0).reshape(len(mask), -1)
    metric = replace(metric, basis=metric.basis.astype(residuals.dtype))
    each = [squared(metric, f, r[None])[0] for f, r in zip(factors, rows, strict=True)]
    crossed = [inner(metric, f, r[None], r[None])[0, 0] for f, r in zip(factors, rows, strict=True)]
    return np.array(each), np.array(crossed)


def losses_by_dense_inverse(metric, residuals, mask):
    sigma = dense(metric)
    out = []
    for r, seen in zip(residuals.reshape(len(mask), -1), mask.reshape(len(mask), -1), strict=True):
        out.append(r[seen] @ np.linalg.solve(sigma[np.ix_(seen, seen)], r[seen]))
    return np.array(out)


@pytest.mark.parametrize("missing", [0.0, 0.4])
@pytest.mark.parametrize("shrinkage", [0.1, 0.5, 1.0, None])
def test_low_rank_form_is_the_dense_inverse_over_what_is_observed(
    float64, scatter, missing, shrinkage
):
    metric = mse(scatter, P) if shrinkage is None else whitened(scatter, P, shrinkage)
    test = make_batch(9, 5, missing)
    residuals = test.values.astype(np.float64)
    expected = losses_by_dense_inverse(metric, residuals, test.mask)
    for found in losses_by_low_rank(metric, residuals, test.mask):
        np.testing.assert_allclose(found, expected, rtol=1e-5)  # factors are stored in float32


@given(st.integers(0, 10_000), st.floats(0.05, 1.0), st.floats(0.0, 0.8))
def test_losses_are_never_negative_and_fall_with_what_is_left_out(seed, shrinkage, missing):
    batch = make_batch(8, seed)
    metric = whitened(class_scatter(batch, np.repeat([0, 1], 4)), P, shrinkage)
    test = make_batch(3, seed + 1)
    partial = test.mask & (make_batch(3, seed + 2, missing).mask)
    whole, _ = losses_by_low_rank(metric, test.values, test.mask)
    part, _ = losses_by_low_rank(metric, test.values, partial)
    assert (np.asarray(part) >= 0).all()
    assert (part <= whole * 1.0001 + 1e-4).all()  # marginalising: a part is never farther


def test_mse_is_the_mean_of_squares(scatter):
    test = make_batch(5, 3, 0.3)
    metric = mse(scatter, P)
    found, _ = losses_by_low_rank(metric, test.values, test.mask)
    n_observed = test.mask.sum(axis=(1, 2))
    expected = [np.mean(r[seen] ** 2) for r, seen in zip(test.values, test.mask, strict=True)]
    np.testing.assert_allclose(found / n_observed, expected, rtol=1e-5)


def test_full_shrinkage_is_mse_in_units_of_the_variance(scatter):
    test = make_batch(5, 3, 0.3)
    plain, _ = losses_by_low_rank(mse(scatter, P), test.values, test.mask)
    full, _ = losses_by_low_rank(whitened(scatter, P, 1.0), test.values, test.mask)
    np.testing.assert_allclose(full * scatter.mean_variance, plain, rtol=1e-4)


def test_a_member_has_a_loss_of_about_one_against_its_class_mean():
    batch = make_batch(4000, 1)
    metric = whitened(class_scatter(batch, np.repeat([0, 1], 2000)), P, 0.05)
    found, _ = losses_by_low_rank(metric, batch.values, batch.mask)
    np.testing.assert_allclose(np.mean(found) / P, metric.noise, rtol=0.1)


def test_one_case_a_class_gives_mse():
    scatter = class_scatter(make_batch(3, 0), np.arange(3))
    assert scatter.mean_variance == 0
    metric = whitened(scatter, P, 0.3)
    assert metric.name == "mse"
    assert metric.floor == 1 and metric.noise == NOISE_WITHOUT_SCATTER
    assert metric.basis.shape == (P, 0)


def test_directions_are_padded_to_few_widths():
    def width(n):
        return whitened(class_scatter(make_batch(n, 0), np.zeros(n, int)), P, 0.5).basis.shape[1]

    assert [width(n) for n in (2, 5, 9)] == [8, 8, 8]


def test_metrics_are_built_by_name(scatter):
    for name, build in METRICS.items():
        assert build(scatter, P, 0.4).name == name
