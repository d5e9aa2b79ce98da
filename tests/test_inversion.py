"""Searches for codes: right gradients, never worse than their start, and the paper's steps."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from egem.decoder import decode, init_default
from egem.inversion import (
    TOLERANCE,
    Searcher,
    Targets,
    _linearise,
    class_index,
    inversion_losses,
    levenberg_marquardt,
    levenberg_marquardt_on,
    on_simplex,
    open_books,
    published_adam,
)
from egem.metric import bind, class_scatter, mse, whitened
from egem.prepare import Batch

K, H, C, T = 3, 5, 2, 12
P = T * C
E, N, BOOK = 2, 6, 8
STRENGTH = 0.05


def make_metric(name):
    rng = np.random.default_rng(4)
    values = rng.normal(size=(12, T, C)).cumsum(axis=1).astype(np.float32)
    scatter = class_scatter(Batch(values, np.ones(values.shape, bool)), np.repeat([0, 1, 2], 4))
    return mse(scatter, P) if name == "mse" else whitened(scatter, P, 0.2)


def make_searchers(precision=1.0):
    keys = jax.random.split(jax.random.PRNGKey(0), E)
    experts = jax.vmap(lambda key: init_default(key, K, H, C))(keys)
    rng = np.random.default_rng(1)
    book = rng.normal(size=(E, BOOK, K)).astype(np.float32)
    mean = rng.normal(size=(E, K)).astype(np.float32)
    return open_books(experts, mean, np.full((E, K), precision, np.float32), book, n_steps=T)


def make_targets(metric, values=None, missing=0.0):
    rng = np.random.default_rng(2)
    if values is None:
        values = 0.3 * rng.normal(size=(N, T, C)).cumsum(axis=1)
    mask = rng.random(values.shape) >= missing
    weights = bind(metric, mask)
    return Targets(
        np.where(mask, values, 0).reshape(len(values), -1).astype(np.float32),
        mask.reshape(len(values), -1),
        weights.factors[weights.pattern],
        weights.n_observed,
    )


def doubled(tree):
    return jax.tree.map(
        lambda a: jnp.asarray(a, bool if np.asarray(a).dtype == bool else jnp.float64), tree
    )


def one(tree, i):
    return jax.tree.map(lambda a: a[i], tree)


def inversion_loss(expert, code, target, metric):
    """Loss of one code against one target: the batched one, of a batch of one."""
    return inversion_losses(expert, code[None], jax.tree.map(lambda a: a[None], target), metric)[0]


def linearise(searcher, target, metric, strength, code):
    whole = _linearise(
        searcher, jax.tree.map(lambda a: a[None], target), metric, strength, code[None]
    )
    return one(whole, 0)


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("name", ["mse", "whitened"])
def test_gradient_agrees_with_central_differences(float64, name, missing):
    metric = make_metric(name)
    searcher = one(doubled(make_searchers()), 0)
    target = one(doubled(make_targets(metric, missing=missing)), 0)
    metric = replace(metric, basis=jnp.asarray(metric.basis, jnp.float64))
    loss = jax.jit(lambda z: inversion_loss(searcher.expert, z, target, metric))
    code, h = jnp.asarray([0.4, -0.7, 1.1]), 1e-5
    numeric = np.array([(loss(code + e) - loss(code - e)) / (2 * h) for e in h * jnp.eye(K)])
    gradient = jax.grad(loss)(code)
    assert gradient.dtype == jnp.float64 and np.abs(numeric).max() > 1e-3
    assert np.linalg.norm(gradient - numeric) < 1e-6 * np.linalg.norm(numeric)

    # and what Levenberg-Marquardt works with is half of it, prior included
    at = jax.jit(partial(linearise, searcher, target, metric, STRENGTH))(code)
    unit = metric.noise / target.n_observed
    away = code - searcher.code_mean
    np.testing.assert_allclose(at.loss, loss(code), rtol=1e-10)
    np.testing.assert_allclose(at.prior, STRENGTH * unit * jnp.sum(away**2), rtol=1e-10)
    np.testing.assert_allclose(2 * at.gradient, numeric + 2 * STRENGTH * unit * away, rtol=1e-6)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_curvature_is_gauss_and_newtons(float64, missing):
    metric = make_metric("whitened")
    searcher = one(doubled(make_searchers()), 0)
    target = one(doubled(make_targets(metric, missing=missing)), 0)
    metric = replace(metric, basis=jnp.asarray(metric.basis, jnp.float64))
    code = jnp.asarray([0.4, -0.7, 1.1])
    at = linearise(searcher, target, metric, 0.0, code)
    jacobian = jax.jacrev(lambda z: decode(searcher.expert, z[None], T).ravel())(code)
    seen = np.asarray(target.mask)
    sigma = metric.floor * np.eye(P) + np.asarray(metric.basis @ metric.basis.T)
    whitener = np.linalg.inv(sigma[np.ix_(seen, seen)])
    expected = jacobian[seen].T @ whitener @ jacobian[seen] / seen.sum()
    np.testing.assert_allclose(at.curvature, expected, rtol=1e-5)


@pytest.fixture(scope="module", params=["mse", "whitened"])
def searched(request):
    """Searchers, targets and metric with what was found after 0, 2 and 60 steps."""
    metric = make_metric(request.param)
    searchers, targets = make_searchers(), make_targets(metric, missing=0.2)
    search = partial(levenberg_marquardt, searchers, targets, metric, STRENGTH)
    return searchers, targets, metric, {n: search(max_steps=n) for n in (0, 2, 60)}


def test_search_starts_at_the_best_of_the_book(searched):
    searchers, targets, metric, found = searched
    book_losses = jax.jit(
        lambda s, t: jax.vmap(lambda z: inversion_loss(s.expert, z, t, metric))(s.book)
    )
    for e in range(E):
        for n in range(N):
            s, t = one(searchers, e), one(targets, n)
            away = np.sum((s.book - s.code_mean) ** 2, axis=1)
            scores = book_losses(s, t) + STRENGTH * metric.noise / t.n_observed * away
            np.testing.assert_array_equal(found[0].codes[e, n], s.book[scores.argmin()])
            start = found[0].losses[e, n] + found[0].priors[e, n]
            np.testing.assert_allclose(start, scores.min(), rtol=1e-4)
    assert (found[0].n_steps == 0).all() and not found[0].converged.any()


def test_more_steps_are_never_worse(searched):
    *_, found = searched
    scores = [np.asarray(found[n].losses + found[n].priors) for n in (0, 2, 60)]
    assert (scores[1] <= scores[0]).all() and (scores[1] < scores[0]).mean() > 0.5
    assert (scores[2] <= scores[1]).all() and (scores[2] < scores[1]).any()


def test_losses_and_priors_are_those_of_the_codes_returned(searched):
    searchers, targets, metric, found = searched
    grid = jax.vmap(
        jax.vmap(lambda s, t, z: inversion_loss(s.expert, z, t, metric), (None, 0, 0)), (0, None, 0)
    )
    for f in found.values():
        np.testing.assert_allclose(f.losses, grid(searchers, targets, f.codes), rtol=1e-4)
        away = np.sum((f.codes - searchers.code_mean[:, None]) ** 2, axis=-1)
        expected = STRENGTH * metric.noise / targets.n_observed * away
        np.testing.assert_allclose(f.priors, expected, rtol=1e-4, atol=1e-7)


def test_converged_means_at_rest_and_unconverged_means_out_of_steps(searched):
    searchers, targets, metric, found = searched
    for max_steps, f in found.items():
        assert (f.n_steps <= max_steps).all()
        assert (np.asarray(f.n_steps)[~np.asarray(f.converged)] == max_steps).all()
    assert not found[2].converged.all()
    end = found[60]
    assert end.converged.all() and (end.n_steps < 60).any()

    @jax.jit
    @jax.vmap
    def score(z, s, t):
        unit = metric.noise / t.n_observed
        prior = STRENGTH * unit * jnp.sum((z - s.code_mean) ** 2)
        return inversion_loss(s.expert, z, t, metric) + prior

    # Around where it came to rest no small move lowers the score by much.
    of_e, of_n = np.divmod(np.arange(E * N), N)
    s, t, rest = one(searchers, of_e), one(targets, of_n), (end.losses + end.priors).ravel()
    for move in 0.01 * np.concatenate([np.eye(K), -np.eye(K)]).astype(np.float32):
        moved = score(end.codes.reshape(-1, K) + move, s, t)
        assert (moved > rest * (1 - 3 * TOLERANCE)).all()


def test_going_on_is_the_same_as_never_having_stopped(searched):
    searchers, targets, metric, found = searched
    begun, straight = found[2], found[60]
    end = levenberg_marquardt_on(searchers, targets, metric, STRENGTH, begun, max_steps=58)
    np.testing.assert_allclose(end.losses, straight.losses, rtol=5e-3)
    np.testing.assert_allclose(end.codes, straight.codes, atol=0.05)
    np.testing.assert_array_equal(end.converged, straight.converged)
    assert (np.asarray(end.n_steps) >= np.asarray(begun.n_steps)).all()
    rested = np.asarray(begun.converged)
    np.testing.assert_array_equal(np.asarray(end.codes)[rested], np.asarray(begun.codes)[rested])


def test_cases_that_miss_the_same_may_share_a_factor():
    metric, searchers = make_metric("whitened"), make_searchers()
    targets = make_targets(metric)
    shared = targets._replace(factor=targets.factor[0])
    each, together = (
        levenberg_marquardt(searchers, t, metric, STRENGTH, max_steps=20) for t in (targets, shared)
    )
    np.testing.assert_allclose(each.losses, together.losses, rtol=1e-3)
    np.testing.assert_array_equal(each.converged, together.converged)


def test_a_sequence_of_its_own_is_recovered_with_its_code():
    metric, searchers = make_metric("mse"), make_searchers()
    codes = np.random.default_rng(7).normal(size=(N, K)).astype(np.float32)
    own = decode(one(searchers, 0).expert, codes, T)
    found = levenberg_marquardt(
        searchers, make_targets(metric, np.asarray(own)), metric, 0.0, max_steps=60
    )
    assert (found.losses[0] < 1e-6 * np.mean(own**2)).mean() > 0.8
    best = np.asarray(found.losses[0]) < 1e-6
    np.testing.assert_allclose(found.codes[0][best], codes[best], atol=0.02)
    assert (found.losses[1] > 10 * found.losses[0])[best].all()  # the other expert cannot


def test_a_strong_prior_holds_codes_at_the_mean():
    metric, searchers = make_metric("mse"), make_searchers()
    targets = make_targets(metric)
    ends = [
        levenberg_marquardt(searchers, targets, metric, strength, max_steps=60)
        for strength in (0.0, STRENGTH, 1e6)
    ]
    away = [np.abs(f.codes - searchers.code_mean[:, None]).max() for f in ends]
    assert away[2] < 1e-2 < 0.5 < away[1]
    free, held, fixed = (np.asarray(f.losses).mean() for f in ends)
    assert free < held < fixed


@jax.jit
def plain_loss(expert, z, values):
    return jnp.mean((decode(expert, z[None], T)[0] - values) ** 2)


plain_gradient = jax.jit(jax.grad(plain_loss, argnums=1))


def retraced(expert, values, key, n_iterations):
    """The paper's search, step by step, for one expert and one target."""
    z = 1 / K + 0.005 * np.asarray(jax.random.uniform(key, (K,), minval=-1.0), np.float64)
    assert np.abs(z - 1 / K).max() <= 0.005
    m = v = np.zeros(K)
    for _ in range(n_iterations):
        z = np.clip(z, 0, 1)
        z = z / z.sum()
        g = np.asarray(plain_gradient(expert, np.float32(z), values), np.float64)
        m = 0.9 * m + 0.1 * g
        v = 0.99 * v + 0.01 * g**2
        z = z - 0.05 * m / (np.sqrt(v) + 1e-8)
    clipped = np.clip(z, 0, 1)
    return plain_loss(expert, np.float32(z), values), clipped / clipped.sum()


