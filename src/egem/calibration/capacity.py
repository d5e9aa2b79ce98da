"""The size of experts and the length of training, from the cases.

In these rules n is the number of cases of the largest class.

========== ============================================== ==================================
quantity   rule                                           bounds
========== ============================================== ==================================
cells      16 up to 8 cases, 24 up to 256, 32 up to       at least 32 from 8 channels on
           1,024, 48 beyond
code       directions that hold 90 % of the variance      4 to 16, at most n / 3; only where
           within classes                                 codes are learned
updates    3000 up to 8 cases, 1000 sqrt(n) beyond        at most 20,000
batch      16 up to 16 cases, 32 up to 256, 64 beyond
========== ============================================== ==================================
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from egem.core.metric import Scatter

VARIANCE_HELD = 0.9  # by learned codes, of the variance within classes
MIN_CODE, MAX_CODE = 4, 16
MIN_UPDATES, MAX_UPDATES = 3000, 20_000


class Capacity(NamedTuple):
    """Size of an expert and length of its training."""

    n_cells: int
    code_size: int
    n_updates: int
    batch_size: int


def choose_capacity(
    classes: Int[np.ndarray, " n_cases"], n_channels: int, scatter: Scatter
) -> Capacity:
    """Apply the rule at the head of this file; ``scatter`` is that of the cases.

    >>> flat = Scatter(np.eye(40), np.full(40, 1.0), 0.0, 1.0)
    >>> choose_capacity(np.repeat([0, 1], 4), 2, flat)
    Capacity(n_cells=16, code_size=4, n_updates=3000, batch_size=16)
    >>> choose_capacity(np.repeat([0, 1], 128), 2, flat)
    Capacity(n_cells=24, code_size=16, n_updates=11300, batch_size=32)
    """
    n = int(np.unique(classes, return_counts=True)[1].max())
    n_cells = 16 if n <= 8 else 24 if n <= 256 else 32 if n <= 1024 else 48
    total = scatter.variances.sum() or 1.0
    holding = 1 + int(np.searchsorted(np.cumsum(scatter.variances) / total, VARIANCE_HELD))
    return Capacity(
        max(n_cells, 32 if n_channels >= 8 else 0),
        int(np.clip(holding, MIN_CODE, max(min(MAX_CODE, n // 3), MIN_CODE))),
        int(np.clip(1000 * np.sqrt(n), MIN_UPDATES, MAX_UPDATES) / 100) * 100,
        16 if n <= 16 else 32 if n <= 256 else 64,
    )
