"""What data come as: sequences and labels, from whatever file they were read."""

from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Shaped

# An array (n_cases, n_channels, n_timepoints), or a list of (n_channels, length_i) where lengths
# differ. Which of them depends on the data; as a union, no type checker would let X[index] pass.
Sequences: TypeAlias = Any
Labels: TypeAlias = Shaped[np.ndarray, " n_cases"]


def stack(cases: list[np.ndarray]) -> Sequences:
    """Make one array of cases where their lengths agree, otherwise leave the list."""
    return np.stack(cases) if len({x.shape for x in cases}) == 1 else cases


def precision(*dtypes: np.dtype) -> type[np.floating]:
    """Return float32 where all that is stored is no finer, otherwise float64."""
    return np.float32 if all(d in (np.float32, np.float16) for d in dtypes) else np.float64
