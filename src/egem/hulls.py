"""Hulls: the mean of a class's cases plus any combination of their differences.

That is what a linear expert could imagine. The loss of a case against a hull is the least, over
combinations ``a``, of::

    r' Sigma^-1 r + ridge |a|^2,     r = x - mean - a'B,     Sigma = floor I + (1 - s) D diag(v) D'

divided by the number of observed values, where ``s`` is the shrinkage and ``floor`` is ``s`` times
the mean variance. What is missing in a case is left out, which marginalises it exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from .linear import svd
from .metric import Scatter, patterns_of, principal
from .prepare import Batch

MOST_HULL_DIRECTIONS = 128
VALUES_AT_ONCE = 2**21  # of what is worked out for each case and hull


class Hull(NamedTuple):
    """What a class's cases span in a space.

    Attributes
    ----------
    mean : array (p,)
        Mean of the class's cases.
    basis : array (r, p)
        Their differences from it, or as many principal directions, times their length.
    """

    mean: Float32[np.ndarray, " p"]
    basis: Float32[np.ndarray, "r p"]


class Candidate(NamedTuple):
    """One way to measure in a space, and how much it counts.

    Attributes
    ----------
    shrinkage : float
        Weight of the identity in Sigma.
    ridge : float
        Price of a combination, relative to the mean squared length of the basis.
    share : float
        Weight in the average of log losses.
    """

    shrinkage: float
    ridge: float
    share: float


def hull(batch: Batch) -> Hull:
    """Span the cases of one class; a value that is missing counts as the class's mean there."""
    values = batch.values.reshape(batch.n_cases, -1).astype(np.float64)
    mask = batch.mask.reshape(values.shape)
    mean = values.sum(axis=0) / np.maximum(mask.sum(axis=0), 1)
    basis = np.where(mask, values - mean, 0.0)
    if len(basis) > MOST_HULL_DIRECTIONS:
        lengths, directions = principal(basis)
        basis = (lengths[:, None] * directions)[:MOST_HULL_DIRECTIONS]
    return Hull(mean.astype(np.float32), basis.astype(np.float32))


def log_losses(
    scatter: Scatter, hulls: Sequence[Hull], batch: Batch, candidates: Sequence[Candidate]
) -> Float[np.ndarray, "n_candidates n n_classes"]:
    """Measure cases against hulls in several ways.

    Parameters
    ----------
    scatter : Scatter
        Spread about class means.
    hulls : sequence of Hull
        One a class.
    batch : Batch
        The cases.
    candidates : sequence of Candidate
        Ways to measure.

    Returns
    -------
    array (n_candidates, n, n_classes)
    """
    return Gauge.of(scatter, hulls, candidates).log_losses(batch)


