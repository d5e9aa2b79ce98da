"""Decoders: the LSTM against one written from the equations, and what every decoder offers."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from egem.core.decoder import Decoder, LinearDecoder, LinearParams
from egem.core.lstm import LSTMDecoder, LSTMParams
from egem.runtime.native import NativeLSTMDecoder

K, H, C, T = 3, 5, 2, 17
LSTM = LSTMDecoder(H)


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
def test_the_lstm_decodes_like_an_independent_one(float64, seed):
    rng = np.random.default_rng(seed)
    w_ih, w_hh = rng.normal(size=(4 * H, K)), rng.normal(size=(4 * H, H))
    b_ih, b_hh = rng.normal(size=(2, 4 * H))
    w_out, b_out = rng.normal(size=(C, H)), rng.normal(size=C)
    codes = rng.normal(size=(4, K))
    params = jax.tree.map(jnp.asarray, LSTMParams(w_ih.T, b_ih, w_hh.T, b_hh, w_out.T, b_out))
    decoded = LSTM.decode_batch(params, jnp.asarray(codes), T)
    assert decoded.shape == (4, T, C) and decoded.dtype == jnp.float64
    expected = [lstm_in_numpy(w_ih, w_hh, b_ih, b_hh, w_out, b_out, z, T) for z in codes]
    np.testing.assert_allclose(decoded, expected, rtol=0, atol=1e-10)
    alone = LSTM.decode(params, jnp.asarray(codes[2]), T)
    np.testing.assert_allclose(alone, expected[2], rtol=0, atol=1e-10)


def test_a_longer_sequence_begins_like_a_shorter_one():
    params = LSTM.init(jax.random.PRNGKey(0), K, C)
    longer, shorter = (LSTM.decode_batch(params, jnp.eye(K), n) for n in (T, 6))
    np.testing.assert_allclose(longer[:, :6], shorter, rtol=0, atol=1e-6)


def test_a_code_decodes_alike_in_any_batch(float64):
    params, codes, *_ = example(LSTM, n_codes=9)
    params = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
    codes = codes.astype(np.float64)
    decode = jax.jit(partial(LSTM.decode_batch, n_steps=T))
    decode_one = jax.jit(partial(LSTM.decode, n_steps=T))
    together = decode(params, codes)
    alone = np.stack([decode_one(params, z) for z in codes])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-13)
    order = np.random.default_rng(0).permutation(9)
    shuffled = decode(params, codes[order])
    np.testing.assert_allclose(shuffled, together[order], rtol=0, atol=1e-13)


def test_experts_are_a_leading_axis():
    experts = [LSTM.init(jax.random.PRNGKey(i), K, C) for i in range(3)]
    stacked = jax.tree.map(lambda *a: jnp.stack(a), *experts)
    codes = jax.random.normal(jax.random.PRNGKey(9), (3, 4, K))
    together = jax.vmap(lambda p, z: LSTM.decode_batch(p, z, T))(stacked, codes)
    for params, z, decoded in zip(experts, codes, together, strict=True):
        np.testing.assert_allclose(decoded, LSTM.decode_batch(params, z, T), atol=1e-6)


def test_published_weights_are_uniform_within_pytorchs_bound():
    n_cells, published = 16, LSTMDecoder(16, start="published")
    params = published.init(jax.random.PRNGKey(0), 4, 2)
    assert params.w_code.shape == (4, 64) and params.w_rec.shape == (16, 64)
    assert params.b_code.shape == params.b_rec.shape == (64,)
    assert params.w_out.shape == (16, 2) and params.b_out.shape == (2,)
    assert {a.dtype for a in params} == {jnp.dtype(jnp.float32)}
    bound = n_cells**-0.5
    for weights in params[:4]:
        assert np.abs(weights).max() <= bound
        assert np.abs(weights).max() > 0.9 * bound  # the whole range is used
        assert abs(weights.mean()) < 0.25 * bound
    other = published.init(jax.random.PRNGKey(1), 4, 2)
    assert not any((a == b).any() for a, b in zip(params, other, strict=True))


def test_default_weights_carry_the_code_through_the_sequence():
    plain, ours = (
        LSTMDecoder(16, start).init(jax.random.PRNGKey(0), 4, 2)
        for start in ("published", "default")
    )
    np.testing.assert_array_equal(ours.w_code, 3 * plain.w_code)
    np.testing.assert_array_equal(ours.w_rec, 2 * plain.w_rec)
    forget = np.zeros(64)
    forget[16:32] = 1.0
    np.testing.assert_allclose(ours.b_rec - plain.b_rec, forget, atol=1e-6)
    for name in ("b_code", "w_out", "b_out"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(plain, name))

    def difference_at_the_end(params):
        a, b = LSTMDecoder(16).decode_batch(params, jnp.eye(4)[:2], 40)[:, -1]
        return np.abs(a - b).max()

    assert difference_at_the_end(ours) > 100 * difference_at_the_end(plain)


# --------------------------------------------------- the methods of every decoder


class Plain(LSTMDecoder):
    """The LSTM with nothing but decode; the rest is every decoder's default."""

    decode_batch = Decoder.decode_batch
    linearise = Decoder.linearise
    normal_equations = Decoder.normal_equations

    def decode(self, params, z, n_steps):
        return LSTMDecoder(self.n_cells).decode(params, z, n_steps)


