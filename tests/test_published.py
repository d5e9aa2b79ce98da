"""The paper's training and search, step by step."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

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
from egem import EGEMClassifier, LSTMDecoder
from egem.core.config import TrainingConfig
from egem.core.training import loss as training_loss
from egem.ensemble.codes import Recipe
from egem.ensemble.published import on_simplex, published_adam, search_published
from helpers import make_waves
from test_training import make_batch as make_class
from test_training import train_on


def published(n_updates, rate=0.01, noise=(0.0, 0.0)):
    """The paper's training, on fewer cells."""
    config = TrainingConfig(n_updates, 1, rate, False, None, *noise, clip_codes=True)
    return Recipe(LSTMDecoder(4, "published"), config, "none", False, "one-hot")


def test_the_published_settings_have_the_papers_constants():
    X, y = make_waves(2, seed=3)
    clf = EGEMClassifier.paper("characters", noise=(0.1, 0.0002), random_state=0)
    assert clf.decoder == LSTMDecoder(10, "published") and clf.training.n_updates == 40_000
    settings = clf.set_params(training__n_updates=1, align="start").fit(X, y).model_.settings
    assert settings.recipe == Recipe(
        decoder=LSTMDecoder(10, "published"),
        config=TrainingConfig(
            n_updates=1,
            batch_size=1,
            learning_rate=0.01,
            cosine=False,
            clip=None,
            code_noise=0.1,
            value_noise=0.0002,
            clip_codes=True,
        ),
        augmentation="none",
        mixup=False,
        codes="one-hot",
        code_size=settings.recipe.code_size,
    )


def test_published_codes_are_one_hot_however_many():
    (expert,) = train_on([make_class(9, 0)], ["a"], published(0))
    rows = expert.codes[np.argsort(expert.codes.argmax(axis=1))]
    np.testing.assert_array_equal(rows, np.eye(9))
    assert expert.n_warps == 0 and np.abs(expert.params.w_rec).max() <= 0.5


def test_published_training_is_plain_adam():
    """With a single case every step takes the same pair, so the steps can be retraced."""
    batch, n_updates, rate = make_class(1, 0), 20, 0.01

    def trained(n):
        return train_on([batch], ["a"], published(n, rate))[0]

    start, end = trained(0), trained(n_updates)
    flat, unflat = ravel_pytree(jax.tree.map(jnp.asarray, start.params))
    gradient = jax.jit(
        jax.grad(
            lambda p: training_loss(
                LSTMDecoder(4), unflat(p), jnp.asarray(start.codes), batch.values, batch.mask
            )
        )
    )
    p, m, v = np.asarray(flat, np.float64), np.zeros(len(flat)), np.zeros(len(flat))
    for t in range(1, n_updates + 1):
        g = np.asarray(gradient(jnp.asarray(p, jnp.float32)), np.float64)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        p -= rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    assert np.abs(p - flat).max() > 0.1
    np.testing.assert_allclose(ravel_pytree(end.params)[0], p, atol=1e-4)


def test_published_training_keeps_the_weights_of_the_lowest_loss():
    """At this rate the loss jumps; the loss kept never gets worse with more updates."""
    batches = [make_class(3, seed) for seed in range(4)]

    def losses(n_updates: int) -> list[float]:
        recipe = published(n_updates, 0.3)
        return [expert.loss for expert in train_on(batches, list("abcd"), recipe)]

    kept = np.array([losses(n) for n in (100, 300, 700)])
    assert (np.diff(kept, axis=0) <= 0).all()
    assert (kept[-1] < kept[0]).any()


@pytest.mark.parametrize("noise", [(0.2, 0.0), (0.0, 0.2)])
def test_each_noise_changes_the_training(noise):
    batch = make_class(1, 0)
    quiet, noisy = (
        train_on([batch], ["a"], published(20, noise=sds))[0] for sds in ((0.0, 0.0), noise)
    )
    assert np.isfinite(noisy.loss) and abs(noisy.loss - quiet.loss) > 1e-6


# --------------------------------------------------- the search


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