@pytest.mark.parametrize("n_iterations", [0, 50])
def test_published_search_step_by_step(n_iterations):
    metric, searchers = make_metric("mse"), make_searchers()
    targets = make_targets(metric)
    keys = jax.random.split(jax.random.PRNGKey(3), (E, N))
    found = published_adam(searchers, targets, metric, keys, n_iterations)
    for e in range(E):
        for n in range(N):
            values = targets.values[n].reshape(T, C)
            expert = one(searchers, e).expert
            loss, code = retraced(expert, values, keys[e, n], n_iterations)
            np.testing.assert_allclose(found.losses[e, n], loss, rtol=1e-4)
            np.testing.assert_allclose(found.codes[e, n], code, atol=1e-4)
    assert (found.n_steps == n_iterations).all() and (found.priors == 0).all()


def test_the_simplex_survives_codes_with_nothing_positive():
    z = jnp.asarray([[2.0, 0.5, -1.0], [-1.0, -2.0, -3.0]])
    np.testing.assert_allclose(on_simplex(z), [[2 / 3, 1 / 3, 0], [0, 0, 0]], atol=1e-6)


def test_an_unknown_label_is_told_the_known_ones():
    assert class_index(np.array(["a", "b"]), "b") == 1
    with pytest.raises(ValueError, match=r"label 'q' is not a class.*'a', 'b'"):
        class_index(np.array(["a", "b"]), "q")


def test_a_searcher_knows_its_decoded_book():
    searchers = make_searchers()
    assert isinstance(searchers, Searcher) and searchers.book_values.shape == (E, BOOK, P)
    again = decode(one(searchers, 1).expert, searchers.book[1], T).reshape(BOOK, -1)
    np.testing.assert_allclose(searchers.book_values[1], again, atol=1e-6)
