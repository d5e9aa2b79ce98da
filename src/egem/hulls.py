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


Pieces = tuple[Hull, ...]  # of one class: what is nearest of them counts; see egem.pieces


def hull(batch: Batch, most_directions: int = MOST_HULL_DIRECTIONS) -> Hull:
    """Span the cases of one class; a value that is missing counts as the class's mean there."""
    mean, basis = about_mean(batch)
    if len(basis) > most_directions:
        basis = _leading(basis, most_directions)
    return Hull(mean.astype(np.float32), basis.astype(np.float32))


def about_mean(batch: Batch) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, "n p"]]:
    """Return the mean of cases and what each differs from it, nothing where it is missing."""
    values = batch.values.reshape(batch.n_cases, -1).astype(np.float64)
    mask = batch.mask.reshape(values.shape)
    mean = values.sum(axis=0) / np.maximum(mask.sum(axis=0), 1)
    return mean, np.where(mask, values - mean, 0.0)


def _leading(rows: Float[np.ndarray, "n p"], most: int) -> Float[np.ndarray, "r p"]:
    """Return principal directions times their lengths, the longest first."""
    if len(rows) <= rows.shape[1]:
        _, combinations = np.linalg.eigh(rows @ rows.T)
        return combinations[:, : -most - 1 : -1].T @ rows
    lengths, directions = principal(rows)
    return (lengths[:, None] * directions)[:most]


def log_losses(
    scatter: Scatter, hulls: Sequence[Pieces], batch: Batch, candidates: Sequence[Candidate]
) -> Float[np.ndarray, "n_candidates n n_classes"]:
    """Measure cases against hulls in several ways.

    Parameters
    ----------
    scatter : Scatter
        Spread about class means.
    hulls : sequence of tuple of Hull
        Those of each class.
    batch : Batch
        The cases.
    candidates : sequence of Candidate
        Ways to measure.

    Returns
    -------
    array (n_candidates, n, n_classes)
    """
    return Gauge.of(scatter, hulls, candidates).log_losses(batch)


def averaged(
    log_losses: Float[np.ndarray, "m n c"], candidates: Sequence[Candidate]
) -> Float[np.ndarray, "n c"]:
    """Average the log losses of several ways to measure."""
    return np.einsum("m,mnc->nc", [c.share for c in candidates], log_losses)


