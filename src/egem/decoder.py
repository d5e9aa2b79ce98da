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
from jaxtyping import Array, Float, PRNGKeyArray

from .arrays import AnyArray


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
    bias = expert.b_code + expert.b_rec

    def step(state, _):
        gates, c = state
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h @ expert.w_rec + bias, c), h

    gates = codes @ expert.w_code + bias
    c = jnp.zeros((codes.shape[0], expert.w_rec.shape[-2]), gates.dtype)
    _, h = jax.lax.scan(step, (gates, c), None, length=n_steps)
    return jnp.moveaxis(h @ expert.w_out + expert.b_out, 0, 1)
