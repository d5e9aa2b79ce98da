"""Spaces: where a sequence may be compared with what a class can bring forth.

A space describes a sequence by a vector: the values on the experts' grid (``"raw"``), convolution
features (:mod:`egem.features`), or what a user's own representation returns. In each space the
spread of cases about their class means is estimated from all classes together, and a class is the
mean of its cases plus any combination of their differences, its *hull*: what a linear expert could
imagine. The loss of a case against a hull is the least, over combinations ``a``, of::

    r' Sigma^-1 r + ridge |a|^2,     r = x - mean - a'B,     Sigma = floor I + (1 - s) D diag(v) D'

divided by the number of observed values, where ``s`` is the shrinkage and ``floor`` is ``s`` times
the mean variance. What is missing in a case is left out, which marginalises it exactly. Instead of
one shrinkage and one ridge, the log of the loss is averaged over several, by how well each told
held-out training cases apart (:mod:`egem.evidence`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Int

from .linear import svd
from .metric import Scatter, patterns_of, principal
from .prepare import Batch
from .validation import Case

MOST_HULL_DIRECTIONS = 128
VALUES_AT_ONCE = 2**21  # of all differences between cases and hulls


@runtime_checkable
class Representation(Protocol):
    """What a user may hand in as ``metric``: a description of sequences by vectors.

    Examples
    --------
    Spectra, which forget where in time something happened:

    >>> import numpy as np
    >>> class Spectra:
    ...     def fit(self, cases):
    ...         self.length = max(x.shape[1] for x in cases)
    ...         return self
    ...     def transform(self, cases):
    ...         padded = [np.nan_to_num(x) for x in cases]
    ...         power = [abs(np.fft.rfft(x, self.length)) for x in padded]
    ...         return np.log1p(np.array([p.ravel() for p in power]))
    >>> isinstance(Spectra(), Representation)
    True
    """

    def fit(self, cases: list[Case]) -> Self:
        """Learn what is needed from training cases, arrays (n_channels, length_i)."""
        ...

    def transform(self, cases: list[Case]) -> Float[np.ndarray, "n p"]:
        """Describe each case by a finite vector, nearer for more similar cases."""
        ...


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


class Usual(NamedTuple):
    """Mean and spread of the log loss that held-out training cases had against their own class."""

    mean: float
    spread: float


@dataclass(frozen=True, eq=False)
class Space:
    """A space with its measure, estimated from the training cases of all classes.

    Attributes
    ----------
    name : str
        ``"raw"``, ``"features"``, ``"columns"`` or ``"own"``.
    scatter : Scatter
        Spread about class means.
    candidates : tuple of Candidate
        Ways to measure; shares sum to 1.
    weight : float
        Exponent of this space's loss in the classifier's decision.
    usual : Usual or None
        What to expect of a case's log loss; None where no training case could be held out.
    """

    name: str
    scatter: Scatter
    candidates: tuple[Candidate, ...]
    weight: float
    usual: Usual | None = None

    def log_losses(self, hulls: Sequence[Hull], batch: Batch) -> Float[np.ndarray, "n n_classes"]:
        """Return the averaged log loss of each case against each class's hull."""
        each = log_losses(self.scatter, hulls, batch, self.candidates)
        return np.einsum("m,mnc->nc", [c.share for c in self.candidates], each)

    def strangeness(self, log_losses: Float[np.ndarray, "n n_classes"]) -> Float[np.ndarray, " n"]:
        """Return by how many spreads each case is further from its nearest class than usual."""
        if self.usual is None:
            return np.zeros(len(log_losses))
        return (log_losses.min(axis=1) - self.usual.mean) / self.usual.spread


def as_batch(vectors: Float[np.ndarray, "n p"]) -> Batch:
    """Take complete vectors for cases of p steps and one channel."""
    values = np.asarray(vectors, np.float32)[:, :, None]
    return Batch(values, np.ones(values.shape, bool))


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
    values = batch.values.reshape(batch.n_cases, -1)
    patterns, pattern = patterns_of(batch.mask.reshape(values.shape))
    means = np.stack([each.mean for each in hulls]).astype(np.float64)
    widths = np.array([len(each.basis) for each in hulls])
    bases = np.zeros((len(hulls), widths.max(), values.shape[1]))
    for j, each in enumerate(hulls):
        bases[j, : widths[j]] = each.basis
    out = np.zeros((len(candidates), batch.n_cases, len(hulls)))
    for i, seen in enumerate(patterns):
        alike = np.flatnonzero(pattern == i)
        spread = _seen_spread(scatter, seen)
        seen = slice(None) if seen.all() else seen
        shown = _Shown.of(
            means[:, seen], bases[:, :, seen], widths, spread, scatter.mean_variance, candidates
        )
        at_once = VALUES_AT_ONCE // (len(hulls) * (bases.shape[1] + spread[0].shape[1]))
        for of in np.array_split(alike, -(-len(alike) // max(at_once, 1))):
            out[:, of] = shown.losses(values[of][:, seen].astype(np.float64))
    return np.log(np.maximum(out, 1e-12))


def _seen_spread(scatter: Scatter, seen: np.ndarray):
    """Orthonormal directions and variances of the scatter among observed values."""
    if seen.all():
        return scatter.directions, scatter.variances
    spread = scatter.directions[seen] * np.sqrt(scatter.variances)
    u, s, _ = svd(spread)
    return u, s**2


class _Measure(NamedTuple):
    """One candidate, worked out for all hulls: ``loss = (length - |root z|^2) / n_values``."""

    level: int  # which of the shrinkages
    root: Float[np.ndarray, "c r r"]


@dataclass(frozen=True, eq=False)
class _Shown:
    """What cases that miss the same values show of hulls and scatter.

    Hulls of fewer directions than the widest have rows of 0, which no combination makes use of.
    """

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
