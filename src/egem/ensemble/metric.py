"""Metrics: how far a sequence is from what an expert imagined.

Every metric here is a quadratic form in the residual ``r`` (target minus imagination), averaged
over the observed values: ``loss = r_o' Sigma_oo^-1 r_o / n_o``. ``Sigma = floor I + B B'`` is low
rank plus a multiple of the identity, so that dropping missing values (which marginalises them
exactly) costs one small Cholesky factor for each pattern of missing values::

    r' Sigma^-1 r = (|r|^2 - |L^-1 B' r|^2) / floor,     L L' = floor I + B_o' B_o

* ``mse``: B is empty, floor is 1.
* ``whitened``: Sigma is the pooled covariance of training cases about their class means, shrunk
  towards a multiple of the identity (section 4, point 1, of the method's notes; the shrinkage is
  Ledoit and Wolf's form, its weight chosen by leaving cases out, see
  :mod:`egem.calibration.temperature`).
"""

from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from egem.data.preparation import Batch
from egem.runtime.arrays import AnyArray
from egem.runtime.linalg import svd

GUESSED_FREEDOM = 10.0  # degrees of freedom that a guess from bent copies is worth
MOST_DIRECTIONS = 96


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Metric:
    """A quadratic metric on residuals.

    Attributes
    ----------
    name : str
        ``"mse"`` or ``"whitened"``.
    basis : array (n_steps * n_channels, n_directions)
        B, the directions in which members of a class differ, times their spread.
    floor : float
        Variance in every other direction.
    noise : float
        Loss that an expert is thought to leave of a member it was not shown, the unit of the prior;
        of one case a class all that members differ from their mean.
    shrinkage : float
        Weight of the identity in Sigma; 1 for mse.
    """

    name: str = field(metadata={"static": True})
    basis: Float32[np.ndarray, "p q"]
    floor: float
    noise: float
    shrinkage: float

    def project(self, r: Float[AnyArray, "*n p"]) -> Float[AnyArray, "*n q"]:
        """Return ``B' r``."""
        return r @ self.basis


class Scatter(NamedTuple):
    """Spread of cases about their class means: orthonormal directions and variances."""

    directions: Float[np.ndarray, "p q"]
    variances: Float[np.ndarray, " q"]
    tail: float  # mean variance in the directions left out
    mean_variance: float  # over all observed directions, those without any spread included


class Bends(NamedTuple):
    """How bent copies of training cases differ from them: a guess of how members may differ.

    Attributes
    ----------
    of : array of int (m,)
        The case that each is a copy of.
    differences : array (m, p)
        Copy less case, 0 where one of them misses a value.
    """

    of: Int[np.ndarray, " m"]
    differences: Float[np.ndarray, "m p"]

    def among(self, kept: Bool[np.ndarray, " n_cases"]) -> "Bends":
        """Keep the copies of some cases, which are numbered anew."""
        number = np.cumsum(kept) - 1
        mine = kept[self.of]
        return Bends(number[self.of[mine]], self.differences[mine])


def class_scatter(
    batch: Batch,
    classes: Int[np.ndarray, " n_cases"],
    most_directions: int = MOST_DIRECTIONS,
    bends: Bends | None = None,
) -> Scatter:
    """Estimate the pooled within-class scatter.

    A missing value counts as its class mean, and each value's spread is scaled up by how often it
    was missing, which keeps variances unbiased and the estimate positive semi-definite.

    Parameters
    ----------
    batch : Batch
        Training cases.
    classes : array of int (n_cases,)
        Class of each case.
    most_directions : int, default 96
        Directions kept.

    bends : Bends, optional
        Counted as ``GUESSED_FREEDOM`` further degrees of freedom, beside those of the cases.

    Returns
    -------
    Scatter
        Without bends all variances are 0 where every class has a single case.
    """
    values = batch.values.reshape(batch.n_cases, -1).astype(np.float64)
    mask = batch.mask.reshape(values.shape)
    residuals = np.zeros_like(values)
    freedom = np.zeros(values.shape[1])
    for c in np.unique(classes):
        of = classes == c
        count = mask[of].sum(axis=0)
        mean = values[of].sum(axis=0) / np.maximum(count, 1)
        residuals[of] = np.where(mask[of], values[of] - mean, 0.0)
        freedom += np.maximum(count - 1, 0)
    if bends is not None and len(bends.of):
        guessed = GUESSED_FREEDOM * (bends.differences != 0).any(axis=0)
        freedom += guessed
        copies = bends.differences * np.sqrt(guessed / len(bends.of))
        residuals = np.concatenate([residuals, copies])
    residuals /= np.sqrt(np.maximum(freedom, 1))
    s, directions = principal(residuals)
    keep = (s > 1e-6 * max(s[0], 1e-12))[:most_directions]
    used = max(int((freedom > 0).sum()), 1)
    kept = s[: len(keep)][keep] ** 2
    total = float((s**2).sum())
    tail = max(total - float(kept.sum()), 0.0) / used
    return Scatter(directions[: len(keep)][keep].T, kept, tail, total / used)


