"""Hulls: the mean of a class's cases plus any combination of their differences.

That is what a linear expert could imagine. The loss of a case against a hull is the least, over
combinations ``a``, of::

    r' Sigma^-1 r + ridge |a|^2,     r = x - mean - a'B,     Sigma = floor I + (1 - s) D diag(v) D'

divided by the number of observed values, where ``s`` is the shrinkage and ``floor`` is ``s`` times
the mean variance. What is missing in a case is left out, which marginalises it exactly.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from egem.data.preparation import Batch
from egem.ensemble.metric import Scatter, patterns_of, principal
from egem.runtime.linalg import svd
from egem.runtime.memo import Last

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


Pieces = tuple[Hull, ...]  # of one class: what is nearest of them counts; see egem.ensemble.pieces


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
    log_losses: Float[np.ndarray, "m *n"], candidates: Sequence[Candidate]
) -> Float[np.ndarray, "*n"]:
    """Average the log losses of several ways to measure."""
    return np.einsum("m,m...->...", [c.share for c in candidates], log_losses)


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
        out = np.zeros((len(self.candidates), batch.n_cases, len(self.firsts)))
        for of, each in self._measured(batch):
            out[:, of] = each.swapaxes(1, 2)
        return out

    def averaged(self, batch: Batch) -> Float[np.ndarray, "n n_classes"]:
        """Return :func:`averaged` log losses, for which not all of them are kept."""
        out = np.zeros((batch.n_cases, len(self.firsts)))
        for of, each in self._measured(batch):
            out[of] = averaged(each, self.candidates).T
        return out

    def _measured(
        self, batch: Batch
    ) -> Iterator[tuple[Int[np.ndarray, " n"], Float[np.ndarray, "n_candidates n_classes n"]]]:
        """Yield some cases and their log losses, until there are no more."""
        values = batch.values.reshape(batch.n_cases, -1)
        patterns, pattern = patterns_of(batch.mask.reshape(values.shape))
        at_once = max(VALUES_AT_ONCE // (len(self.means) * self.bases.shape[1]), 1)
        for i, seen in enumerate(patterns):
            alike = np.flatnonzero(pattern == i)
            shown = self._whole if seen.all() else self._shown(seen)
            for of in np.array_split(alike, -(-len(alike) // at_once)):
                each = shown.losses(values[of][:, seen].astype(np.float64))
                if len(self.firsts) < len(self.means):
                    each = np.minimum.reduceat(each, self.firsts, axis=1)
                yield of, np.log(np.maximum(each, 1e-12, out=each), out=each)

    @cached_property
    def _whole(self) -> "_Shown":
        """What complete cases show; as a rule all are."""
        spread = self.scatter.directions, self.scatter.variances
        return self._as_shown(self.means, self.bases, spread)

    def _shown(self, seen: Bool[np.ndarray, " p"]) -> "_Shown":
        """What cases that miss the same values show; that of the last such cases is at hand."""

        def make() -> _Shown:
            # Orthonormal directions and variances of the scatter among observed values.
            u, s, _ = svd(self.scatter.directions[seen] * np.sqrt(self.scatter.variances))
            return self._as_shown(self.means[:, seen], self.bases[:, :, seen], (u, s**2))

        return self._last.get(seen.tobytes(), make)

    @cached_property
    def _last(self) -> "Last[_Shown]":
        return Last()

    def _as_shown(self, means, bases, spread) -> "_Shown":
        variance = self.scatter.mean_variance
        return _Shown.of(means, bases, self.widths, spread, variance, self.candidates)


class _Level(NamedTuple):
    """Hulls measured with one shrinkage, at several prices.

    Bases are turned so that their rows do not meet in ``Sigma^-1``: then each price only weighs
    anew what is explained along each, and what is left to do for cases is a matrix product.
    """

    candidates: Int[np.ndarray, " m"]  # their places
    less: Float[np.ndarray, " q"]  # share of a direction that the scatter explains
    floor: float
    centres: Float[np.ndarray, "c p"]  # means times Sigma^-1
    lengths: Float[np.ndarray, " c"]  # of the means
    rows: Float[np.ndarray, "c*r p"]  # bases times Sigma^-1
    offsets: Float[np.ndarray, "c r"]  # products of bases and means
    weights: Float[np.ndarray, "c m r"]

    @staticmethod
    def of(
        means: Float[np.ndarray, "c p"],
        bases: Float[np.ndarray, "c r p"],
        widths: Int[np.ndarray, " c"],
        directions: Float[np.ndarray, "p q"],
        less: Float[np.ndarray, " q"],
        floor: float,
        ridges: dict[int, float],
    ) -> "_Level":
        """Work out what does not depend on the cases; ``ridges`` by candidates' places."""

        def weighed(rows: Float[np.ndarray, "n p"]) -> Float[np.ndarray, "n p"]:
            return (rows - ((rows @ directions) * less) @ directions.T) / floor

        centres, rows = weighed(means), weighed(bases.reshape(-1, bases.shape[2]))
        lengths = np.einsum("cp,cp->c", centres, means)
        rows = rows.reshape(bases.shape)
        squares, turns = np.linalg.eigh(rows @ bases.swapaxes(1, 2))
        squares, turns = np.maximum(squares, 0.0), turns.swapaxes(1, 2)
        rows = turns @ rows
        offsets = np.einsum("crp,cp->cr", rows, means)
        usual = squares.sum(axis=1) / widths
        prices = np.outer(usual, list(ridges.values())) + 1e-9
        weights = 1.0 / (squares[:, None] + prices[:, :, None])
        rows = rows.reshape(-1, bases.shape[2])
        return _Level(np.array(list(ridges)), less, floor, centres, lengths, rows, offsets, weights)

    def losses(
        self,
        x: Float[np.ndarray, "n p"],
        length: Float[np.ndarray, " n"],
        along: Float[np.ndarray, "n q"],
    ) -> Float[np.ndarray, "c m n"]:
        """Measure cases against all hulls.

        ``length`` is the plain squared length of x, ``along`` its squares along the directions.
        """
        own = (length - along @ self.less) / self.floor
        lengths = own + self.lengths[:, None] - 2.0 * self.centres @ x.T
        products = (self.rows @ x.T).reshape(*self.offsets.shape, len(x))
        products -= self.offsets[:, :, None]
        np.square(products, out=products)
        return (lengths[:, None] - self.weights @ products) / x.shape[1]


@dataclass(frozen=True, eq=False)
class _Shown:
    """Hulls and scatter, as far as cases show them, with all that does not depend on cases."""

    directions: Float[np.ndarray, "p q"]
    levels: tuple[_Level, ...]
    shape: tuple[int, int]  # candidates and hulls

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
        levels = []
        for shrinkage in sorted({candidate.shrinkage for candidate in candidates}):
            floor = shrinkage * (mean_variance or 1.0)
            explained = (1.0 - shrinkage) * variances
            less = explained / (explained + floor)
            ridges = {i: c.ridge for i, c in enumerate(candidates) if c.shrinkage == shrinkage}
            levels.append(_Level.of(means, bases, widths, directions, less, floor, ridges))
        return _Shown(directions, tuple(levels), (len(candidates), len(means)))

    def losses(self, x: Float[np.ndarray, "n p"]) -> Float[np.ndarray, "n_candidates c n"]:
        """Measure cases against all hulls."""
        out = np.zeros((*self.shape, len(x)))
        length, along = (x**2).sum(axis=1), (x @ self.directions) ** 2
        for level in self.levels:
            out[level.candidates] = level.losses(x, length, along).swapaxes(0, 1)
        return out
