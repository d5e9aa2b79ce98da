"""The one type that NumPy and JAX arrays share here."""

from typing import TypeAlias

import numpy as np
from jaxtyping import Array

# Arrays rest on the host between compiled calls, as NumPy's, and are JAX's inside them.
AnyArray: TypeAlias = Array | np.ndarray
