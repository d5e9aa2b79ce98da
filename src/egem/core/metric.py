"""Metrics: quadratic forms on the residual ``r = x - y`` between a sequence and its imagination.

The loss is the form, averaged over the observed values o::

    loss = r_o' Sigma_oo^-1 r_o / n_o,        Sigma = floor I + B B'

Sigma is low rank plus a multiple of the identity, so that leaving out missing values, which
marginalises them exactly, takes one small Cholesky factor for each pattern of missing values::

    r' Sigma^-1 r = (|r|^2 - |L^-1 B' r|^2) / floor,        L L' = floor I + B_o' B_o

To add a metric, write a builder like :func:`whitened` and enter it in :data:`METRICS`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import numpy as np

from egem.core.config import AnyArray


class Scatter(NamedTuple):
    """Covariance of the cases about their class means."""

    directions: np.ndarray  # (p, q), orthonormal
    variances: np.ndarray  # (q,), along them
    tail: float  # mean variance in the directions left out
    mean_variance: float  # over all observed directions, those of variance 0 included


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Metric:
    """A quadratic form.

    Attributes
    ----------
    name : str
        Key in :data:`METRICS`.
    basis : array (p, q)
        B, the directions in which members of a class differ, times their standard deviation.
    floor : float
        Variance in every other direction.
    noise : float
        Loss that an expert is expected to leave of an unseen member; the unit of the prior.
    shrinkage : float
        Weight of the identity in Sigma; 1 for mse.
    """

    name: str = field(metadata={"static": True})
    basis: np.ndarray
    floor: float
    noise: float
    shrinkage: float


# The noise is this share of the loss of held-out cases in linear experts (egem.calibration).
NOISE_SHARE = 0.3
NOISE_WITHOUT_SCATTER = 0.25  # share of standardised data's variance, with one case a class


def mse(scatter: Scatter, n_values: int, shrinkage: float = 1.0) -> Metric:
    """Return the mean squared error, the paper's metric; a shrinkage of 1 throughout."""
    noise = scatter.mean_variance or NOISE_WITHOUT_SCATTER
    return Metric("mse", np.zeros((n_values, 0), np.float32), 1.0, noise, 1.0)


def whitened(scatter: Scatter, n_values: int, shrinkage: float) -> Metric:
    """Return the inverse covariance, shrunk towards the identity (Ledoit and Wolf 2004).

    Where there is no scatter, with one case a class, that is the mean squared error.
    """
    if not scatter.mean_variance:
        return mse(scatter, n_values)
    floor = shrinkage * scatter.mean_variance + (1 - shrinkage) * scatter.tail
    basis = scatter.directions * np.sqrt((1 - shrinkage) * scatter.variances)
    if shrinkage == 1.0:
        basis = basis[:, :0]
    width = -(-basis.shape[1] // 8) * 8  # few distinct shapes, few compilations
    basis = np.pad(basis, ((0, 0), (0, width - basis.shape[1])))
    basis = np.ascontiguousarray(basis, np.float32)
    return Metric("whitened", basis, float(floor), 1.0, float(shrinkage))


METRICS: dict[str, Callable[[Scatter, int, float], Metric]] = {"mse": mse, "whitened": whitened}


def factor(metric: Metric, seen: np.ndarray) -> np.ndarray:
    """Return ``L^-1`` (q, q) for cases of which the values ``seen`` (p,) are observed."""
    basis = metric.basis.astype(np.float64)[seen]
    gram = metric.floor * np.eye(basis.shape[1]) + basis.T @ basis
    return np.linalg.inv(np.linalg.cholesky(gram)).astype(np.float32)


def inner(metric: Metric, factor: AnyArray, a: AnyArray, b: AnyArray) -> AnyArray:
    """Return ``a Sigma_oo^-1 b'`` of rows (.., m, p), (.., l, p) that are 0 at missing values."""
    products = a @ b.swapaxes(-1, -2)
    return inner_of_products(metric, factor, products, a @ metric.basis, b @ metric.basis)


def inner_of_products(metric: Metric, factor, products, projected_a, projected_b) -> AnyArray:
    """Return the same of rows of which only ``a b'``, ``a B`` and ``b B`` are known."""
    a, b = (r @ factor.swapaxes(-1, -2) for r in (projected_a, projected_b))
    return (products - a @ b.swapaxes(-1, -2)) / metric.floor


def squared(metric: Metric, factor: AnyArray, r: AnyArray) -> AnyArray:
    """Return ``r' Sigma_oo^-1 r`` of rows (.., m, p) that are 0 at missing values."""
    explained = (r @ metric.basis) @ factor.swapaxes(-1, -2)
    return ((r**2).sum(axis=-1) - (explained**2).sum(axis=-1)) / metric.floor