@dataclass(frozen=True, eq=False)
class Gauge:
    """Measures cases against the hulls of all classes, in several ways.

    Hulls of fewer directions than the widest have rows of 0, which no combination makes use of.
    """

    scatter: Scatter
    means: Float[np.ndarray, "c p"]
    bases: Float[np.ndarray, "c r p"]
    widths: Int[np.ndarray, " c"]
    firsts: Int[np.ndarray, " n_classes"]  # which hull is a class's first
    candidates: tuple[Candidate, ...]

    @staticmethod
    def of(scatter: Scatter, hulls: Sequence[Pieces], candidates: Sequence[Candidate]) -> "Gauge":
        """Lay hulls side by side, those of a class next to each other."""
        flat = [each for pieces in hulls for each in pieces]
        firsts = np.cumsum([0, *(len(pieces) for pieces in hulls[:-1])])
        means = np.stack([each.mean for each in flat]).astype(np.float64)
        widths = np.array([len(each.basis) for each in flat])
        bases = np.zeros((len(flat), widths.max(), means.shape[1]))
        for j, each in enumerate(flat):
            bases[j, : widths[j]] = each.basis
        return Gauge(scatter, means, bases, widths, firsts, tuple(candidates))

    def log_losses(self, batch: Batch) -> Float[np.ndarray, "n_candidates n n_classes"]:
        """Return the log loss of each case against the nearest hull of each class, each way."""
        values = batch.values.reshape(batch.n_cases, -1)
        patterns, pattern = patterns_of(batch.mask.reshape(values.shape))
        out = np.zeros((len(self.candidates), batch.n_cases, len(self.firsts)))
        for i, seen in enumerate(patterns):
            alike = np.flatnonzero(pattern == i)
            shown = self._whole if seen.all() else self._shown(seen)
            at_once = max(VALUES_AT_ONCE // (len(self.means) * self.bases.shape[1]), 1)
            for of in np.array_split(alike, -(-len(alike) // at_once)):
                each = shown.losses(values[of][:, seen].astype(np.float64))
                out[:, of] = np.minimum.reduceat(each, self.firsts, axis=2)
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


class _Level(NamedTuple):
    """Means and bases times ``Sigma^-1``: what is then left to do for cases is a matrix product."""

    directions: Float[np.ndarray, "p q"]
    less: Float[np.ndarray, " q"]  # share of a direction that the scatter explains
    floor: float
    centres: Float[np.ndarray, "c p"]
    lengths: Float[np.ndarray, " c"]  # of the means
    rows: Float[np.ndarray, "c*r p"]
    offsets: Float[np.ndarray, "c r"]  # products of bases and means

    @staticmethod
    def of(
        means: Float[np.ndarray, "c p"],
        bases: Float[np.ndarray, "c r p"],
        directions: Float[np.ndarray, "p q"],
        less: Float[np.ndarray, " q"],
        floor: float,
    ) -> "_Level":
        """Weigh means and bases."""

        def weighed(rows: Float[np.ndarray, "n p"]) -> Float[np.ndarray, "n p"]:
            return (rows - ((rows @ directions) * less) @ directions.T) / floor

        centres, rows = weighed(means), weighed(bases.reshape(-1, bases.shape[2]))
        lengths = np.einsum("cp,cp->c", centres, means)
        offsets = np.einsum("crp,cp->cr", rows.reshape(bases.shape), means)
        return _Level(directions, less, floor, centres, lengths, rows, offsets)

    def of_cases(
        self, x: Float[np.ndarray, "n p"]
    ) -> tuple[Float[np.ndarray, "c n"], Float[np.ndarray, "c r n"]]:
        """Return squared lengths of ``x - mean`` and products with the bases, for all hulls."""
        own = ((x**2).sum(axis=1) - (x @ self.directions) ** 2 @ self.less) / self.floor
        lengths = own + self.lengths[:, None] - 2.0 * self.centres @ x.T
        products = (self.rows @ x.T).reshape(*self.offsets.shape, len(x))
        products -= self.offsets[:, :, None]
        return lengths, products


@dataclass(frozen=True, eq=False)
class _Shown:
    """Hulls and scatter, as far as cases show them, with all that does not depend on cases."""

    levels: tuple["_Level", ...]
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
        shrinkages = sorted({candidate.shrinkage for candidate in candidates})
        levels, measures = [], []
        for shrinkage in shrinkages:
            floor = shrinkage * (mean_variance or 1.0)
            explained = (1.0 - shrinkage) * variances
            less = explained / (explained + floor)
            levels.append(_Level.of(means, bases, directions, less, floor))
        identity = np.eye(bases.shape[1])
        for candidate in candidates:
            at = shrinkages.index(candidate.shrinkage)
            gram = levels[at].rows.reshape(bases.shape) @ bases.swapaxes(1, 2)
            price = candidate.ridge * np.trace(gram, axis1=1, axis2=2) / widths + 1e-9
            factor = np.linalg.cholesky(gram + price[:, None, None] * identity)
            measures.append(_Measure(at, np.linalg.inv(factor)))
        return _Shown(tuple(levels), tuple(measures))

    def losses(self, x: Float[np.ndarray, "n p"]) -> Float[np.ndarray, "n_candidates n c"]:
        """Measure cases against all hulls."""
        found = [level.of_cases(x) for level in self.levels]
        out = np.zeros((len(self.measures), len(x), len(self.measures[0].root)))
        for i, (level, root) in enumerate(self.measures):
            length, products = found[level]
            combined = root @ products
            out[i] = (length - np.einsum("crn,crn->cn", combined, combined)).T
        return out / x.shape[1]
