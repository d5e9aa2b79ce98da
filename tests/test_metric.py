"""Metrics against dense NumPy algebra, complete and with missing values."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egem.data.preparation import Batch
from egem.ensemble.metric import (
    GUESSED_FREEDOM,
    MOST_DIRECTIONS,
    NOISE_WITHOUT_CASES,
    Bends,
    Metric,
    Scatter,
    bind,
    class_scatter,
    inner,
    mse,
    squared,
    whitened,
)

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


def test_scatter_is_the_pooled_within_class_covariance(scatter):
    expected = within_class_covariance(make_batch(12, 0), CLASSES)
    covariance = scatter.directions * scatter.variances @ scatter.directions.T
    np.testing.assert_allclose(covariance, expected, atol=1e-6)
    np.testing.assert_allclose(scatter.mean_variance, np.trace(expected) / P, rtol=1e-6)
    gram = scatter.directions.T @ scatter.directions
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-10)


def test_scatter_forgets_where_the_classes_lie(scatter):
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


def test_what_the_directions_leave_out_is_kept_as_their_mean():
    rng = np.random.default_rng(0)
    n, p = MOST_DIRECTIONS + 60, MOST_DIRECTIONS + 40
    batch = Batch(rng.normal(size=(n, p, 1)).astype(np.float32), np.ones((n, p, 1), bool))
    s = class_scatter(batch, np.zeros(n, int))
    assert s.directions.shape == (p, MOST_DIRECTIONS)
    total = np.var(batch.values[:, :, 0], axis=0, ddof=1).sum()
    np.testing.assert_allclose(s.variances.sum() + s.tail * p, total, rtol=1e-4)


@pytest.mark.parametrize("shrinkage", [0.1, 0.5, 0.9])
def test_whitened_is_the_shrunk_covariance(scatter, shrinkage):
    metric = whitened(scatter, P, shrinkage)
    covariance = within_class_covariance(make_batch(12, 0), CLASSES)
    shrunk = (1 - shrinkage) * covariance
    shrunk += shrinkage * np.trace(covariance) / P * np.eye(P)
    np.testing.assert_allclose(dense(metric), shrunk, atol=1e-5)


def losses_by_low_rank(metric, residuals, mask):
    weights = bind(metric, mask)
    factors = jnp.asarray(weights.factors[weights.pattern], residuals.dtype)
    flat = jnp.asarray(np.where(mask, residuals, 0).reshape(len(mask), -1))
    metric = replace(metric, basis=jnp.asarray(metric.basis, residuals.dtype))
    each = jax.vmap(lambda f, r: squared(metric, f, r[None])[0])
    crossed = jax.vmap(lambda f, r: inner(metric, f, r[None], r[None])[0, 0])
    return each(factors, flat), crossed(factors, flat)


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
    weights = bind(metric, test.mask)
    expected = [np.mean(r[seen] ** 2) for r, seen in zip(test.values, test.mask, strict=True)]
    np.testing.assert_allclose(found / weights.n_observed, expected, rtol=1e-5)


def test_full_shrinkage_is_mse_in_units_of_the_variance(scatter):
    test = make_batch(5, 3, 0.3)
    plain, _ = losses_by_low_rank(mse(scatter, P), test.values, test.mask)
    full, _ = losses_by_low_rank(whitened(scatter, P, 1.0), test.values, test.mask)
    np.testing.assert_allclose(full * scatter.mean_variance, plain, rtol=1e-4)


def test_a_member_against_its_class_mean_costs_about_one():
    batch = make_batch(4000, 1)
    metric = whitened(class_scatter(batch, np.repeat([0, 1], 2000)), P, 0.05)
    found, _ = losses_by_low_rank(metric, batch.values, batch.mask)
    np.testing.assert_allclose(np.mean(found) / P, metric.noise, rtol=0.1)


def test_one_case_a_class_gives_mse():
    scatter = class_scatter(make_batch(3, 0), np.arange(3))
    assert scatter.mean_variance == 0
    metric = whitened(scatter, P, 0.3)
    assert isinstance(metric, Metric) and metric.name == "mse"
    assert metric.floor == 1 and metric.noise == NOISE_WITHOUT_CASES
    assert metric.basis.shape == (P, 0)


def test_directions_are_padded_to_few_widths():
    def width(n):
        return whitened(class_scatter(make_batch(n, 0), np.zeros(n, int)), P, 0.5).basis.shape[1]

    assert [width(n) for n in (2, 5, 9)] == [8, 8, 8]
    assert isinstance(class_scatter(make_batch(3, 0), np.zeros(3, int)), Scatter)


def test_many_cases_give_the_scatter_of_a_plain_covariance():
    """Beyond twice as many cases as values the spread is found another way."""
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


def bends_of(n, seed=3):
    """Copies of ``n`` cases that differ along one direction only."""
    rng = np.random.default_rng(seed)
    along = rng.normal(size=P) / np.sqrt(P)
    return Bends(np.arange(n), rng.normal(size=(n, 1)) * along), along


def test_bent_copies_say_how_members_differ_where_no_cases_do():
    batch = make_batch(400, 0)
    bends, along = bends_of(400)
    scatter = class_scatter(batch, np.arange(400), bends=bends)
    variance = np.mean((bends.differences @ along) ** 2) / (along @ along)
    np.testing.assert_allclose(scatter.variances, [variance], rtol=1e-5)
    cosine = np.abs(scatter.directions[:, 0] @ along) / np.linalg.norm(along)
    np.testing.assert_allclose(cosine, 1.0, rtol=1e-5)


def test_many_cases_outweigh_bent_copies():
    bends, _ = bends_of(12)
    total = []
    for n in (12, 4000):
        batch, classes = make_batch(n, 0), np.zeros(n, int)
        alone = class_scatter(batch, classes).mean_variance
        joined = class_scatter(batch, classes, bends=bends).mean_variance
        guess = np.mean(bends.differences**2)
        share = GUESSED_FREEDOM / (GUESSED_FREEDOM + n - 1)
        np.testing.assert_allclose(joined, (1 - share) * alone + share * guess, rtol=1e-4)
        total.append(abs(joined / alone - 1))
    assert total[1] < 0.01 < total[0]


def test_bends_stay_with_their_cases():
    bends = Bends(np.array([0, 0, 1, 2, 2]), np.arange(5.0)[:, None])
    kept = bends.among(np.array([True, False, True]))
    np.testing.assert_array_equal(kept.of, [0, 0, 1, 1])
    np.testing.assert_array_equal(kept.differences[:, 0], [0, 1, 3, 4])
