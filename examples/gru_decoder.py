"""A decoder of your own: a gated recurrent unit in place of the LSTM.

python examples/gru_decoder.py
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from egem import EGEMClassifier, Training, few_shot_split, load_dataset
from egem.core.decoder import Decoder


class GRUParams(NamedTuple):
    """Parameters of one expert; gates lie side by side in the order reset, update, candidate."""

    w_code: jax.Array  # (k, h), from the code to the first state
    w_rec: jax.Array  # (h, 3h)
    bias: jax.Array  # (3h,)
    w_out: jax.Array  # (h, c)
    b_out: jax.Array  # (c,)


@dataclass(frozen=True)  # decoders are hashable: compiled programs are kept for each
class GRUDecoder(Decoder):
    """A gated recurrent unit whose first state is a linear function of the code."""

    n_cells: int = 16

    def init(self, key, code_size, n_channels):
        """Draw the parameters of one expert."""
        h = self.n_cells
        shapes = (code_size, h), (h, 3 * h), (3 * h,), (h, n_channels), (n_channels,)
        keys = jax.random.split(key, len(shapes))
        draw = jax.random.uniform
        return GRUParams(
            *(draw(k, s, minval=-1.0) * h**-0.5 for k, s in zip(keys, shapes, strict=True))
        )

    def decode(self, params, z, n_steps):
        """Decode one code, (k,) -> (t, c)."""

        def step(state, _):
            gates = state @ params.w_rec + params.bias
            reset, update, candidate = jnp.split(gates, 3)
            candidate = jnp.tanh(jax.nn.sigmoid(reset) * candidate)
            mix = jax.nn.sigmoid(update)
            state = (1.0 - mix) * candidate + mix * state
            return state, state @ params.w_out + params.b_out

        return jax.lax.scan(step, jnp.tanh(z @ params.w_code), None, length=n_steps)[1]


if __name__ == "__main__":
    X, y = load_dataset("digits")
    X, y = X[y < 3], y[y < 3]
    train, test = few_shot_split(y, k=4, seed=0)
    clf = EGEMClassifier(
        decoder=GRUDecoder(16), training=Training(n_updates=500), random_state=0
    ).fit(X[train], y[train])
    clf.save("gru.safetensors")
    clf = EGEMClassifier.load("gru.safetensors", decoder=GRUDecoder(16))
    print(f"{clf.score(X[test], y[test]):.3f} of {len(test)} unseen digits are recognised")
