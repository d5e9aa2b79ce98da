"""The type of arrays of NumPy and JAX alike: NumPy's between compiled calls, JAX's within."""

from typing import TypeAlias

import numpy as np
from jaxtyping import Array

AnyArray: TypeAlias = Array | np.ndarray
