"""The expert against an LSTM written from the equations, and how it is drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from egem.ensemble.decoder import Expert, decode, init_default, init_published

K, H, C, T = 3, 5, 2, 17


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def lstm_in_numpy(w_ih, w_hh, b_ih, b_hh, w_out, b_out, code, n_steps):
    """One LSTM layer with PyTorch's weights (4h, inputs) and gate order i, f, g, o."""
    n_cells = w_hh.shape[1]
    h, c = np.zeros(n_cells), np.zeros(n_cells)
    outputs = []
    for t in range(n_steps):
        x = code if t == 0 else np.zeros_like(code)
        gates = w_ih @ x + b_ih + w_hh @ h + b_hh
        i, f, g, o = (gates[j * n_cells : (j + 1) * n_cells] for j in range(4))
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(w_out @ h + b_out)
    return np.array(outputs)


@pytest.mark.parametrize("seed", range(3))
def test_decodes_like_an_independent_lstm(float64, seed):
    rng = np.random.default_rng(seed)
    w_ih, w_hh = rng.normal(size=(4 * H, K)), rng.normal(size=(4 * H, H))
    b_ih, b_hh = rng.normal(size=(2, 4 * H))
    w_out, b_out = rng.normal(size=(C, H)), rng.normal(size=C)
    codes = rng.normal(size=(4, K))
    expert = Expert(w_ih.T, b_ih, w_hh.T, b_hh, w_out.T, b_out)
    imagined = decode(jax.tree.map(jnp.asarray, expert), jnp.asarray(codes), T)
    assert imagined.shape == (4, T, C) and imagined.dtype == jnp.float64
    expected = [lstm_in_numpy(w_ih, w_hh, b_ih, b_hh, w_out, b_out, z, T) for z in codes]
    np.testing.assert_allclose(imagined, expected, rtol=0, atol=1e-10)


def test_a_longer_sequence_begins_like_a_shorter_one():
    expert = init_default(jax.random.PRNGKey(0), K, H, C)
    codes = jnp.eye(K)
    longer, shorter = decode(expert, codes, T), decode(expert, codes, 6)
    np.testing.assert_allclose(longer[:, :6], shorter, rtol=0, atol=1e-6)


def test_a_code_decodes_alike_in_any_batch(float64):
    expert = jax.tree.map(
        lambda a: a.astype(jnp.float64), init_default(jax.random.PRNGKey(1), K, H, C)
    )
    codes = jax.random.normal(jax.random.PRNGKey(2), (9, K), jnp.float64)
    together = decode(expert, codes, T)
    alone = jnp.concatenate([decode(expert, z[None], T) for z in codes])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-13)
    order = np.random.default_rng(0).permutation(9)
    np.testing.assert_allclose(decode(expert, codes[order], T), together[order], rtol=0, atol=1e-13)


def test_an_ensemble_is_a_leading_axis():
    experts = [init_default(jax.random.PRNGKey(i), K, H, C) for i in range(3)]
    stacked = jax.tree.map(lambda *a: jnp.stack(a), *experts)
    codes = jax.random.normal(jax.random.PRNGKey(9), (3, 4, K))
    together = jax.vmap(lambda e, z: decode(e, z, T))(stacked, codes)
    for expert, z, imagined in zip(experts, codes, together, strict=True):
        np.testing.assert_allclose(imagined, decode(expert, z, T), atol=1e-6)


def test_the_published_start_is_uniform_within_pytorchs_bound():
    n_cells = 16
    expert = init_published(jax.random.PRNGKey(0), 4, n_cells, 2)
    assert expert.w_code.shape == (4, 64) and expert.w_rec.shape == (16, 64)
    assert expert.b_code.shape == expert.b_rec.shape == (64,)
    assert expert.w_out.shape == (16, 2) and expert.b_out.shape == (2,)
    assert {a.dtype for a in expert} == {jnp.dtype(jnp.float32)}
    bound = n_cells**-0.5
    for weights in expert[:4]:
        assert np.abs(weights).max() <= bound
        assert np.abs(weights).max() > 0.9 * bound  # the whole range is used
        assert abs(weights.mean()) < 0.25 * bound
    other = init_published(jax.random.PRNGKey(1), 4, n_cells, 2)
    assert not any((a == b).any() for a, b in zip(expert, other, strict=True))


def test_the_default_start_remembers_its_code_for_longer():
    plain, ours = (init(jax.random.PRNGKey(0), 4, 16, 2) for init in (init_published, init_default))
    np.testing.assert_array_equal(ours.w_code, 3 * plain.w_code)
    np.testing.assert_array_equal(ours.w_rec, 2 * plain.w_rec)
    forget = np.zeros(64)
    forget[16:32] = 1.0
    np.testing.assert_allclose(ours.b_rec - plain.b_rec, forget, atol=1e-6)
    for name in ("b_code", "w_out", "b_out"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(plain, name))

    def trace(expert):  # how much of the code is left in the last of 40 steps
        a, b = decode(expert, jnp.eye(4)[:2], 40)[:, -1]
        return np.abs(a - b).max()

    assert trace(ours) > 100 * trace(plain)
