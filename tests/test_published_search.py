"""The paper's search, step by step."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from banks import (
    DECODER,
    N_CASES,
    N_EXPERTS,
    K,
    T,
    bank_of,
    make_bank,
    make_batch,
    make_metric,
    make_targets,
    make_trained,
    one,
)
from egem.ensemble.published import on_simplex, published_adam, search_published


@jax.jit
def plain_loss(params, z, values):
    return jnp.mean((DECODER.decode(params, z, T) - values) ** 2)


plain_gradient = jax.jit(jax.grad(plain_loss, argnums=1))


def retraced(params, values, key, n_iterations):
    """The paper's search for one expert and one case."""
    z = 1 / K + 0.005 * np.asarray(jax.random.uniform(key, (K,), minval=-1.0), np.float64)
    assert np.abs(z - 1 / K).max() <= 0.005
    m = v = np.zeros(K)
    for _ in range(n_iterations):
        z = np.clip(z, 0, 1)
        z = z / z.sum()
        g = np.asarray(plain_gradient(params, np.float32(z), values), np.float64)
        m = 0.9 * m + 0.1 * g
        v = 0.99 * v + 0.01 * g**2
        z = z - 0.05 * m / (np.sqrt(v) + 1e-8)
    clipped = np.clip(z, 0, 1)
    return plain_loss(params, np.float32(z), values), clipped / clipped.sum()


@pytest.mark.parametrize("n_iterations", [0, 50])
def test_the_published_search_step_by_step(n_iterations):
    metric = make_metric("mse")
    params, targets = make_bank(metric).groups[0].experts.params, make_targets(metric)
    keys = jax.random.split(jax.random.PRNGKey(3), (N_EXPERTS, N_CASES))
    every = jax.tree.map(lambda a: np.broadcast_to(a, (N_EXPERTS, *a.shape)), targets)
    found = published_adam(DECODER, params, every, metric, keys, n_iterations, K)
    for e in range(N_EXPERTS):
        for n in range(N_CASES):
            loss, code = retraced(one(params, e), targets.values[n], keys[e, n], n_iterations)
            np.testing.assert_allclose(found.losses[e, n], loss, rtol=1e-4)
            np.testing.assert_allclose(found.codes[e, n], code, atol=1e-4)


def test_random_starts_depend_on_nothing_but_seed_label_and_case():
    metric, batch, zero = make_metric("mse"), make_batch(), np.zeros(K, np.float32)
    codes = np.eye(K, dtype=np.float32)
    experts = [make_trained(jax.random.PRNGKey(e), codes, zero) for e in range(3)]
    search = partial(search_published, n_jobs=1, advance=lambda _: None)

    def found(of, cases, seed=0):
        labels = np.array(["a", "b", "c"])[of]
        bank = bank_of([experts[e] for e in of], metric, 0.0, max_steps=3)
        return search(bank, batch[cases], labels=labels, seed=seed)

    whole, part = found([0, 1, 2], [0, 1, 2, 3]), found([2, 0], [3, 1])
    np.testing.assert_array_equal(part.codes, whole.codes[[3, 1]][:, [2, 0]])
    np.testing.assert_array_equal(part.losses, whole.losses[[3, 1]][:, [2, 0]])
    assert (found([0], [0], seed=1).codes != whole.codes[:1, :1]).any()
    assert (whole.priors == 0).all() and whole.converged.all() and (whole.n_steps == 3).all()


def test_the_simplex_survives_codes_with_nothing_positive():
    z = jnp.asarray([[2.0, 0.5, -1.0], [-1.0, -2.0, -3.0]])
    np.testing.assert_allclose(on_simplex(z), [[2 / 3, 1 / 3, 0], [0, 0, 0]], atol=1e-6)
