"""NumPy and JAX as this package computes with them, whatever the user has set for other code."""

from collections.abc import Iterator
from contextlib import contextmanager

import jax
import numpy as np


@contextmanager
def own_numerics() -> Iterator[None]:
    """Compute in single precision, promote types and ranks, and let values underflow.

    ``JAX_ENABLE_X64`` would draw other random numbers, JAX's strict modes and
    ``np.seterr(all="raise")`` would refuse what is meant. Settings of other threads, and those
    outside the block, stay.
    """
    with (
        np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"),
        jax.enable_x64(False),
        jax.numpy_dtype_promotion("standard"),
        jax.numpy_rank_promotion("allow"),
    ):
        yield
