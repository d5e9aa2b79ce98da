"""Hulls against explicit least squares; weights by leaving cases out; representations of a user."""

import numpy as np
import pytest

from egem.calibration.proxy import Imagination
from egem.calibration.temperature import surprise
from egem.calibration.weights import PRIOR_SPREAD, fit_weights, weigh
from egem.ensemble.linear import MOST_HULL_DIRECTIONS, Candidate, hull, log_losses
from egem.ensemble.metric import class_scatter
from egem.ensemble.views import as_batch
from test_calibration import CLASSES, make_batch


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_losses_are_ridge_least_squares_in_the_measure(missing):
    train, test = make_batch(CLASSES), make_batch(CLASSES, 1, missing)
    scatter = class_scatter(train, CLASSES)
    hulls = [(hull(train[c == CLASSES]),) for c in range(3)]
    candidates = [Candidate(0.3, 0.5, 0.5), Candidate(1.0, 3.0, 0.5)]
    found = log_losses(scatter, hulls, test, candidates)
    p = test.values[0].size
    spread = scatter.directions * np.sqrt(scatter.variances)
    for m, (shrinkage, ridge, _) in enumerate(candidates):
        sigma = shrinkage * scatter.mean_variance * np.eye(p) + (1 - shrinkage) * spread @ spread.T
        for i in (0, 5, 11):
            seen = test.mask[i].ravel()
            half = np.linalg.cholesky(np.linalg.inv(sigma[np.ix_(seen, seen)])).T
            for c, (each,) in enumerate(hulls):
                basis = half @ each.basis[:, seen].T
                target = half @ (test.values[i].ravel() - each.mean)[seen]
                price = np.sqrt(ridge * np.sum(basis**2) / 4)
                stacked = np.vstack([basis, price * np.eye(4)])
                share, *_ = np.linalg.lstsq(stacked, np.r_[target, np.zeros(4)], rcond=None)
                least = np.sum((stacked @ share - np.r_[target, np.zeros(4)]) ** 2) / seen.sum()
                np.testing.assert_allclose(found[m, i, c], np.log(least), atol=2e-3)


def test_many_cases_are_spanned_by_their_principal_directions():
    rng = np.random.default_rng(0)
    for n, p in ((150, 200), (200, 150)):
        plane = rng.normal(size=(n, 3)) @ rng.normal(size=(3, p))
        found = hull(as_batch(plane + 7))
        assert found.basis.shape == (MOST_HULL_DIRECTIONS, p)
        mean = plane.mean(axis=0)
        np.testing.assert_allclose(found.mean, mean + 7, atol=1e-4)
        np.testing.assert_allclose(
            found.basis.T @ found.basis, (plane - mean).T @ (plane - mean), atol=1e-2 * n
        )


def test_the_space_that_tells_classes_apart_gets_the_weight():
    rng = np.random.default_rng(0)
    classes = np.repeat(np.arange(5), 6)
    telling = as_batch(rng.normal(size=(5, 8))[classes] + 0.3 * rng.normal(size=(30, 8)))
    empty = as_batch(rng.normal(size=(30, 8)))
    found = {
        space.name: space for space in weigh({"raw": empty, "own": telling}, classes, None).spaces
    }
    assert found["own"].weight > 5 * found["raw"].weight
    for space in found.values():
        assert np.isclose(sum(c.share for c in space.candidates), 1.0)


def test_weights_are_where_the_surprise_is_least():
    rng = np.random.default_rng(1)
    truth = rng.integers(4, size=80)
    losses = [rng.normal(size=(80, 4)) - np.eye(4)[truth] * gain for gain in (1.0, 0.5)]

    def improbability(weights):
        energies = sum(w * x for w, x in zip(weights, losses, strict=True))
        unlikely = np.sum((np.log(weights / prior) / PRIOR_SPREAD) ** 2) / 2
        return 80 * surprise(energies, truth) + unlikely

    prior = np.array([3.0, 1.0])
    best = fit_weights(losses, truth, prior)
    for factor in (0.9, 1.1):
        for i in range(2):
            other = best.copy()
            other[i] *= factor
            assert improbability(other) > improbability(best)


def test_with_one_case_a_class_nothing_is_chosen():
    batch = make_batch(np.arange(3))
    found = weigh({"raw": batch}, np.arange(3), Imagination("none", 6, 0.5))
    (space,) = found.spaces
    assert len(space.candidates) == 1 and space.weight > 0 and found.imagined > 0
    assert not found.log_losses
    losses = space.log_losses([(hull(batch[[c]]),) for c in range(3)], batch)
    assert (losses.argmin(axis=1) == np.arange(3)).all()
