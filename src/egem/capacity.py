"""How large an expert is and how long it is trained, from the cases it has to learn.

========== ============================================== ==================================
quantity   rule, n being the cases of the largest class   bounds
========== ============================================== ==================================
cells      16 up to 8 cases, 24 up to 256, 32 up to       at least 32 from 8 channels on
           1,024, 48 beyond
code       directions that hold 90 % of what differs      4 to 16, at most n / 3; only where
           within classes                                 codes are learned
updates    3000 up to 8 cases, 1000 sqrt(n) beyond        at most 20,000
batch      16 up to 16 cases, 32 up to 256, 64 beyond
========== ============================================== ==================================

Cells, code and updates can be set: ``n_cells``, ``code_size``, ``n_updates``. Steps, too, follow
from the data: see :func:`egem.data.preparation.fit_preparation`.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from egem.ensemble.metric import Scatter

HELD = 0.9  # share of the variance within classes that learned codes have to hold
FEWEST, MOST = 4, 16  # entries of a learned code
FEWEST_UPDATES, MOST_UPDATES = 3000, 20_000


class Capacity(NamedTuple):
    """Size and training length of an expert.

    Attributes
    ----------
    n_cells : int
        LSTM cells.
    code_size : int
        Entries of a learned code; one-hot codes have one a case.
    n_updates : int
        Gradient steps.
    batch_size : int
        Pairs in a step.
    """

    n_cells: int
    code_size: int
    n_updates: int
    batch_size: int


def choose_capacity(
    classes: Int[np.ndarray, " n_cases"], n_channels: int, scatter: Scatter
) -> Capacity:
    """Apply the rule to training cases.

    Parameters
    ----------
    classes : array of int (n_cases,)
        Class of each case.
    n_channels : int
        Channels of a case.
    scatter : Scatter
        Spread of the cases about their class means.

    Returns
    -------
    Capacity

    Examples
    --------
    >>> flat = Scatter(np.eye(40), np.full(40, 1.0), 0.0, 1.0)
    >>> choose_capacity(np.repeat([0, 1], 4), 2, flat)
    Capacity(n_cells=16, code_size=4, n_updates=3000, batch_size=16)
    >>> choose_capacity(np.repeat([0, 1], 128), 2, flat)
    Capacity(n_cells=24, code_size=16, n_updates=11300, batch_size=32)
    """
    n = int(np.unique(classes, return_counts=True)[1].max())
    n_cells = 16 if n <= 8 else 24 if n <= 256 else 32 if n <= 1024 else 48
    total = scatter.variances.sum() or 1.0
    holding = 1 + int(np.searchsorted(np.cumsum(scatter.variances) / total, HELD))
    return Capacity(
        max(n_cells, 32 if n_channels >= 8 else 0),
        int(np.clip(holding, FEWEST, max(min(MOST, n // 3), FEWEST))),
        int(np.clip(1000 * np.sqrt(n), FEWEST_UPDATES, MOST_UPDATES) / 100) * 100,
        16 if n <= 16 else 32 if n <= 256 else 64,
    )
