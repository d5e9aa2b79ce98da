"""Losses of cases against linear experts, in closed form and in several ways at once.

For each shrinkage the bases are turned so that their rows are orthogonal in ``Sigma^-1``. A ridge
then only reweights what is explained along each row, and cases cost one matrix product.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from egem.core.classify import MIN_LOSS
from egem.core.metric import Scatter
from egem.data.preparation import Batch, mask_patterns
from egem.runtime.linalg import svd
from egem.runtime.memo import Last
from egem.views.linear import LocalExperts

VALUES_AT_ONCE = 2**21  # of what is worked out for each case and expert


class LinearMetric(NamedTuple):
    """The whitened metric and prior of linear experts, one of several that are averaged."""

    shrinkage: float  # weight of the identity in Sigma
    # Precision of the prior on codes, relative to the mean squared length of the basis
    ridge: float
    mixing_weight: float  # weight in the average of log losses; all sum to 1


def log_losses(
    scatter: Scatter, experts: Sequence[LocalExperts], batch: Batch, metrics: Sequence[LinearMetric]
) -> Float[np.ndarray, "n_metrics n n_classes"]:
    """Return the log losses of cases against each class's nearest local expert."""
    return LinearLosses.of(scatter, experts, metrics).log_losses(batch)


def averaged(
    log_losses: Float[np.ndarray, "m *n"], metrics: Sequence[LinearMetric]
) -> Float[np.ndarray, "*n"]:
    """Average the log losses over the metrics."""
    return np.einsum("m,m...->...", [c.mixing_weight for c in metrics], log_losses)


