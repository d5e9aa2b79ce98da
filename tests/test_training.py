"""Training: right gradients, and independence of the other classes."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from egem import LSTMDecoder, TrainingDiverged
from egem.core.config import TrainingConfig
from egem.core.training import loss as training_loss
from egem.data.preparation import Batch
from egem.ensemble import training
from egem.ensemble.codes import MAX_ONE_HOT, MIN_SPREAD, ONE_HOT_PRECISION, Recipe, case_codes
from egem.ensemble.training import train

STEPS, CHANNELS = 12, 2
DECODER = LSTMDecoder(4)
QUICK = Recipe(DECODER, TrainingConfig(n_updates=30), "series")
PLAIN = Recipe(DECODER, TrainingConfig(n_updates=300), "none", mixup=False)


def with_config(recipe, **changes):
    return replace(recipe, config=replace(recipe.config, **changes))


def make_batch(n_cases, seed, missing=False):
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 6, size=(n_cases, 1, CHANNELS))
    values = np.sin(np.linspace(0, 6, STEPS)[:, None] + phase).astype(np.float32)
    mask = np.ones(values.shape, bool)
    if missing:
        mask = rng.random(values.shape) < 0.8
        mask[:, 0] = True
    return Batch(np.where(mask, values, 0), mask)


def train_on(batches, labels, recipe=QUICK, seed=0, n_jobs=1):
    return train(batches, labels, recipe, STEPS, seed, n_jobs, lambda _: None)


def assert_same(a, b):
    leaves, others = jax.tree.leaves(a), jax.tree.leaves(b)
    assert len(leaves) == len(others) > 8
    for leaf, other in zip(leaves, others, strict=True):
        np.testing.assert_array_equal(leaf, other)


@pytest.mark.parametrize("missing", [False, True])
def test_gradient_agrees_with_central_differences(float64, missing):
    batch = make_batch(3, 0, missing)
    values, mask = jnp.asarray(batch.values, jnp.float64), jnp.asarray(batch.mask)
    start = DECODER.init(jax.random.PRNGKey(0), 3, CHANNELS)
    codes = jax.random.uniform(jax.random.PRNGKey(1), (3, 3), jnp.float64)
    start = jax.tree.map(lambda a: a.astype(jnp.float64), start)
    flat, unflat = ravel_pytree((start, codes))

    def loss(parameters):
        params, codes = unflat(parameters)
        return training_loss(DECODER, params, codes, values, mask)

    h = 1e-5
    nudges = h * jnp.eye(len(flat))
    losses = jax.jit(jax.vmap(loss))
    numeric = (losses(flat + nudges) - losses(flat - nudges)) / (2 * h)
    gradient = jax.jit(jax.grad(loss))(flat)
    assert np.abs(numeric).max() > 0.1
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-6 * np.abs(numeric).max())
    assert np.linalg.norm(gradient - numeric) < 1e-6 * np.linalg.norm(numeric)


def test_loss_is_the_mean_square_over_what_is_observed():
    batch = make_batch(3, 0, missing=True)
    params = DECODER.init(jax.random.PRNGKey(0), 3, CHANNELS)
    error = np.asarray(DECODER.decode_batch(params, jnp.eye(3), STEPS)) - batch.values
    poisoned = np.where(batch.mask, batch.values, 1e6)  # what is missing must not count
    loss = training_loss(DECODER, params, jnp.eye(3), poisoned, batch.mask)
    np.testing.assert_allclose(loss, np.mean(error[batch.mask] ** 2), rtol=1e-5)


@pytest.fixture(scope="module")
def together():
    """Four classes of 1 to 9 cases, trained together."""
    sizes = [4, 1, 3, 9]
    batches = [make_batch(n, seed) for seed, n in enumerate(sizes)]
    labels = ["a", "b", "c", "d"]
    return batches, labels, train_on(batches, labels)


@pytest.mark.parametrize("i", range(4))
def test_an_expert_trained_alone_is_the_same(together, i):
    batches, labels, trained = together
    (alone,) = train_on([batches[i]], [labels[i]])
    assert_same(alone, trained[i])


def test_the_order_of_classes_and_the_threads_change_nothing(together):
    batches, labels, trained = together
    order = [3, 0, 1, 2]
    shuffled = train_on([batches[i] for i in order], [labels[i] for i in order], n_jobs=2)
    for i, expert in zip(order, shuffled, strict=True):
        assert_same(expert, trained[i])


@pytest.mark.parametrize("i", [0, 3])
def test_the_order_of_cases_changes_nothing(together, i):
    batches, labels, trained = together
    order = np.random.default_rng(5).permutation(batches[i].n_cases)
    (expert,) = train_on([batches[i][order]], [labels[i]])
    assert_same(expert, trained[i]._replace(codes=trained[i].codes[order]))


def test_label_and_seed_decide_the_draw(together):
    batches, labels, trained = together
    for label, seed in (("other", 0), (labels[0], 1)):
        (expert,) = train_on([batches[0]], [label], seed=seed)
        assert not (expert.params.w_out == trained[0].params.w_out).any()


def test_training_lowers_the_loss_it_reports():
    batch = make_batch(4, 0)
    before, after = (train_on([batch], ["a"], with_config(PLAIN, n_updates=n))[0] for n in (0, 300))
    for expert in (before, after):
        decoded = DECODER.decode_batch(expert.params, jnp.asarray(expert.codes), STEPS)
        np.testing.assert_allclose(expert.loss, np.mean((decoded - batch.values) ** 2), rtol=1e-5)
    assert after.loss < 0.2 * before.loss


def test_up_to_eight_cases_have_one_hot_codes_and_more_learn_theirs(together):
    codes, learned = case_codes(make_batch(MAX_ONE_HOT, 0), Recipe())
    assert not learned and (codes == np.eye(8)).all()
    batches, _, trained = together
    rows = trained[0].codes[np.argsort(trained[0].codes.argmax(axis=1)), :4]
    np.testing.assert_array_equal(rows, np.eye(4))  # training left them alone
    first, learned = case_codes(batches[3], Recipe())
    assert learned and first.shape == (9, 8)
    moved = np.abs(np.sort(trained[3].codes[:, :8], axis=0) - np.sort(first, axis=0)).max()
    assert 0.01 < moved < 2  # learned, from where principal components put them


@pytest.mark.parametrize("codes", ["one-hot", "learned"])
def test_codes_are_of_the_kind_asked_for_whatever_the_number_of_cases(codes):
    recipe = replace(with_config(PLAIN, n_updates=20), codes=codes, code_size=5)
    few, many = train_on([make_batch(4, 0), make_batch(12, 1)], ["a", "b"], recipe)
    for expert, n in ((few, 4), (many, 12)):
        table = expert.codes[:, : len(expert.code_mean) - expert.n_warps]
        if codes == "one-hot":
            assert (np.sort(table.sum(axis=1)) == 1).all() and (table.max(axis=1) == 1).all()
            assert (expert.code_precision[: table.shape[1]] == ONE_HOT_PRECISION).all()
        else:
            assert table.shape == (n, 5)
            spread = np.maximum(table.std(axis=0), MIN_SPREAD)
            np.testing.assert_allclose(expert.code_precision[:5], spread**-2, rtol=1e-3)


def test_first_codes_are_standardised_principal_components():
    batch = make_batch(20, 3)
    codes, _ = case_codes(batch, Recipe())
    flat = batch.values.reshape(20, -1)
    flat = flat - flat.mean(axis=0)
    spread = np.linalg.svd(flat, compute_uv=False)
    used = spread[:8] > 1e-6 * spread[0]
    np.testing.assert_allclose(
        codes[:, used].T @ codes[:, used], 20 * np.eye(used.sum()), atol=1e-3
    )
    basis, *_ = np.linalg.lstsq(codes, flat, rcond=None)
    explained = np.sum((codes @ basis) ** 2)
    np.testing.assert_allclose(explained, np.sum(spread[:8] ** 2), rtol=1e-4)


def test_codes_of_deformed_cases_end_in_coordinates_of_the_deformation(together):
    batches, _, trained = together
    for batch, expert in zip(batches, trained, strict=True):
        n_warps = 4  # of the augmentation "series"
        assert expert.n_warps == n_warps
        assert (expert.codes[:, -n_warps:] == 0).all()  # the cases themselves are not deformed
        np.testing.assert_allclose(expert.code_mean, expert.codes.mean(axis=0), atol=1e-6)
        assert expert.codebook.shape[1] == expert.codes.shape[1]
        shown = {tuple(row) for row in expert.codebook.round(5).tolist()}
        assert {tuple(row) for row in expert.codes.round(5).tolist()} <= shown
        assert len(shown) > 2 * batch.n_cases


# With this rate a single step lands near the largest float32 whose square is finite.
BRINK = with_config(PLAIN, n_updates=1, learning_rate=7e17, cosine=False)


def test_a_diverged_expert_starts_anew_from_another_seed(monkeypatch):
    batches = [make_batch(3, seed) for seed in range(6)]
    labels = list("abcdef")
    experts = train_on(batches, labels, BRINK)
    assert all(np.isfinite(e.loss) for e in experts)
    monkeypatch.setattr(training, "ATTEMPTS", 1)
    retrained = []
    for batch, label, expert in zip(batches, labels, experts, strict=True):
        try:
            (alone,) = train_on([batch], [label], BRINK)
        except TrainingDiverged:
            retrained.append(label)
        else:
            assert_same(alone, expert)
    assert 0 < len(retrained) < len(labels)


def test_divergence_names_the_class_and_the_remedy():
    hopeless = with_config(BRINK, learning_rate=1e30)
    with pytest.raises(TrainingDiverged, match=r"class 'zulu'.*3 starting.*learning_rate .*1e\+30"):
        train_on([make_batch(3, 0)], ["zulu"], hopeless)


def test_few_programs_serve_every_number_of_cases(caplog):
    def compiled_for(*sizes, recipe=QUICK):
        caplog.clear()
        with jax.log_compiles():
            for n_cases in sizes:
                train_on([make_batch(n_cases, 0)], [n_cases], recipe)
        return len([r for r in caplog.records if r.getMessage().startswith("Compiling")])

    compiled_for(4, 8)
    assert compiled_for(1, 2, 3, 5, 6, 7) == 0
    assert compiled_for(4, recipe=replace(QUICK, decoder=LSTMDecoder(3))) > 0
