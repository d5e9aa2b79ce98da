"""The scatter of training cases about their class means."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from egem.core.metric import Scatter
from egem.data.preparation import Batch
from egem.runtime.linalg import principal

MAX_DIRECTIONS = 96
COPIES_FREEDOM = 10.0  # degrees of freedom that deformed copies count as


class Copies(NamedTuple):
    """Deformed copies of training cases, which widen the scatter where cases are few."""

    of: Int[np.ndarray, " m"]  # the case that each is a copy of
    differences: Float[np.ndarray, "m p"]  # copy less case, 0 where one of them misses a value

    def among(self, kept: Bool[np.ndarray, " n_cases"]) -> "Copies":
        """Keep the copies of some cases, which are numbered anew."""
        number = np.cumsum(kept) - 1
        mine = kept[self.of]
        return Copies(number[self.of[mine]], self.differences[mine])


def class_scatter(
    batch: Batch,
    classes: Int[np.ndarray, " n_cases"],
    max_directions: int = MAX_DIRECTIONS,
    copies: Copies | None = None,
) -> Scatter:
    """Estimate the pooled within-class covariance.

    A missing value counts as its class mean, and each value's spread is scaled up by how often it
    was missing, which keeps variances unbiased and the estimate positive semi-definite. Copies
    count as ``COPIES_FREEDOM`` further degrees of freedom. Without copies all variances are 0 where
    every class has a single case.
    """
    values = batch.values.reshape(batch.n_cases, -1).astype(np.float64)
    mask = batch.mask.reshape(values.shape)
    residuals = np.zeros_like(values)
    freedom = np.zeros(values.shape[1])
    for c in np.unique(classes):
        of = classes == c
        count = mask[of].sum(axis=0)
        mean = values[of].sum(axis=0) / np.maximum(count, 1)
        residuals[of] = np.where(mask[of], values[of] - mean, 0.0)
        freedom += np.maximum(count - 1, 0)
    if copies is not None and len(copies.of):
        added = COPIES_FREEDOM * (copies.differences != 0).any(axis=0)
        freedom += added
        rows = copies.differences * np.sqrt(added / len(copies.of))
        residuals = np.concatenate([residuals, rows])
    residuals /= np.sqrt(np.maximum(freedom, 1))
    s, directions = principal(residuals)
    keep = (s > 1e-6 * max(s[0], 1e-12))[:max_directions]
    used = max(int((freedom > 0).sum()), 1)
    kept = s[: len(keep)][keep] ** 2
    total = float((s**2).sum())
    tail = max(total - float(kept.sum()), 0.0) / used
    # In the order of a loaded file, so that its losses are the same to the last bit.
    columns = np.ascontiguousarray(directions[: len(keep)][keep].T)
    return Scatter(columns, kept, tail, total / used)