@dataclass(frozen=True, eq=False)
class LinearLosses:
    """The linear experts of all classes side by side, with bases padded by rows of 0."""

    scatter: Scatter
    means: Float[np.ndarray, "c p"]
    bases: Float[np.ndarray, "c r p"]
    widths: Int[np.ndarray, " c"]
    firsts: Int[np.ndarray, " n_classes"]  # which expert is a class's first
    metrics: tuple[LinearMetric, ...]

    @classmethod
    def of(
        cls, scatter: Scatter, experts: Sequence[LocalExperts], metrics: Sequence[LinearMetric]
    ) -> "LinearLosses":
        """Lay experts side by side, the local ones of a class next to each other."""
        flat = [each for local in experts for each in local]
        firsts = np.cumsum([0, *(len(local) for local in experts[:-1])])
        means = np.stack([each.mean for each in flat]).astype(np.float64)
        widths = np.array([len(each.basis) for each in flat])
        bases = np.zeros((len(flat), widths.max(), means.shape[1]))
        for j, each in enumerate(flat):
            bases[j, : widths[j]] = each.basis
        return cls(scatter, means, bases, widths, firsts, tuple(metrics))

    def log_losses(self, batch: Batch) -> Float[np.ndarray, "n_metrics n n_classes"]:
        """Return the log loss of each case in each class's nearest local expert, by metric."""
        out = np.zeros((len(self.metrics), batch.n_cases, len(self.firsts)))
        for of, each in self._in_parts(batch):
            out[:, of] = each.swapaxes(1, 2)
        return out

    def averaged(self, batch: Batch) -> Float[np.ndarray, "n n_classes"]:
        """Return the same, averaged over the metrics."""
        out = np.zeros((batch.n_cases, len(self.firsts)))
        for of, each in self._in_parts(batch):
            out[of] = averaged(each, self.metrics).T
        return out

    def _in_parts(
        self, batch: Batch
    ) -> Iterator[tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n_metrics n_classes n"]]]:
        """Yield some cases at a time, and their log losses."""
        values = batch.values.reshape(batch.n_cases, -1)
        patterns, pattern = mask_patterns(batch.mask.reshape(values.shape))
        at_once = max(VALUES_AT_ONCE // (len(self.means) * self.bases.shape[1]), 1)
        for i, seen in enumerate(patterns):
            alike = np.flatnonzero(pattern == i)
            observed = self._complete if seen.all() else self._observed(seen)
            for of in np.array_split(alike, -(-len(alike) // at_once)):
                each = observed.losses(values[of][:, seen].astype(np.float64))
                if len(self.firsts) < len(self.means):
                    each = np.minimum.reduceat(each, self.firsts, axis=1)
                yield of, np.log(np.maximum(each, MIN_LOSS, out=each), out=each)

    @cached_property
    def _complete(self) -> "_Observed":
        spread = self.scatter.directions, self.scatter.variances
        return self._as_observed(self.means, self.bases, spread)

    def _observed(self, seen: Bool[np.ndarray, " p"]) -> "_Observed":
        """Restrict experts to observed values; the last result is kept."""

        def make() -> _Observed:
            # Orthonormal directions and variances of the scatter among observed values.
            u, s, _ = svd(self.scatter.directions[seen] * np.sqrt(self.scatter.variances))
            return self._as_observed(self.means[:, seen], self.bases[:, :, seen], (u, s**2))

        return self._last.get(seen.tobytes(), make)

    @cached_property
    def _last(self) -> "Last[_Observed]":
        return Last()

    def _as_observed(self, means, bases, spread) -> "_Observed":
        variance = self.scatter.mean_variance
        return _Observed.of(means, bases, self.widths, spread, variance, self.metrics)


class _Level(NamedTuple):
    """Linear experts in the metrics of one shrinkage."""

    metrics: Int[np.ndarray, " m"]  # positions among all
    less: Float[np.ndarray, " q"]  # share of a direction that the scatter explains
    floor: float
    centres: Float[np.ndarray, "c p"]  # means times Sigma^-1
    lengths: Float[np.ndarray, " c"]  # of the means
    rows: Float[np.ndarray, "c*r p"]  # bases times Sigma^-1
    offsets: Float[np.ndarray, "c r"]  # products of bases and means
    weights: Float[np.ndarray, "c m r"]

    @classmethod
    def of(
        cls,
        means: Float[np.ndarray, "c p"],
        bases: Float[np.ndarray, "c r p"],
        widths: Int[np.ndarray, " c"],
        directions: Float[np.ndarray, "p q"],
        less: Float[np.ndarray, " q"],
        floor: float,
        ridges: dict[int, float],
    ) -> "_Level":
        """Prepare what does not depend on the cases; ``ridges`` by position of their metric."""

        def times_inverse(rows: Float[np.ndarray, "n p"]) -> Float[np.ndarray, "n p"]:
            return (rows - ((rows @ directions) * less) @ directions.T) / floor

        centres, rows = times_inverse(means), times_inverse(bases.reshape(-1, bases.shape[2]))
        lengths = np.einsum("cp,cp->c", centres, means)
        rows = rows.reshape(bases.shape)
        squares, turns = np.linalg.eigh(rows @ bases.swapaxes(1, 2))
        squares, turns = np.maximum(squares, 0.0), turns.swapaxes(1, 2)
        rows = turns @ rows
        offsets = np.einsum("crp,cp->cr", rows, means)
        typical = squares.sum(axis=1) / widths
        precisions = np.outer(typical, list(ridges.values())) + 1e-9
        weights = 1.0 / (squares[:, None] + precisions[:, :, None])
        rows = rows.reshape(-1, bases.shape[2])
        return cls(np.array(list(ridges)), less, floor, centres, lengths, rows, offsets, weights)

    def losses(
        self,
        x: Float[np.ndarray, "n p"],
        length: Float[np.ndarray, " n"],
        along: Float[np.ndarray, "n q"],
    ) -> Float[np.ndarray, "c m n"]:
        """Return losses; ``length`` is |x|^2, ``along`` the squares along the directions."""
        own = (length - along @ self.less) / self.floor
        lengths = own + self.lengths[:, None] - 2.0 * self.centres @ x.T
        products = (self.rows @ x.T).reshape(*self.offsets.shape, len(x))
        products -= self.offsets[:, :, None]
        np.square(products, out=products)
        return (lengths[:, None] - self.weights @ products) / x.shape[1]


@dataclass(frozen=True, eq=False)
class _Observed:
    """Experts and scatter, restricted to the values that cases show."""

    directions: Float[np.ndarray, "p q"]
    levels: tuple[_Level, ...]
    shape: tuple[int, int]  # metrics and experts

    @classmethod
    def of(
        cls,
        means: Float[np.ndarray, "c p"],
        bases: Float[np.ndarray, "c r p"],
        widths: Int[np.ndarray, " c"],
        spread: tuple[Float[np.ndarray, "p q"], Float[np.ndarray, " q"]],
        mean_variance: float,
        metrics: Sequence[LinearMetric],
    ) -> "_Observed":
        """Prepare what does not depend on the cases."""
        directions, variances = spread
        levels = []
        for shrinkage in sorted({each.shrinkage for each in metrics}):
            floor = shrinkage * (mean_variance or 1.0)
            explained = (1.0 - shrinkage) * variances
            less = explained / (explained + floor)
            ridges = {i: c.ridge for i, c in enumerate(metrics) if c.shrinkage == shrinkage}
            levels.append(_Level.of(means, bases, widths, directions, less, floor, ridges))
        return cls(directions, tuple(levels), (len(metrics), len(means)))

    def losses(self, x: Float[np.ndarray, "n p"]) -> Float[np.ndarray, "n_metrics c n"]:
        """Return the losses of cases against all local experts."""
        out = np.zeros((*self.shape, len(x)))
        length, along = (x**2).sum(axis=1), (x @ self.directions) ** 2
        for level in self.levels:
            out[level.metrics] = level.losses(x, length, along).swapaxes(0, 1)
        return out
