"""The recurrent decoder: one LSTM layer that turns a code into a sequence (paper, section 2).

The code enters at the first step only, the state starts at zero, and every later step sees nothing
but the state::

    gates_0 = z W_code + b            gates_t = h_(t-1) W_rec + b        b = b_code + b_rec
    i, f, g, o = split(gates_t)
    c_t = sigmoid(f) c_(t-1) + sigmoid(i) tanh(g)
    h_t = sigmoid(o) tanh(c_t)
    y_t = h_t W_out + b_out
"""

import itertools
import math
from dataclasses import dataclass
from numbers import Integral
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from egem.core.config import AnyArray
from egem.core.decoder import Decoder


class LSTMParams(NamedTuple):
    """Parameters of one expert; gates lie side by side in the order input, forget, cell, output."""

    w_code: AnyArray  # (k, 4h)
    b_code: AnyArray  # (4h,)
    w_rec: AnyArray  # (h, 4h)
    b_rec: AnyArray  # (4h,)
    w_out: AnyArray  # (h, c)
    b_out: AnyArray  # (c,)


@dataclass(frozen=True)
class LSTMDecoder(Decoder):
    """The recurrent decoder.

    Attributes
    ----------
    n_cells : int or None, default None
        LSTM cells; None lets the estimator choose by the training cases, and is 16 without one.
    start : {"default", "published"}, default "default"
        Initial weights. The paper's are PyTorch's, U(-1/sqrt(h), 1/sqrt(h)) throughout. The default
        opens the forget gate by 1, triples the code's weights and doubles the recurrent ones, so
        that gradients reach back over the whole sequence from the start.
    """

    n_cells: int | None = None
    start: Literal["default", "published"] = "default"

    def __post_init__(self):
        n = self.n_cells
        if n is not None and not (isinstance(n, Integral) and n > 0):
            raise ValueError(f"n_cells must be a positive integer or None, not {n!r}.")
        if self.start not in ("default", "published"):
            raise ValueError(f"start must be 'default' or 'published', not {self.start!r}.")

    def init(self, key, code_size: int, n_channels: int) -> LSTMParams:
        """Draw the parameters of one expert."""
        h = self.n_cells or 16
        shapes = (code_size, 4 * h), (4 * h,), (h, 4 * h), (4 * h,), (h, n_channels), (n_channels,)
        # One draw, cut up: six draws take XLA seconds to compile.
        sizes = [math.prod(shape) for shape in shapes]
        drawn = jax.random.uniform(key, (sum(sizes),), jnp.float32, -(h**-0.5), h**-0.5)
        parts = jnp.split(drawn, list(itertools.accumulate(sizes))[:-1])
        params = LSTMParams(*map(jnp.reshape, parts, shapes))
        if self.start == "published":
            return params
        return params._replace(
            w_code=3.0 * params.w_code,
            w_rec=2.0 * params.w_rec,
            b_rec=jnp.asarray(params.b_rec).at[h : 2 * h].add(1.0),
        )

    def decode(self, params: LSTMParams, z, n_steps: int) -> AnyArray:
        """Decode one code, (k,) -> (t, c)."""
        return self.decode_batch(params, z[None], n_steps)[0]

    def decode_batch(self, params: LSTMParams, codes, n_steps: int) -> AnyArray:
        """Decode many codes, (n, k) -> (n, t, c)."""
        first, rest = first_gates(params, codes)
        return scan(first, *rest, n_steps) + jnp.asarray(params.b_out)

    def linearise(self, params: LSTMParams, codes, n_steps: int):
        """Return sequences (n, t, c) and their derivatives along the code (n, k, t, c)."""
        first, rest = first_gates(params, codes)

        def along(row):  # an entry of the code moves the first gates along its row of weights
            return jax.jvp(lambda first: scan(first, *rest, n_steps), (first,), (first * 0 + row,))

        y, jacobian = jax.vmap(along, out_axes=(None, 1))(params.w_code)
        return y + params.b_out, jacobian

    def rescaled(self, params: LSTMParams, ratio, offset) -> LSTMParams:
        """Return parameters that decode to ``y ratio + offset``."""
        return params._replace(w_out=params.w_out * ratio, b_out=params.b_out * ratio + offset)


def first_gates(params: LSTMParams, codes):
    """Return the gates of the first step (n, 4h), and the weights of all others."""
    bias = params.b_code + params.b_rec
    return codes @ params.w_code + bias, (params.w_rec, bias, params.w_out)


def scan(first, w_rec, bias, w_out, n_steps: int, unroll: int = 1):
    """Run the LSTM from the gates of its first step, (n, 4h) -> (n, t, c), without ``b_out``."""

    def step(state, _):
        gates, c = state
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h @ w_rec + bias, c), h

    c = jnp.zeros((len(first), w_rec.shape[0]), first.dtype)
    _, h = jax.lax.scan(step, (first, c), None, length=n_steps, unroll=unroll)
    return jnp.moveaxis(h @ w_out, 0, 1)
