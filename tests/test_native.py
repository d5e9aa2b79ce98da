"""The native decoder against JAX's scan: values, gradients and Jacobians, for every kernel."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from egem.core.lstm import LSTMDecoder
from egem.runtime import native
from egem.runtime.native import NativeLSTMDecoder
from egem.views import features

needs_kernel = pytest.mark.skipif(native.KERNEL is None, reason="no native decoder here")

# experts, codes, code entries, cells, channels, steps: idle lanes, cells and channels included
# and, the last, more than is kept for the way back
SHAPES = [
    (1, 4, 4, 10, 2, 5),
    (3, 17, 5, 16, 3, 52),
    (2, 40, 9, 13, 5, 21),
    (2, 5, 20, 48, 17, 11),
    (2, 300, 2, 10, 1, 60),
]


def example(n_experts, n_codes, code_size, n_cells, n_channels, n_steps):
    """Return both decoders, experts, codes, and what sequences are multiplied with."""
    scan, kernel = (of(n_cells, "published") for of in (LSTMDecoder, NativeLSTMDecoder))
    keys = jax.random.split(jax.random.PRNGKey(n_cells), n_experts)
    experts = jax.vmap(lambda key: scan.init(key, code_size, n_channels))(keys)
    codes = jax.random.uniform(keys[0], (n_experts, n_codes, code_size))
    probe = jax.random.normal(keys[0], (n_experts, n_codes, n_steps, n_channels))
    return scan, kernel, experts, codes, probe


def assert_near(found, expected):
    assert found.shape == expected.shape and found.dtype == jnp.float32
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max(initial=1), rtol=0)


def compare(shape):
    """Assert that values, gradients and Jacobians of the kernel and of the scan agree."""
    scan, kernel, experts, codes, probe = example(*shape)
    n_steps = shape[-1]

    def value_and_gradient(decoder):
        def total(experts, codes):
            y = jax.vmap(lambda p, z: decoder.decode_batch(p, z, n_steps))(experts, codes)
            return jnp.sum(probe * y), y

        return jax.jit(jax.grad(total, (0, 1), has_aux=True))(experts, codes)

    def linearised(decoder):
        one = jax.vmap(lambda p, z: decoder.linearise(p, z, n_steps))
        return jax.jit(one)(experts, codes)

    for of in (value_and_gradient, linearised):
        found, expected = (jax.tree.leaves(of(decoder)) for decoder in (kernel, scan))
        for a, b in zip(found, expected, strict=True):
            assert_near(a, b)


def compare_products(shape, basis_size=12):
    """Assert that the products of residuals and derivatives are those of the rows themselves."""
    scan, kernel, experts, codes, targets = example(*shape)
    mask = jax.random.bernoulli(jax.random.PRNGKey(1), 0.7, targets.shape)
    basis = jax.random.normal(jax.random.PRNGKey(2), (shape[4] * shape[5], basis_size))
    assert native.supports_normal_products(codes[0], basis, *jax.tree.map(lambda a: a[0], experts))
    found = jax.vmap(kernel.normal_equations, (0, 0, 0, 0, None))(
        experts, codes, targets, mask, basis
    )
    y, jacobian = jax.vmap(lambda p, z: scan.linearise(p, z, shape[-1]))(experts, codes)
    rows = np.concatenate([(y - targets)[:, :, None], jacobian], 2)
    rows = np.where(np.asarray(mask)[:, :, None], rows, 0.0).astype(np.float64)
    rows = rows.reshape(*rows.shape[:3], -1)
    assert_near(found[0], rows @ rows.swapaxes(-1, -2))
    assert_near(found[1], rows @ np.asarray(basis, np.float64))


@needs_kernel
@pytest.mark.parametrize("shape", SHAPES)
def test_kernel_agrees_with_scan(shape):
    compare(shape)


@needs_kernel
@pytest.mark.parametrize(("shape", "basis_size"), [(SHAPES[1], 12), (SHAPES[2], 0), (SHAPES[4], 4)])
def test_products_are_those_of_the_rows(shape, basis_size):
    compare_products(shape, basis_size)


def outputs(shape):
    """Return all that the native code computes for a shape."""
    _, kernel, experts, codes, probe = example(*shape)
    n_steps, basis = shape[-1], jnp.ones((probe[0, 0].size, 8))

    def total(params, codes):
        y = jax.vmap(lambda p, z: kernel.decode_batch(p, z, n_steps))(params, codes)
        return jnp.sum(probe * y)

    def products(params, codes, targets):
        return kernel.normal_equations(params, codes, targets, targets > 0, basis)

    return jax.tree.leaves(
        [
            total(experts, codes),
            jax.grad(total, (0, 1))(experts, codes),
            jax.vmap(lambda p, z: kernel.linearise(p, z, n_steps))(experts, codes),
            jax.vmap(products)(experts, codes, probe),
        ]
    )


def compare_orders(shapes):
    """Assert that calls give the same bits whatever was called before, and so lies in memory."""
    there = [outputs(shape) for shape in shapes]
    back = [outputs(shape) for shape in reversed(shapes)]
    for one, other in zip(jax.tree.leaves(there), jax.tree.leaves(back[::-1]), strict=True):
        np.testing.assert_array_equal(one, other)


@needs_kernel
def test_results_do_not_depend_on_earlier_calls():
    compare_orders(SHAPES)


@pytest.mark.slow
@needs_kernel
@pytest.mark.parametrize("name", ["plain", "avx2"])
def test_every_kernel_agrees_with_scan(name):
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_native import *\n"
        "[compare(shape) for shape in SHAPES[1:3]]\n"
        "compare_products(SHAPES[2]); compare_orders(SHAPES[1:4])\n"
        "test_features_agree_with_jax((5, 3, 200)); print(native.KERNEL.name)"
    )
    out = subprocess.run(
        [sys.executable, "-c", script, os.path.dirname(__file__)],
        env={**os.environ, "EGEM_KERNEL": name},
        capture_output=True,
        text=True,
    )
    assert out.returncode == 0, out.stderr
    if out.stdout.strip() != name:
        pytest.skip(f"this CPU has no {name}")


def test_scan_is_asked_for_by_name():
    script = "from egem.runtime import native; print(native.KERNEL)"
    environment = {**os.environ, "EGEM_KERNEL": "scan"}
    out = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "None"


def test_double_precision_is_left_to_the_scan(float64):
    assert not native.supports(jnp.zeros((9, 3), jnp.float64))


@needs_kernel
def test_few_codes_are_left_to_the_scan():
    few, enough = (jnp.zeros((n, 3)) for n in (native.MIN_CODES - 1, native.MIN_CODES))
    assert not native.supports(few) and native.supports(enough)


@needs_kernel
@pytest.mark.parametrize("shape", [(5, 3, 200), (3, 1, 30), (4, 20, 12)])
def test_features_agree_with_jax(shape):
    n, _, length = shape
    rng = np.random.default_rng(0)
    values = rng.normal(size=shape).cumsum(axis=2).astype(np.float32)
    lengths = rng.integers(2, length + 1, n).astype(np.int32)
    for row, end in zip(values, lengths, strict=True):
        row[:, end:] = 0
    cases = [row[:, :end].astype(float) for row, end in zip(values, lengths, strict=True)]
    bank = features.fit_convolutions(cases, "time", False, rng).banks[0]
    found = features.proportions_above(values, lengths, bank)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "KERNEL", None)
        expected = features.proportions_above(values, lengths, bank)
    # A response that lies on its threshold but for rounding may count on either side.
    apart = np.abs(found - expected) * lengths[:, None, None, None]
    assert apart.max() < 1.5 and (apart > 0.5).mean() < 1e-3


@needs_kernel
def test_what_is_not_finite_stays_so():
    _, kernel, experts, codes, _ = example(1, 5, 4, 8, 2, 9)
    params = jax.tree.map(lambda a: a[0], experts)
    y = kernel.decode_batch(params, codes[0].at[1, 2].set(jnp.nan), 9)
    assert jnp.isnan(y[1]).all() and jnp.isfinite(y[::2]).all()


@needs_kernel
def test_extreme_weights_give_bounded_states():
    _, kernel, experts, codes, _ = example(1, 5, 4, 8, 2, 9)
    params = jax.tree.map(lambda a: 1e4 * a[0], experts)._replace(w_out=experts.w_out[0])
    y = kernel.decode_batch(params, codes[0], 9)
    bound = jnp.abs(params.w_out).sum() + jnp.abs(params.b_out).max()
    assert jnp.isfinite(y).all() and (jnp.abs(y) <= bound).all()


@needs_kernel
def test_only_the_lstm_itself_is_accelerated():
    class Own(LSTMDecoder):
        """A user's own variant, of which the native code knows nothing."""

    assert native.accelerated(LSTMDecoder(3)) == NativeLSTMDecoder(3)
    assert native.accelerated(Own(3)) == Own(3)


@needs_kernel
def test_a_library_made_for_a_later_jax_is_left_alone(monkeypatch, caplog):
    monkeypatch.setattr(native, "_ffi_version", lambda: 1)
    assert native._load() is None
    assert "cannot be used: made for version" in caplog.text
