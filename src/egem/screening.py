"""Screening: the nearest of each expert's decoded codes, by one product of matrices.

With ``w = L^-1 B' x`` as in :mod:`egem.metric`, the squared length of ``x - y`` is that of x and
that of y, less twice ``(x'y - w_x' w_y) / floor``: a product of all cases with all decoded codes of
all experts.
"""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float32, Int

from .decoder import Expert, decode
from .metric import Metric, Weights

SCORES_AT_ONCE = 2**22


class Books(NamedTuple):
    """Codes of every expert, decoded.

    Attributes
    ----------
    values : array (n_experts * n_book, p)
        Decoded codes, flat, those of an expert next to each other.
    prices : array (n_experts, n_book)
        Of their codes, ``|z - mean|^2_precision``.
    """

    values: Float32[np.ndarray, "b p"]
    prices: Float32[np.ndarray, "e m"]


class Screened(NamedTuple):
    """The best of each expert's book for each case: its place, loss and prior."""

    place: Int[np.ndarray, "n e"]
    losses: Float32[np.ndarray, "n e"]
    priors: Float32[np.ndarray, "n e"]


def screen(
    books: Books,
    values: Float32[np.ndarray, "n p"],
    mask: Bool[np.ndarray, "n p"],
    metric: Metric,
    weights: Weights,
    strength: float,
    among: Bool[np.ndarray, "n e"] | None = None,
) -> Screened:
    """Find for every case and expert the code of the lowest score in the expert's book.

    Parameters
    ----------
    books : Books
        The experts' books.
    values, mask : array (n, p)
        Cases, 0 where they miss a value.
    metric : Metric
        The metric of the loss.
    weights : Weights
        The metric bound to what is observed of the cases.
    strength : float
        Weight of the code prior.
    among : array of bool (n, e) or None, default None
        Which pairs of a case and an expert matter; None is all. Losses of the others may be inf.

    Returns
    -------
    Screened
    """
    n, (all_experts, n_book) = len(values), books.prices.shape
    out = Screened(
        np.zeros((n, all_experts), np.int32),
        np.full((n, all_experts), np.inf, np.float32),
        np.zeros((n, all_experts), np.float32),
    )
    of_expert = books.values.reshape(all_experts, n_book, -1)
    for pattern in np.unique(weights.pattern):
        alike = np.flatnonzero(weights.pattern == pattern)
        experts = slice(None) if among is None else np.flatnonzero(among[alike].any(axis=0))
        prices = np.float32(strength * metric.noise) * books.prices[experts].ravel()
        n_experts = len(prices) // n_book
        seen, factor = mask[alike[0]], weights.factors[pattern]
        shown = of_expert[experts].reshape(-1, values.shape[1])
        shown = shown if seen.all() else shown * seen
        of_book = np.concatenate([shown, -_whitened(shown, metric, factor)], axis=1)
        lengths = _lengths(of_book, metric, shown.shape[1])
        for some in np.array_split(alike, -(-len(alike) * len(shown) // SCORES_AT_ONCE)):
            x = values[some]
            of_case = np.concatenate([x, _whitened(x, metric, factor)], axis=1)
            squares = lengths - (2.0 / metric.floor) * (of_case @ of_book.T)
            squares += _lengths(of_case, metric, x.shape[1])[:, None]
            scores = (squares + prices).reshape(len(some), n_experts, n_book)
            place = scores.argmin(axis=2)
            flat = place + n_book * np.arange(n_experts)
            observed = weights.n_observed[some][:, None]
            pairs = some[:, None], np.arange(all_experts)[experts]
            out.place[pairs] = place
            out.losses[pairs] = np.take_along_axis(squares, flat, axis=1) / observed
            out.priors[pairs] = prices[flat] / observed
    return out


def _whitened(rows: Float32[np.ndarray, "n p"], metric: Metric, factor) -> np.ndarray:
    return metric.project(rows) @ factor.T


def _lengths(rows: Float32[np.ndarray, "n p+q"], metric: Metric, p: int) -> np.ndarray:
    """Squared lengths of values with what the metric explains of them at the end."""
    plain, explained = rows[:, :p], rows[:, p:]
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
