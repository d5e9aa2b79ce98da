"""Spaces: where a sequence may be compared with what a class can bring forth.

A space describes a sequence by a vector: the values on the experts' grid (``"raw"``), convolution
features (:mod:`egem.ensemble.features`), or what a user's own representation returns. In each space
the spread of cases about their class means is estimated from all classes together, and cases are
measured against each class's hull (:mod:`egem.ensemble.linear`). Instead of one shrinkage and one
ridge, the log of the loss is averaged over several, by how well each told held-out training cases
apart (:mod:`egem.calibration.weights`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from jaxtyping import Float

from egem.data.preparation import Batch
from egem.data.validation import Case
from egem.ensemble.linear import Candidate, Gauge, Pieces
from egem.ensemble.metric import Scatter
from egem.runtime.memo import Cached, Last


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


class Usual(NamedTuple):
    """Mean and spread of the log loss that held-out training cases had against their own class."""

    mean: float
    spread: float


@dataclass(frozen=True, eq=False)
class Space(Cached):
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

    def log_losses(self, hulls: Sequence[Pieces], batch: Batch) -> Float[np.ndarray, "n n_classes"]:
        """Return the averaged log loss of each case against the nearest hull of each class."""
        return self._gauge(hulls).averaged(batch)

    def _gauge(self, hulls: Sequence[Pieces]) -> Gauge:
        """Lay the hulls out, or take what was laid out last: that of one case would be most."""

        def make() -> tuple[Gauge, tuple[Pieces, ...]]:  # no others get the same ids meanwhile
            return Gauge.of(self.scatter, hulls, self.candidates), tuple(hulls)

        return self._last.get(tuple(map(id, hulls)), make)[0]

    @cached_property
    def _last(self) -> Last[tuple[Gauge, tuple[Pieces, ...]]]:
        return Last()

    def strangeness(self, log_losses: Float[np.ndarray, "n n_classes"]) -> Float[np.ndarray, " n"]:
        """Return by how many spreads each case is further from its nearest class than usual."""
        if self.usual is None:
            return np.zeros(len(log_losses))
        return (log_losses.min(axis=1) - self.usual.mean) / self.usual.spread


def as_batch(vectors: Float[np.ndarray, "n p"]) -> Batch:
    """Take complete vectors for cases of p steps and one channel."""
    values = np.asarray(vectors, np.float32)[:, :, None]
    return Batch(values, np.ones(values.shape, bool))
