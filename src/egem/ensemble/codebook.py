"""Screening: the nearest of each expert's decoded codes, by one product of matrices.

With ``w = L^-1 B' x`` as in :mod:`egem.ensemble.metric`, the squared length of ``x - y`` is that of
x and that of y, less twice ``(x'y - w_x' w_y) / floor``: a product of all cases with all decoded
codes of all experts. What does not depend on the case, and the price of the code, is one more
column of it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float32, Int

from egem.ensemble.decoder import Expert, decode
from egem.ensemble.metric import Metric, Weights
from egem.runtime.memo import Cached, Last
from egem.runtime.parallel import run
from egem.runtime.progress import Advance

SCORES_AT_ONCE = 2**21
MOST_KEPT = 2**25  # values of books of which a second layout stays in memory


@dataclass(frozen=True, eq=False)
class Books(Cached):
    """Codes of every expert, decoded.

    Attributes
    ----------
    values : array (n_experts * n_book, p)
        Decoded codes, flat, those of an expert next to each other.
    prices : array (n_experts, n_book)
        Of their codes, ``strength * noise * |z - mean|^2_precision``.
    metric : Metric
        The metric of the loss.
    """

    values: Float32[np.ndarray, "b p"]
    prices: Float32[np.ndarray, "e m"]
    metric: Metric

    def of_expert(self, e: int) -> "Books":
        """Leave the book of one expert."""
        n_book = self.prices.shape[1]
        values = self.values[e * n_book :][:n_book]
        return Books(values, self.prices[e : e + 1], self.metric)

    def shown(
        self,
        experts: Int[np.ndarray, " e"],
        seen: Bool[np.ndarray, " p"],
        factor: Float32[np.ndarray, "q q"],
    ) -> "_Shown":
        """Lay out the books of some experts as cases show them that miss the same values."""
        if len(experts) < len(self.prices) or self.values.size > MOST_KEPT:
            return self._laid_out(experts, seen, factor)
        return self._last.get(seen.tobytes(), lambda: self._laid_out(experts, seen, factor))

    @cached_property
    def _last(self) -> "Last[_Shown]":
        """What the last cases showed; for a single case, laying it out is much of the work."""
        return Last()

    def _laid_out(self, experts, seen, factor) -> "_Shown":
        books = self.values.reshape(*self.prices.shape, -1)
        if len(experts) < len(books):
            books = books[experts]
        return _Shown.of(books, self.prices[experts], experts, seen, self.metric, factor)


class Screened(NamedTuple):
    """The best of each expert's book for each case: its place, loss and prior."""

    place: Int[np.ndarray, "n e"]
    losses: Float32[np.ndarray, "n e"]
    priors: Float32[np.ndarray, "n e"]


def screen(
    books: Books,
    values: Float32[np.ndarray, "n p"],
    mask: Bool[np.ndarray, "n p"],
    weights: Weights,
    among: Bool[np.ndarray, "n e"] | None = None,
    n_jobs: int | None = 1,
) -> Screened:
    """Find for every case and expert the code of the lowest score in the expert's book.

    Parameters
    ----------
    books : Books
        The experts' books.
    values, mask : array (n, p)
        Cases, 0 where they miss a value.
    weights : Weights
        The books' metric bound to what is observed of the cases.
    among : array of bool (n, e) or None, default None
        Which pairs of a case and an expert matter; None is all. Losses of the others may be inf.
    n_jobs : int or None, default 1
        Threads, None for one a core.

    Returns
    -------
    Screened
    """
    n, all_experts = len(values), len(books.prices)
    out = Screened(
        np.zeros((n, all_experts), np.int32),
        np.full((n, all_experts), np.inf, np.float32),
        np.zeros((n, all_experts), np.float32),
    )

    def work(task: tuple[Int[np.ndarray, " m"], _Shown], advance: Advance) -> None:
        some, shown = task
        place, scores = shown.best(values[some])
        priors = np.take_along_axis(shown.prices.T, place, axis=0)
        observed = weights.n_observed[some][:, None]
        pairs = some[:, None], shown.experts
        out.place[pairs] = place
        out.losses[pairs] = (scores - priors) / observed
        out.priors[pairs] = priors / observed

    for pattern in np.unique(weights.pattern):
        alike = np.flatnonzero(weights.pattern == pattern)
        experts = np.arange(all_experts)
        if among is not None:
            experts = experts[among[alike].any(axis=0)]
        shown = books.shown(experts, mask[alike[0]], weights.factors[pattern])
        n_parts = -(-len(alike) * shown.prices.size // SCORES_AT_ONCE)
        parts = np.array_split(alike, n_parts)
        run(work, [(some, shown) for some in parts], n_jobs, lambda _: None)
    return out


class _Shown(NamedTuple):
    """What cases that miss the same values show of books."""

    of_book: Float32[np.ndarray, "b p+q+1"]
    prices: Float32[np.ndarray, "e m"]
    experts: Int[np.ndarray, " e"]
    metric: Metric
    factor: Float32[np.ndarray, "q q"]

    @staticmethod
    def of(
        decoded: Float32[np.ndarray, "e m p"],
        prices: Float32[np.ndarray, "e m"],
        experts: Int[np.ndarray, " e"],
        seen: Bool[np.ndarray, " p"],
        metric: Metric,
        factor: Float32[np.ndarray, "q q"],
    ) -> "_Shown":
        """Lay out everything that a product of matrices can tell."""
        flat = decoded.reshape(-1, decoded.shape[2])
        flat = flat if seen.all() else flat * seen
        explained = _whitened(flat, metric, factor)
        alone = _lengths(flat, explained, metric) + prices.ravel()
        scale = np.float32(-2.0 / metric.floor)
        of_book = np.concatenate([scale * flat, -scale * explained, alone[:, None]], axis=1)
        return _Shown(of_book, prices, experts, metric, factor)

    def best(
        self, values: Float32[np.ndarray, "n p"]
    ) -> tuple[Int[np.ndarray, "n e"], Float32[np.ndarray, "n e"]]:
        """Return the place of the lowest score in each book, and that score."""
        explained = _whitened(values, self.metric, self.factor)
        ones = np.ones((len(values), 1), np.float32)
        of_case = np.concatenate([values, explained, ones], axis=1)
        scores = (of_case @ self.of_book.T).reshape(len(values), *self.prices.shape)
        place = scores.argmin(axis=2)
        lowest = np.take_along_axis(scores, place[:, :, None], axis=2)[:, :, 0]
        return place, lowest + _lengths(values, explained, self.metric)[:, None]


def _whitened(rows: Float32[np.ndarray, "n p"], metric: Metric, factor) -> np.ndarray:
    return metric.project(rows) @ factor.T


def _lengths(
    plain: Float32[np.ndarray, "n p"], explained: Float32[np.ndarray, "n q"], metric: Metric
) -> np.ndarray:
    """Squared lengths of values, less what the metric explains of them."""
    squares = np.einsum("np,np->n", plain, plain) - np.einsum("nq,nq->n", explained, explained)
    return squares / np.float32(metric.floor)


def decoded(
    expert: Expert, codes: Float32[np.ndarray, "e m k"], n_steps: int
) -> Float32[np.ndarray, "e m p"]:
    """Decode the codes of experts with codes of one size."""
    return np.asarray(_decode_all(expert, codes, n_steps)).reshape(*codes.shape[:2], -1)


_decode_all = jax.jit(
    lambda expert, codes, n_steps: jax.vmap(lambda e, z: decode(e, z, n_steps))(expert, codes),
    static_argnums=2,
)
