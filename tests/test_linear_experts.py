"""Linear experts against explicit least squares and against the search for their codes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egem import EGEMClassifier
from egem.calibration import folds
from egem.calibration.scatter import class_scatter
from egem.core.config import SearchConfig
from egem.core.decoder import LinearDecoder
from egem.core.inversion import Expert, Targets, invert
from egem.core.metric import Metric
from egem.views import linear
from egem.views.linear import (
    MAX_DIRECTIONS,
    fit_classes,
    fit_linear_expert,
    fit_local_experts,
    n_local_experts,
)
from egem.views.linear_losses import LinearLosses, LinearMetric, log_losses
from egem.views.views import as_batch
from helpers import QUICK, make_waves
from labelled import CHANNELS, CLASSES, STEPS, make_batch

METRICS = [LinearMetric(0.5, 1.0, 1.0)]


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_losses_are_ridge_least_squares_in_the_metric(missing):
    train, test = make_batch(CLASSES), make_batch(CLASSES, 1, missing)
    scatter = class_scatter(train, CLASSES)
    experts = [(fit_linear_expert(train[c == CLASSES]),) for c in range(3)]
    metrics = [LinearMetric(0.3, 0.5, 0.5), LinearMetric(1.0, 3.0, 0.5)]
    found = log_losses(scatter, experts, test, metrics)
    p = test.values[0].size
    spread = scatter.directions * np.sqrt(scatter.variances)
    for m, (shrinkage, ridge, _) in enumerate(metrics):
        sigma = shrinkage * scatter.mean_variance * np.eye(p) + (1 - shrinkage) * spread @ spread.T
        for i in (0, 5, 11):
            seen = test.mask[i].ravel()
            half = np.linalg.cholesky(np.linalg.inv(sigma[np.ix_(seen, seen)])).T
            for c, (each,) in enumerate(experts):
                basis = half @ each.basis[:, seen].T
                target = half @ (test.values[i].ravel() - each.mean)[seen]
                penalty = np.sqrt(ridge * np.sum(basis**2) / 4)
                stacked = np.vstack([basis, penalty * np.eye(4)])
                code, *_ = np.linalg.lstsq(stacked, np.r_[target, np.zeros(4)], rcond=None)
                least = np.sum((stacked @ code - np.r_[target, np.zeros(4)]) ** 2) / seen.sum()
                np.testing.assert_allclose(found[m, i, c], np.log(least), atol=2e-3)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_closed_form_and_search_find_the_same_minimum(float64, missing):
    """The Gauss-Newton search with a linear decoder minimises what the closed form solves."""
    train, test = make_batch(CLASSES), make_batch(CLASSES, 1, missing)
    scatter, experts = class_scatter(train, CLASSES), fit_classes(train, CLASSES)
    metrics = [LinearMetric(0.3, 0.5, 0.5), LinearMetric(1.0, 3.0, 0.5)]
    found = LinearLosses.of(scatter, experts, metrics).log_losses(test)
    decoder = LinearDecoder(STEPS)
    search = jax.jit(partial(invert, decoder, config=SearchConfig(30, prior_weight=1.0)))
    for m, (shrinkage, ridge, _) in enumerate(metrics):
        basis = scatter.directions * np.sqrt((1 - shrinkage) * scatter.variances)
        floor = shrinkage * scatter.mean_variance
        metric = Metric("whitened", basis, floor, 1.0, shrinkage)
        for i in range(test.n_cases):
            seen = test.mask[i].ravel()
            gram = floor * np.eye(basis.shape[1]) + basis[seen].T @ basis[seen]
            targets = Targets(
                jnp.asarray(test.values[i : i + 1], jnp.float64),
                test.mask[i : i + 1],
                np.linalg.inv(np.linalg.cholesky(gram)),
                np.array([float(seen.sum())]),
            )
            sigma = floor * np.eye(len(basis)) + basis @ basis.T
            inverse = np.linalg.inv(sigma[np.ix_(seen, seen)])
            for c, (each,) in enumerate(experts):
                rows = each.basis[:, seen].astype(np.float64)
                precision = ridge * np.trace(rows @ inverse @ rows.T) / len(rows)
                params = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), each.params(CHANNELS))
                k = len(rows)
                expert = Expert(params, np.zeros(k), np.full(k, precision))
                end = search(expert, targets, metric, codes=np.zeros((1, k)))
                np.testing.assert_allclose(np.log(end.at.score[0]), found[m, i, c], atol=1e-5)


def test_many_cases_are_spanned_by_their_principal_directions():
    rng = np.random.default_rng(0)
    for n, p in ((150, 200), (200, 150)):
        plane = rng.normal(size=(n, 3)) @ rng.normal(size=(3, p))
        found = fit_linear_expert(as_batch(plane + 7))
        assert found.basis.shape == (MAX_DIRECTIONS, p)
        mean = plane.mean(axis=0)
        np.testing.assert_allclose(found.mean, mean + 7, atol=1e-4)
        np.testing.assert_allclose(
            found.basis.T @ found.basis, (plane - mean).T @ (plane - mean), atol=1e-2 * n
        )


def two_groups(rng, n):
    """Cases of one class about two far points; the middle between them is none of its cases."""
    far = np.zeros(6)
    far[0] = 10.0
    return np.concatenate([rng.normal(size=(n, 6)) + far, rng.normal(size=(n, 6)) - far])


def test_local_experts_do_not_reach_between_groups_of_cases():
    rng = np.random.default_rng(0)
    cases = as_batch(two_groups(rng, 40))
    scatter = class_scatter(cases, np.repeat([0, 1], 40))
    new = as_batch(np.concatenate([two_groups(rng, 20), 0.1 * rng.normal(size=(20, 6))]))
    local, whole = (
        log_losses(scatter, [fit_local_experts(cases, n)], new, METRICS)[0, :, 0] for n in (2, 1)
    )
    assert local[:40].max() < local[40:].min()
    assert whole[40:].mean() < whole[:40].mean()  # what local experts are for


def test_the_nearest_local_expert_counts():
    rng = np.random.default_rng(1)
    cases, new = as_batch(rng.normal(size=(30, 6))), as_batch(rng.normal(size=(9, 6)))
    scatter = class_scatter(cases, np.zeros(30, int))
    parts = fit_local_experts(cases, 4)
    other = (fit_linear_expert(cases[:3]),)
    together = log_losses(scatter, [parts, other, parts[:1]], new, METRICS)[0]
    alone = log_losses(scatter, [(part,) for part in parts], new, METRICS)[0]
    np.testing.assert_allclose(together[:, 0], alone.min(axis=1))
    np.testing.assert_allclose(together[:, 2], alone[:, 0])
    np.testing.assert_allclose(together[:, 1], log_losses(scatter, [other], new, METRICS)[0, :, 0])


@pytest.mark.parametrize("n", [1, 3, 8, 9])
def test_local_experts_are_of_one_size_and_hold_each_case_once(n):
    rng = np.random.default_rng(4)
    for cases in (rng.normal(size=(8, 3)), np.ones((8, 3))):  # equal cases, too
        found = fit_local_experts(as_batch(cases), n)
        sizes = [len(each.basis) for each in found]  # few cases: a row for each
        assert len(found) == min(n, 8) and sum(sizes) == 8 and max(sizes) - min(sizes) <= 1
        assert all(np.isfinite(each.mean).all() for each in found)


def test_missing_values_count_as_the_mean():
    rng = np.random.default_rng(2)
    cases = as_batch(two_groups(rng, 20))
    cases.mask[::5, 2:4] = False
    cases.values[~cases.mask] = 0.0
    means = sorted(float(each.mean[0]) for each in fit_local_experts(cases, 2))
    assert means[0] < -8 and means[1] > 8


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=20))
def test_classes_of_the_same_size_are_split_alike_and_larger_ones_no_less(counts):
    found = n_local_experts(np.array(counts))
    assert found.min() >= 1
    order = np.argsort(counts)
    assert (np.diff(found[order]) >= 0).all()
    assert len(set(zip(counts, found.tolist(), strict=True))) == len(set(counts))


@pytest.fixture(scope="module")
def split_model():
    """A model whose classes of eight cases are split in two."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear, "CASES_PER_EXPERT", 4)
        patch.setattr(folds, "MAX_CASES", 15)  # so that some are never held out
        return EGEMClassifier(**QUICK).fit(*make_waves(8, seed=4))


def test_a_model_with_local_experts_classifies_and_comes_back_from_a_file(split_model, tmp_path):
    X, y = make_waves(4, seed=5)
    assert {len(local) for of in split_model.model_.linear_experts for local in of} == {2}
    assert split_model.score(X, y) == 1.0
    assert len(split_model.held_out_.truth) <= 15
    split_model.save(tmp_path / "model")
    again = EGEMClassifier.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(X), split_model.predict_proba(X))