class WaveParams(NamedTuple):
    """What a user's own decoder may have for parameters."""

    amplitudes: jax.Array


@dataclass(frozen=True)
class WaveDecoder(Decoder):
    """A user's own decoder: products of sines."""

    def init(self, key, code_size, n_channels):
        return WaveParams(jax.random.normal(key, (code_size, n_channels)))

    def decode(self, params, z, n_steps):
        times = jnp.arange(n_steps)[:, None, None] / n_steps
        return jnp.prod(jnp.sin(times + z[:, None] * params.amplitudes), axis=1)


def example(decoder, code_size=K, n_codes=20, basis_size=8):
    rng = np.random.default_rng(3)
    params = jax.jit(partial(decoder.init, code_size=code_size, n_channels=C))(
        jax.random.PRNGKey(3)
    )
    codes = rng.normal(size=(n_codes, code_size)).astype(np.float32)
    targets = rng.normal(size=(n_codes, T, C)).astype(np.float32)
    mask = rng.random(targets.shape) < 0.7
    basis = rng.normal(size=(T * C, basis_size)).astype(np.float32)
    return params, codes, np.where(mask, targets, np.float32(0)), mask, basis


@partial(jax.jit, static_argnums=0)
def in_every_way(decoder, params, codes, targets, mask, basis):
    """Return sequences, sequences and derivatives, and the normal equations' products."""
    return (
        decoder.decode_batch(params, codes, T),
        *decoder.linearise(params, codes, T),
        *decoder.normal_equations(params, codes, targets, mask, basis),
    )


@pytest.mark.parametrize("decoder", [LSTM, NativeLSTMDecoder(H)], ids=["scan", "native"])
@pytest.mark.parametrize("n_codes", [2, 20])
def test_overridden_methods_agree_with_the_defaults(decoder, n_codes):
    given = example(decoder, n_codes=n_codes)
    found, expected = in_every_way(decoder, *given), in_every_way(Plain(H), *given)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * max(np.abs(b).max(), 1.0))


@pytest.mark.parametrize("decoder", [LSTM, WaveDecoder()], ids=["lstm", "own"])
def test_linearisation_agrees_with_central_differences(float64, decoder):
    params, codes, *_ = example(decoder, n_codes=4)
    params = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
    codes, h = codes.astype(np.float64), 1e-5
    decode = jax.jit(partial(decoder.decode_batch, n_steps=T))
    y, jacobian = jax.jit(partial(decoder.linearise, n_steps=T))(params, codes)
    np.testing.assert_allclose(y, decode(params, codes), rtol=0, atol=1e-12)
    for k in range(K):
        ahead, behind = (decode(params, codes + s * h * np.eye(K)[k]) for s in (1, -1))
        np.testing.assert_allclose(jacobian[:, k], (ahead - behind) / (2 * h), rtol=0, atol=1e-8)


@pytest.mark.parametrize("decoder", [LSTM, WaveDecoder()], ids=["lstm", "own"])
def test_normal_equations_are_products_of_residual_and_derivatives(decoder):
    given = example(decoder)
    _, codes, targets, mask, basis = given
    _, y, jacobian, gram, projected = map(np.asarray, in_every_way(decoder, *given))
    for i in range(len(codes)):
        seen = np.asarray(mask[i]).ravel()
        rows = np.stack([(y[i] - targets[i]).ravel(), *jacobian[i].reshape(K, -1)])[:, seen]
        np.testing.assert_allclose(gram[i], rows @ rows.T, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(projected[i], rows @ basis[seen], rtol=1e-3, atol=1e-4)


def test_rescaled_parameters_decode_to_rescaled_sequences():
    params, codes, *_ = example(LSTM)
    ratio, offset = np.array([2.0, -0.5], np.float32), np.array([0.3, 4.0], np.float32)
    y = LSTM.decode_batch(params, codes, T)
    moved = LSTM.decode_batch(LSTM.rescaled(params, ratio, offset), codes, T)
    np.testing.assert_allclose(moved, y * ratio + offset, rtol=0, atol=1e-5)
    assert WaveDecoder().rescaled(example(WaveDecoder())[0], ratio, offset) is None


def test_the_linear_decoder_adds_directions_to_the_mean():
    rng = np.random.default_rng(0)
    directions, mean = rng.normal(size=(K, T, C)), rng.normal(size=(T, C))
    decoder, codes = LinearDecoder(T), rng.normal(size=(5, K))
    decoded = decoder.decode_batch(LinearParams(directions, mean), codes.astype(np.float32), T)
    expected = mean + np.einsum("nk,ktc->ntc", codes, directions)
    np.testing.assert_allclose(decoded, expected, rtol=1e-4, atol=1e-5)
    _, jacobian = decoder.linearise(LinearParams(directions, mean), codes.astype(np.float32), T)
    np.testing.assert_allclose(jacobian, np.broadcast_to(directions, (5, K, T, C)), rtol=1e-5)
    assert decoder.init(jax.random.PRNGKey(0), K, C).directions.shape == (K, T, C)
