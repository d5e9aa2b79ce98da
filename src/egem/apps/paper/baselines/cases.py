"""How the comparisons take their cases."""

import numpy as np
from jaxtyping import Float32
from numpy.typing import ArrayLike

from egem.data.validation import as_cases

CASES_PER_CALL = 100


def time_first(X: ArrayLike) -> Float32[np.ndarray, "n t c"]:
    """Stack cases of one length, time before channels."""
    cases = as_cases(X)
    if len({x.shape[1] for x in cases}) > 1:
        raise ValueError("X holds cases of several lengths; resample or pad them to one.")
    return np.ascontiguousarray(np.stack(cases).swapaxes(1, 2), np.float32)


def in_calls(f, values: np.ndarray) -> np.ndarray:
    """Apply ``f`` to calls of one size, so that it is compiled once."""
    n = len(values)
    values = np.pad(values, [(0, -n % CASES_PER_CALL)] + [(0, 0)] * (values.ndim - 1), mode="edge")
    parts = [
        np.asarray(f(values[i : i + CASES_PER_CALL])) for i in range(0, len(values), CASES_PER_CALL)
    ]
    return np.concatenate(parts)[:n]
