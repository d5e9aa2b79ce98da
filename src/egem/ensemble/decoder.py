"""The expert: one LSTM layer that turns a short code into a whole sequence.

The code enters at the first step only, the state starts at zero and every later step sees nothing
but the state (ESANN 2020, section 2)::

    gates_0 = z W_code + b            gates_t = h_(t-1) W_rec + b        b = b_code + b_rec
    i, f, g, o = split(gates_t)
    c_t = sigmoid(f) c_(t-1) + sigmoid(i) tanh(g)
    h_t = sigmoid(o) tanh(c_t)
    y_t = h_t W_out + b_out

The code here is written for one expert; :func:`jax.vmap` over the leading axis of every parameter
makes it an ensemble.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from egem.runtime import native
from egem.runtime.arrays import AnyArray


class Expert(NamedTuple):
    """Parameters of one expert with ``h`` cells, codes of length ``k`` and ``c`` channels.

    Gates are laid side by side along the last axis in the order input, forget, cell, output. An
    ensemble is the same tuple with a leading axis of experts on every array.
    """

    w_code: Float[AnyArray, "*experts k 4h"]
    b_code: Float[AnyArray, "*experts 4h"]
    w_rec: Float[AnyArray, "*experts h 4h"]
    b_rec: Float[AnyArray, "*experts 4h"]
    w_out: Float[AnyArray, "*experts h c"]
    b_out: Float[AnyArray, "*experts c"]


def init_published(key: PRNGKeyArray, code_size: int, n_cells: int, n_channels: int) -> Expert:
    """Draw an expert as the paper does: PyTorch's default, U(-1/sqrt(H), 1/sqrt(H)) throughout.

    Parameters
    ----------
    key : PRNGKeyArray
        Random key.
    code_size, n_cells, n_channels : int
        Length of the code, LSTM cells and output channels.

    Returns
    -------
    Expert
        Float32 parameters without an expert axis.
    """
    shapes = {
        "w_code": (code_size, 4 * n_cells),
        "b_code": (4 * n_cells,),
        "w_rec": (n_cells, 4 * n_cells),
        "b_rec": (4 * n_cells,),
        "w_out": (n_cells, n_channels),
        "b_out": (n_channels,),
    }
    bound = n_cells**-0.5
    # One draw, cut up: six draws take XLA seconds to compile.
    sizes = [math.prod(shape) for shape in shapes.values()]
    drawn = jax.random.uniform(key, (sum(sizes),), jnp.float32, -bound, bound)
    parts = jnp.split(drawn, np.cumsum(sizes)[:-1])
    return Expert(
        **{
            name: part.reshape(shape)
            for part, (name, shape) in zip(parts, shapes.items(), strict=True)
        }
    )


def init_default(key: PRNGKeyArray, code_size: int, n_cells: int, n_channels: int) -> Expert:
    """Draw an expert that remembers its code for longer than the published one.

    The published draw, with the forget gate opened by +1, the code's weights tripled and the
    recurrent weights doubled: gradients then reach back over the whole sequence from the start.

    Parameters
    ----------
    key : PRNGKeyArray
        Random key.
    code_size, n_cells, n_channels : int
        Length of the code, LSTM cells and output channels.

    Returns
    -------
    Expert
        Float32 parameters without an expert axis.
    """
    expert = init_published(key, code_size, n_cells, n_channels)
    forget = slice(n_cells, 2 * n_cells)
    return expert._replace(
        w_code=3.0 * expert.w_code,
        w_rec=2.0 * expert.w_rec,
        b_rec=jnp.asarray(expert.b_rec).at[forget].add(1.0),
    )


def decode(expert: Expert, codes: Float[AnyArray, "n k"], n_steps: int) -> Float[Array, "n t c"]:
    """Imagine one sequence for each code.

    The recurrence runs in native code where that is there (see :mod:`egem.runtime.native`; reverse
    mode only), else in JAX's scan.

    Parameters
    ----------
    expert : Expert
        One expert, without an expert axis.
    codes : array (n, k)
        Codes.
    n_steps : int
        Length of the sequences.

    Returns
    -------
    array (n, n_steps, n_channels)
        The sequences, in the units the expert was trained in.
    """
    roll = native.roll if native.serves(codes, *expert) else scan
    first, rest = _first_gates(expert, codes)
    y: Array = roll(first, *rest, n_steps)
    return y + jnp.asarray(expert.b_out)


def decode_with_jacobian(
    expert: Expert, codes: Float[AnyArray, "n k"], n_steps: int
) -> tuple[Float[Array, "n t c"], Float[Array, "n k t c"]]:
    """Imagine one sequence for each code, with its derivative along each entry of the code.

    Parameters
    ----------
    expert : Expert
        One expert, without an expert axis.
    codes : array (n, k)
        Codes.
    n_steps : int
        Length of the sequences.

    Returns
    -------
    sequences : array (n, n_steps, n_channels)
        As :func:`decode` has them.
    jacobian : array (n, k, n_steps, n_channels)
        Their derivatives.
    """
    first, rest = _first_gates(expert, codes)
    if native.serves(codes, *expert):
        y, jacobian = native.push(first, expert.w_code, *rest, n_steps)
    else:

        def along(row):
            return jax.jvp(lambda first: scan(first, *rest, n_steps), (first,), (first * 0 + row,))

        y, jacobian = jax.vmap(along, out_axes=(None, 1))(expert.w_code)
    return y + expert.b_out, jacobian


def normal_products(
    expert: Expert,
    codes: Float[AnyArray, "n k"],
    targets: Float[AnyArray, "n p"],
    mask: Bool[AnyArray, "n p"],
    basis: Float[AnyArray, "p q"],
) -> tuple[Float[Array, "n k+1 k+1"], Float[Array, "n k+1 q"]]:
    """Return what the normal equations of a search's step are made of.

    Its rows, which native code never lays out, are the residual ``y(z) - x`` and the derivatives of
    ``y`` along each entry of the code, flat, 0 where a value is missing.

    Parameters
    ----------
    expert : Expert
        One expert, without an expert axis.
    codes : array (n, k)
        Codes.
    targets : array (n, n_steps * n_channels)
        The sequence that each code is to meet.
    mask : array of bool (n, n_steps * n_channels)
        Where it is observed.
    basis : array (n_steps * n_channels, q)
        Directions of the metric.

    Returns
    -------
    products : array (n, 1 + k, 1 + k)
        Of each row with each.
    projected : array (n, 1 + k, q)
        Of each row with the basis.
    """
    n_steps = targets.shape[1] // expert.b_out.shape[-1]
    if native.serves_normal(codes, basis, *expert):
        first, rest = _first_gates(expert, codes)
        return native.normal(
            first,
            expert.w_code,
            *rest,
            expert.b_out,
            targets,
            jnp.asarray(mask, jnp.float32),
            basis,
            n_steps,
        )
    y, jacobian = decode_with_jacobian(expert, codes, n_steps)
    residuals = y.reshape(targets.shape) - targets
    rows = jnp.concatenate([residuals[:, None], jacobian.reshape(*codes.shape, -1)], axis=1)
    rows = jnp.where(mask[:, None], rows, 0.0)
    return rows @ rows.swapaxes(1, 2), rows @ basis


def _first_gates(expert: Expert, codes: Float[AnyArray, "n k"]):
    """Return the gates of the first step, and the weights of all others."""
    bias = expert.b_code + expert.b_rec
    return codes @ expert.w_code + bias, (expert.w_rec, bias, expert.w_out)


def scan(
    first: Float[AnyArray, "n 4h"],
    rec: Float[AnyArray, "h 4h"],
    bias: Float[AnyArray, " 4h"],
    out: Float[AnyArray, "h c"],
    n_steps: int,
) -> Float[Array, "n t c"]:
    """Run the LSTM from the gates of its first step; ``y`` comes without its bias."""

    def step(state, _):
        gates, c = state
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h @ rec + bias, c), h

    c = jnp.zeros((len(first), rec.shape[0]), first.dtype)
    _, h = jax.lax.scan(step, (first, c), None, length=n_steps)
    return jnp.moveaxis(h @ out, 0, 1)
