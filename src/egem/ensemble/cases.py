"""Cases as the search works on them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int

from egem.core.inversion import Targets
from egem.core.metric import Metric, factor
from egem.data.preparation import Batch, mask_patterns


class BoundCases(NamedTuple):
    """Cases, with the metric marginalised over what is missing in each."""

    values: Float32[np.ndarray, "n t c"]  # the cases, 0 where a value is missing
    mask: Bool[np.ndarray, "n t c"]  # the cases, 0 where a value is missing
    # the metric's factor for each pattern of missing values
    factors: Float32[np.ndarray, "n_patterns q q"]
    pattern: Int[np.ndarray, " n"]  # each case's pattern
    n_observed: Float32[np.ndarray, " n"]  # observed values of each case

    @classmethod
    def of(cls, batch: Batch, metric: Metric) -> "BoundCases":
        """Bind the metric."""
        flat = batch.mask.reshape(batch.n_cases, -1)
        patterns, pattern = mask_patterns(flat)
        factors = np.stack([factor(metric, seen) for seen in patterns])
        n_observed = flat.sum(axis=1).astype(np.float32)
        return cls(batch.values, batch.mask, factors, pattern, n_observed)

    @property
    def flat(self) -> tuple[Float32[np.ndarray, "n p"], Bool[np.ndarray, "n p"]]:
        """Values and mask, with steps and channels along one axis."""
        return self.values.reshape(len(self.values), -1), self.mask.reshape(len(self.mask), -1)

    def targets(self, cases: Int[np.ndarray, "*n"]) -> Targets:
        """Return some cases; those that miss the same values share a factor."""
        pattern = self.pattern[cases]
        alike = (pattern == pattern.flat[0]).all()
        factors = self.factors[pattern.flat[0] if alike else pattern]
        return Targets(self.values[cases], self.mask[cases], factors, self.n_observed[cases])


def axes_of(targets: Targets) -> Targets:
    """Return the axis of groups of each field, for :func:`jax.vmap`; a shared factor has none."""
    return Targets(0, 0, None if targets.factor.ndim == 2 else 0, 0)  # type: ignore[arg-type]
