"""Inversion by one expert: right derivatives, and searches that end where they should."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from banks import (
    DECODER,
    N_CASES,
    PRIOR_WEIGHT,
    C,
    K,
    P,
    T,
    doubled,
    loss_of,
    make_bank,
    make_batch,
    make_metric,
    make_targets,
    one,
)
from egem.core.config import SearchConfig
from egem.core.inversion import invert, losses, quadratic
from egem.core.levenberg_marquardt import TOLERANCE, init, search
from egem.ensemble.cases import BoundCases

CODE = np.array([0.4, -0.7, 1.1])
FREE = SearchConfig().bounds


def make_expert(metric):
    return one(make_bank(metric).groups[0].experts, 0)


def make_starts():
    return np.random.default_rng(3).normal(size=(N_CASES, K)).astype(np.float32)


def in_double_precision(name, missing):
    metric = make_metric(name)
    expert, targets = doubled((make_expert(metric), make_targets(metric, missing=missing)))
    return replace(metric, basis=jnp.asarray(metric.basis, jnp.float64)), expert, targets


def evaluator(expert, targets, metric, prior_weight=PRIOR_WEIGHT):
    return jax.jit(partial(quadratic, DECODER, expert, targets, metric, prior_weight))


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("name", ["mse", "whitened"])
def test_gradient_agrees_with_central_differences(float64, name, missing):
    metric, expert, targets = in_double_precision(name, missing)
    target = one(targets, 0)
    loss = jax.jit(lambda z: loss_of(expert.params, z, target, metric))
    h = 1e-5
    numeric = np.array([(loss(CODE + e) - loss(CODE - e)) / (2 * h) for e in h * np.eye(K)])
    gradient = jax.jit(jax.grad(loss))(CODE)
    assert gradient.dtype == jnp.float64 and np.abs(numeric).max() > 1e-3
    assert np.linalg.norm(gradient - numeric) < 1e-6 * np.linalg.norm(numeric)

    # What the search works with is half of it, with the prior.
    alone = jax.tree.map(lambda a: a[:1], targets)
    at = one(evaluator(expert, alone, metric)(CODE[None]), 0)
    unit = metric.noise / target.n_observed
    away = CODE - expert.code_mean
    np.testing.assert_allclose(at.loss, loss(CODE), rtol=1e-10)
    np.testing.assert_allclose(at.prior, PRIOR_WEIGHT * unit * np.sum(away**2), rtol=1e-10)
    expected = numeric + 2 * PRIOR_WEIGHT * unit * away
    np.testing.assert_allclose(2 * at.gradient, expected, rtol=1e-6)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_curvature_is_that_of_gauss_and_newton(float64, missing):
    metric, expert, targets = in_double_precision("whitened", missing)
    codes = np.tile(CODE, (N_CASES, 1))
    at = evaluator(expert, targets, metric, 0.0)(codes)
    decode = jax.jit(jax.jacrev(lambda z: DECODER.decode(expert.params, z, T).ravel()))
    jacobian = np.asarray(decode(CODE))
    sigma = metric.floor * np.eye(P) + np.asarray(metric.basis @ metric.basis.T)
    for i in range(N_CASES):
        seen = np.asarray(targets.mask[i]).ravel()
        inverse = np.linalg.inv(sigma[np.ix_(seen, seen)])
        expected = jacobian[seen].T @ inverse @ jacobian[seen] / seen.sum()
        np.testing.assert_allclose(at.curvature[i], expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_a_search_ends_at_a_minimum_of_loss_and_prior(float64, dtype, missing):
    metric, expert, targets = in_double_precision("whitened", missing)
    starts = make_starts().astype(dtype)
    if dtype == np.float32:
        metric = make_metric("whitened")
        expert, targets = make_expert(metric), make_targets(metric, missing=missing)
    config = SearchConfig(60, PRIOR_WEIGHT)
    end = jax.jit(lambda z: invert(DECODER, expert, targets, metric, config, z))(starts)
    assert end.code.dtype == end.at.loss.dtype == dtype
    assert end.converged.all() and (end.n_steps <= 60).all()
    evaluate = evaluator(expert, targets, metric)
    np.testing.assert_allclose(evaluate(end.code).score, end.at.score, rtol=1e-4)
    own = jax.jit(lambda z: losses(DECODER, expert.params, z, targets, metric))(end.code)
    np.testing.assert_allclose(own, end.at.loss, rtol=1e-4)
    assert (end.at.score < evaluate(starts).score).all()
    for move in 0.01 * np.concatenate([np.eye(K), -np.eye(K)]).astype(dtype):
        assert (evaluate(end.code + move).score > end.at.score * (1 - 3 * TOLERANCE)).all()


def test_codes_stay_within_bounds():
    metric = make_metric("mse")
    config = SearchConfig(60, 0.0, (-0.1, 1.1))
    end = invert(DECODER, make_expert(metric), make_targets(metric), metric, config, make_starts())
    assert (end.code >= -0.1).all() and (end.code <= 1.1).all()
    assert ((end.code == np.float32(-0.1)) | (end.code == np.float32(1.1))).any()


def test_a_search_in_parts_is_the_same_as_in_one():
    metric = make_metric("whitened")
    evaluate = evaluator(make_expert(metric), make_targets(metric), metric)
    straight = search(evaluate, init(make_starts()), 40, FREE)
    state = init(make_starts())
    for steps in (3, 1, 36):
        state = search(evaluate, state, steps, FREE)
    for there, here in zip(jax.tree.leaves(straight), jax.tree.leaves(state), strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-5, atol=1e-5)


def test_the_predicted_reduction_is_that_of_an_undamped_step():
    metric = make_metric("whitened")
    evaluate = evaluator(make_expert(metric), make_targets(metric, missing=0.2), metric)
    first = search(evaluate, init(make_starts()), 1, FREE)
    at = jax.tree.map(np.asarray, first.at)
    expected = [g @ np.linalg.solve(a, g) for g, a in zip(at.gradient, at.curvature, strict=True)]
    np.testing.assert_allclose(first.predicted_reduction, expected, rtol=1e-3)
    end = search(evaluate, first, 60, FREE)
    assert (np.asarray(end.predicted_reduction) < 1e-2 * np.asarray(end.at.loss)).all()


def test_cases_that_miss_the_same_values_may_share_a_factor():
    metric = make_metric("whitened")
    expert, each = make_expert(metric), make_targets(metric)
    shared = each._replace(factor=each.factor[0])
    ends = [
        search(evaluator(expert, targets, metric), init(make_starts()), 20, FREE)
        for targets in (each, shared)
    ]
    np.testing.assert_allclose(ends[0].at.loss, ends[1].at.loss, rtol=1e-3)
    np.testing.assert_array_equal(ends[0].converged, ends[1].converged)


def test_targets_know_the_factors_of_what_is_observed():
    metric, batch = make_metric("whitened"), make_batch(missing=0.3)
    targets = BoundCases.of(batch, metric).targets(np.arange(N_CASES))
    for i in range(N_CASES):
        observed = metric.basis[batch.mask[i].ravel()]
        gram = metric.floor * np.eye(observed.shape[1]) + observed.T @ observed
        factor = np.asarray(targets.factor[i], np.float64)
        np.testing.assert_allclose(factor.T @ factor, np.linalg.inv(gram), rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(targets.n_observed, batch.mask.sum(axis=(1, 2)))
    complete = BoundCases.of(make_batch(), metric).targets(np.arange(N_CASES))
    assert complete.factor.ndim == 2 and complete.values.shape == (N_CASES, T, C)
