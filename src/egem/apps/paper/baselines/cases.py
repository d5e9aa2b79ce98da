"""Cases as the baselines take them."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32
from numpy.typing import ArrayLike

from egem.data.cases import as_cases
from egem.runtime.batching import batched_indices

CASES_PER_CALL = 100


def time_first(X: ArrayLike) -> Float32[np.ndarray, "n t c"]:
    """Stack cases of one length, time before channels."""
    cases = as_cases(X)
    if len({x.shape[1] for x in cases}) > 1:
        raise ValueError("X holds cases of several lengths; resample or pad them to one.")
    return np.ascontiguousarray(np.stack(cases).swapaxes(1, 2), np.float32)


def in_calls(f: Callable, values: np.ndarray) -> np.ndarray:
    """Apply a compiled function to cases, so many at a time."""
    parts = [np.asarray(f(values[at])) for at in batched_indices(len(values), CASES_PER_CALL)]
    return np.concatenate(parts)[: len(values)]