@dataclass(frozen=True, eq=False)
class Gauge:
    """Measures cases against the hulls of all classes, in several ways.

    Hulls of fewer directions than the widest have rows of 0, which no combination makes use of.
    """

    scatter: Scatter
    means: Float[np.ndarray, "c p"]
    bases: Float[np.ndarray, "c r p"]
    widths: Int[np.ndarray, " c"]
    candidates: tuple[Candidate, ...]

    @staticmethod
    def of(scatter: Scatter, hulls: Sequence[Hull], candidates: Sequence[Candidate]) -> "Gauge":
        """Lay hulls side by side."""
        means = np.stack([each.mean for each in hulls]).astype(np.float64)
        widths = np.array([len(each.basis) for each in hulls])
        bases = np.zeros((len(hulls), widths.max(), means.shape[1]))
        for j, each in enumerate(hulls):
            bases[j, : widths[j]] = each.basis
        return Gauge(scatter, means, bases, widths, tuple(candidates))

    def log_losses(self, batch: Batch) -> Float[np.ndarray, "n_candidates n n_classes"]:
        """Return the log loss of each case against each hull, for each candidate."""
        values = batch.values.reshape(batch.n_cases, -1)
        patterns, pattern = patterns_of(batch.mask.reshape(values.shape))
        out = np.zeros((len(self.candidates), batch.n_cases, len(self.means)))
        for i, seen in enumerate(patterns):
            alike = np.flatnonzero(pattern == i)
            shown = self._whole if seen.all() else self._shown(seen)
            size = shown.directions.shape[1] + self.bases.shape[1]
            at_once = max(VALUES_AT_ONCE // (len(self.means) * size), 1)
            for of in np.array_split(alike, -(-len(alike) // at_once)):
                out[:, of] = shown.losses(values[of][:, seen].astype(np.float64))
        return np.log(np.maximum(out, 1e-12))

    @cached_property
    def _whole(self) -> "_Shown":
        """What complete cases show; as a rule all are."""
        spread = self.scatter.directions, self.scatter.variances
        variance = self.scatter.mean_variance
        return _Shown.of(self.means, self.bases, self.widths, spread, variance, self.candidates)

    def _shown(self, seen: Bool[np.ndarray, " p"]) -> "_Shown":
        """What cases that miss the same values show of hulls and scatter."""
        # Orthonormal directions and variances of the scatter among observed values.
        u, s, _ = svd(self.scatter.directions[seen] * np.sqrt(self.scatter.variances))
        return _Shown.of(
            self.means[:, seen],
            self.bases[:, :, seen],
            self.widths,
            (u, s**2),
            self.scatter.mean_variance,
            self.candidates,
        )


class _Measure(NamedTuple):
    """One candidate, worked out for all hulls: ``loss = (length - |root z|^2) / n_values``."""

    level: int  # which of the shrinkages
    root: Float[np.ndarray, "c r r"]


@dataclass(frozen=True, eq=False)
class _Shown:
    """Hulls and scatter, as far as cases show them, with all that does not depend on cases."""

    means: Float[np.ndarray, "c p"]
    bases: Float[np.ndarray, "c r p"]
    directions: Float[np.ndarray, "p q"]
    floors: Float[np.ndarray, " s"]
    less: Float[np.ndarray, "s q"]  # share of a direction that the scatter explains
    along: Float[np.ndarray, "s c r q"]  # what it explains of the bases
    measures: tuple[_Measure, ...]

    @staticmethod
    def of(
        means: Float[np.ndarray, "c p"],
        bases: Float[np.ndarray, "c r p"],
        widths: Int[np.ndarray, " c"],
        spread: tuple[Float[np.ndarray, "p q"], Float[np.ndarray, " q"]],
        mean_variance: float,
        candidates: Sequence[Candidate],
    ) -> "_Shown":
        """Work out what does not depend on the cases."""
        directions, variances = spread
        levels = sorted({candidate.shrinkage for candidate in candidates})
        floors = np.array(levels) * (mean_variance or 1.0)
        explained = (1.0 - np.array(levels))[:, None] * variances
        less = explained / (explained + floors[:, None])
        bases_along = bases @ directions
        along = bases_along * less[:, None, None]
        gram = bases @ bases.swapaxes(1, 2) - along @ bases_along.swapaxes(1, 2)
        gram /= floors[:, None, None, None]
        identity = np.eye(bases.shape[1])
        measures = []
        for candidate in candidates:
            level = levels.index(candidate.shrinkage)
            g = gram[level]
            price = candidate.ridge * np.trace(g, axis1=1, axis2=2) / widths + 1e-9
            factor = np.linalg.cholesky(g + price[:, None, None] * identity)
            measures.append(_Measure(level, np.linalg.inv(factor)))
        return _Shown(means, bases, directions, floors, less, along, tuple(measures))

    def losses(self, x: Float[np.ndarray, "n p"]) -> Float[np.ndarray, "n_candidates n c"]:
        """Measure cases against all hulls; nothing is as large as cases times hulls times values.

        Lengths and products of ``x - mean`` are put together from those of x and of the mean.
        """
        n, (n_hulls, r, p) = len(x), self.bases.shape
        cross = (self.bases.reshape(-1, p) @ x.T).reshape(n_hulls, r, n)
        cross -= np.einsum("crp,cp->cr", self.bases, self.means)[:, :, None]
        own = (self.means**2).sum(axis=1)[:, None] - 2.0 * self.means @ x.T + (x**2).sum(axis=1)
        away_along = x @ self.directions - (self.means @ self.directions)[:, None]
        explained = (away_along**2) @ self.less.T
        out = np.zeros((len(self.measures), n, n_hulls))
        products: dict[int, np.ndarray] = {}
        for i, (level, root) in enumerate(self.measures):
            floor = self.floors[level]
            if level not in products:
                products[level] = (cross - self.along[level] @ away_along.swapaxes(1, 2)) / floor
            combined = root @ products[level]
            length = (own - explained[:, :, level]) / floor
            out[i] = (length - (combined**2).sum(axis=1)).T
        return out / p
