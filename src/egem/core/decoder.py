"""Decoders: maps from a short code to a whole sequence.

Shapes here and in the other files: k entries of a code, t steps, c channels, p = t c values,
n codes or cases, q directions of a metric.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from egem.core.config import AnyArray


class Decoder(ABC):
    """A family of decoders; a hashable object, whose parameters are a NamedTuple of arrays.

    :meth:`init` and :meth:`decode` make a decoder. The other methods work on many codes of one
    expert and have defaults in terms of :meth:`decode`; overriding them is for speed.
    """

    @abstractmethod
    def init(self, key, code_size: int, n_channels: int) -> Any:
        """Draw the parameters of one expert."""

    @abstractmethod
    def decode(self, params: Any, z, n_steps: int) -> AnyArray:
        """Decode one code, (k,) -> (t, c)."""

    def decode_batch(self, params: Any, codes, n_steps: int) -> Any:
        """Decode many codes, (n, k) -> (n, t, c)."""
        return jax.vmap(lambda z: self.decode(params, z, n_steps))(codes)

    def linearise(self, params: Any, codes, n_steps: int) -> Any:
        """Return sequences (n, t, c) and their derivatives along the code (n, k, t, c)."""

        def one(z):
            y, tangent = jax.linearize(lambda z: self.decode(params, z, n_steps), z)
            return y, jax.vmap(tangent)(jnp.eye(len(z), dtype=z.dtype))

        return jax.vmap(one)(codes)

    def normal_equations(self, params: Any, codes, targets, mask, basis) -> Any:
        """Return the products that a Gauss-Newton step needs.

        Targets and mask are (n, t, c), the basis is (p, q). Rows are the residual ``y(z) - x`` and
        the derivatives of ``y``, 0 where the mask is False. Returns the products of all rows
        (n, 1 + k, 1 + k), and of rows and basis (n, 1 + k, q).
        """
        y, jacobian = self.linearise(params, codes, targets.shape[1])
        rows = jnp.concatenate([(y - targets)[:, None], jacobian], axis=1)
        rows = jnp.where(mask[:, None], rows, 0.0).reshape(*rows.shape[:2], -1)
        return rows @ rows.swapaxes(1, 2), rows @ basis

    def rescaled(self, params: Any, ratio, offset) -> Any | None:
        """Return parameters that decode to ``y ratio + offset``; None where there are none."""
        return None


class LinearParams(NamedTuple):
    """A class's mean and the directions in which its members differ, on t steps of c channels."""

    directions: AnyArray  # (k, t, c)
    mean: AnyArray  # (t, c)


@dataclass(frozen=True)
class LinearDecoder(Decoder):
    """The linear decoder ``y = mean + z directions``; an undamped Gauss-Newton step inverts it."""

    n_steps: int

    def init(self, key, code_size: int, n_channels: int) -> LinearParams:
        """Return parameters of 0: linear experts are estimated, not trained."""
        shape = self.n_steps, n_channels
        return LinearParams(jnp.zeros((code_size, *shape)), jnp.zeros(shape))

    def decode(self, params: LinearParams, z, n_steps: int) -> AnyArray:
        """Decode one code, (k,) -> (t, c)."""
        return params.mean + jnp.tensordot(z, params.directions, 1)