def principal(rows: Float[np.ndarray, "n p"]):
    """Return singular values and right singular vectors, the largest first."""
    n, p = rows.shape
    if n <= 2 * p:
        _, s, directions = svd(rows)
        return s, directions
    squares, directions = np.linalg.eigh(rows.T @ rows)
    return np.sqrt(np.maximum(squares[::-1], 0.0)), directions.T[::-1]


# Where every class has one case nothing tells how members differ; a quarter of the variance of
# standardised data is then taken for the noise.
NOISE_WITHOUT_CASES = 0.25


def mse(scatter: Scatter, n_values: int) -> Metric:
    """Return the plain mean squared error."""
    noise = scatter.mean_variance or NOISE_WITHOUT_CASES
    return Metric("mse", np.zeros((n_values, 0), np.float32), 1.0, noise, 1.0)


def whitened(scatter: Scatter, n_values: int, shrinkage: float) -> Metric:
    """Weigh residuals by the inverse of the within-class scatter.

    Parameters
    ----------
    scatter : Scatter
        Within-class scatter of the training cases.
    n_values : int
        Values of a case, n_steps * n_channels.
    shrinkage : float
        Weight of the identity, in (0, 1]; 1 gives mse in units of the mean variance.

    Returns
    -------
    Metric
        Where there is no scatter (one case a class), mse.
    """
    if not scatter.mean_variance:
        return mse(scatter, n_values)
    floor = shrinkage * scatter.mean_variance + (1 - shrinkage) * scatter.tail
    basis = scatter.directions * np.sqrt((1 - shrinkage) * scatter.variances)
    if shrinkage == 1.0:
        basis = basis[:, :0]
    width = -(-basis.shape[1] // 8) * 8  # few distinct shapes, few compilations
    basis = np.pad(basis, ((0, 0), (0, width - basis.shape[1])))
    basis = np.ascontiguousarray(basis, np.float32)  # as it comes back from a file, to the last bit
    return Metric("whitened", basis, float(floor), 1.0, float(shrinkage))


class Weights(NamedTuple):
    """A metric bound to what is observed of each case.

    Attributes
    ----------
    factors : array (n_patterns, q, q)
        ``L^-1`` for each pattern of missing values.
    pattern : array of int (n_cases,)
        Each case's pattern.
    n_observed : array (n_cases,)
        Observed values of each case.
    """

    factors: Float32[np.ndarray, "n_patterns q q"]
    pattern: Int[np.ndarray, " n_cases"]
    n_observed: Float32[np.ndarray, " n_cases"]


def bind(metric: Metric, mask: Bool[np.ndarray, "n_cases n_steps n_channels"]) -> Weights:
    """Marginalise the metric over what is missing in each case.

    Parameters
    ----------
    metric : Metric
        The metric.
    mask : array of bool (n_cases, n_steps, n_channels)
        True where a value is observed.

    Returns
    -------
    Weights
    """
    flat = mask.reshape(len(mask), -1)
    patterns, pattern = patterns_of(flat)
    q = metric.basis.shape[1]
    basis = metric.basis.astype(np.float64)
    factors = np.zeros((len(patterns), q, q), np.float32)
    for i, seen in enumerate(patterns):
        gram = metric.floor * np.eye(q) + basis[seen].T @ basis[seen]
        factors[i] = np.linalg.inv(np.linalg.cholesky(gram))
    return Weights(factors, pattern, flat.sum(axis=1).astype(np.float32))


def patterns_of(
    mask: Bool[np.ndarray, "n p"],
) -> tuple[Bool[np.ndarray, "n_patterns p"], Int[np.ndarray, " n"]]:
    """Return the different rows of a mask, and which of them each row is."""
    if (mask == mask[:1]).all():  # as a rule, and then there is nothing to sort
        return mask[:1], np.zeros(len(mask), int)
    packed = np.packbits(mask, axis=1)
    _, first, pattern = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    return mask[first], pattern.ravel()


def inner(
    metric: Metric,
    factor: Float[AnyArray, "*n q q"],
    a: Float[AnyArray, "*n m p"],
    b: Float[AnyArray, "*n l p"],
) -> Float[AnyArray, "*n m l"]:
    """Inner products ``a Sigma_oo^-1 b'`` of residuals that are 0 where values are missing."""
    return inner_of(metric, factor, a @ b.swapaxes(-1, -2), metric.project(a), metric.project(b))


def inner_of(
    metric: Metric,
    factor: Float[AnyArray, "*n q q"],
    products: Float[AnyArray, "*n m l"],
    projected_a: Float[AnyArray, "*n m q"],
    projected_b: Float[AnyArray, "*n l q"],
) -> Float[AnyArray, "*n m l"]:
    """The same of residuals of which only ``a b'``, ``a B`` and ``b B`` are known."""
    whitened_a, whitened_b = (r @ factor.swapaxes(-1, -2) for r in (projected_a, projected_b))
    return (products - whitened_a @ whitened_b.swapaxes(-1, -2)) / metric.floor


def squared(
    metric: Metric, factor: Float[AnyArray, "*n q q"], r: Float[AnyArray, "*n m p"]
) -> Float[AnyArray, "*n m"]:
    """Squared lengths of residuals that are 0 where values are missing."""
    whitened_r = metric.project(r) @ factor.swapaxes(-1, -2)
    return ((r**2).sum(axis=-1) - (whitened_r**2).sum(axis=-1)) / metric.floor
