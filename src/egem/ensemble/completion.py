"""Complete what is missing in a sequence, with a band, given the code that an expert found.

The code's posterior is taken for normal about the optimum, and what an expert misses for normal
with the metric's covariance, ``x = y(z) + s e`` with ``e ~ N(0, Sigma)``. For missing values m and
observed ones o, with the derivatives J of the imagined sequence along the code::

    estimate  = y_m + K (x_o - y_o),                   K = Sigma_mo Sigma_oo^-1
    variance  = G C G' + s^2 (Sigma_mm - K Sigma_om),  G = J_m - K J_o
    C         = s^2 (J_o' Sigma_oo^-1 J_o + prior)^-1

The scale s is the case's own where it shows much, that of a typical member of a class where it
shows little. Where the class is in doubt, every likely expert completes the case, and the band is
that of the mixture of what they say.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy.special import ndtr, ndtri

from egem.calibration.temperature import NOISE_SHARE
from egem.ensemble.metric import Metric

TYPICAL_WEIGHT = 16.0  # observed values that the typical scale is worth
LEAST_LIKELY = 0.01  # an expert whose class is less likely than that has no say
HALVINGS = 30
WIDENING = 1.9  # of the band: experts are sure of more than they know; from the development splits


class Completion(NamedTuple):
    """Whole sequences, in the units of X.

    Attributes
    ----------
    values : array (n_cases, n_channels, n_timepoints)
        What was observed, and estimates of what was not.
    low, high : array (n_cases, n_channels, n_timepoints)
        The band about each estimate; equal to ``values`` where these were observed.
    labels : array (n_cases,)
        Whose expert gave the estimates.
    """

    values: Float32[np.ndarray, "n_cases n_channels n_timepoints"]
    low: Float32[np.ndarray, "n_cases n_channels n_timepoints"]
    high: Float32[np.ndarray, "n_cases n_channels n_timepoints"]
    labels: np.ndarray


def posterior(
    target: Float[np.ndarray, " p"],
    seen: Bool[np.ndarray, " p"],
    imagined: Float[np.ndarray, " p"],
    jacobian: Float[np.ndarray, "k p"],
    metric: Metric,
    prior: Float[np.ndarray, " k"],
) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, " p"]]:
    """Estimate all values of one case on the experts' grid.

    Parameters
    ----------
    target : array (p,)
        The case; what is missing does not matter.
    seen : array of bool (p,)
        What is observed.
    imagined : array (p,)
        The expert's sequence at the code found.
    jacobian : array (k, p)
        Its derivatives along the code.
    metric : Metric
        The residuals' metric.
    prior : array (k,)
        Precision of the code's entries, in units of the metric's noise.

    Returns
    -------
    estimate : array (p,)
        The expert's sequence, moved by what the residuals at observed values tell of the others.
    sd : array (p,)
        Its standard deviation as an estimate of a member's value there; at observed steps what
        is left of it to a time point that is missing all the same.
    """
    basis = metric.basis.astype(np.float64)
    residual = np.where(seen, target - imagined, 0.0)
    observed = basis * seen[:, None]
    inner = metric.floor * np.eye(basis.shape[1]) + observed.T @ observed

    def weighed(rows: Float[np.ndarray, "n p"]) -> Float[np.ndarray, "n p"]:
        """``Sigma_oo^-1`` times rows that are 0 where values are missing."""
        return (rows - np.linalg.solve(inner, observed.T @ rows.T).T @ observed.T) / metric.floor

    n_observed = int(seen.sum())
    known = jacobian * seen
    told = weighed(np.vstack([known, residual]))
    loss = max(float(residual @ told[-1]), 0.0)
    typical = metric.noise / NOISE_SHARE * TYPICAL_WEIGHT  # what held-out cases leave
    scale = (loss + typical) / (n_observed + TYPICAL_WEIGHT)
    precision = known @ told[:-1].T + metric.noise * np.diag(prior)
    spread = scale * np.linalg.inv(precision + 1e-9 * np.trace(precision) * np.eye(len(precision)))
    # B' Sigma_oo^-1 times a row, times B, carries it from observed to missing values.
    carried = told @ observed @ basis.T
    estimate = imagined + np.where(seen, residual, carried[-1])
    free = jacobian - carried[:-1]
    reach = np.einsum("kp,kl,lp->p", free, spread, free)
    # Sigma_mm - K Sigma_om = floor (I + B_m inner^-1 B_m')
    own = metric.floor * (1.0 + np.einsum("pq,qp->p", basis, np.linalg.solve(inner, basis.T)))
    # An observed step may be the mean of a block of time points, of which some are missing.
    variance = np.where(seen, scale * metric.floor, reach + scale * own)
    return estimate, WIDENING * np.sqrt(variance)


def band(
    means: Float[np.ndarray, "m *p"],
    sds: Float[np.ndarray, "m *p"],
    weights: Float[np.ndarray, " m"],
    level: float,
) -> tuple[Float[np.ndarray, "*p"], Float[np.ndarray, "*p"]]:
    """Return the quantiles between which mixtures of normals have a share of ``level``.

    Parameters
    ----------
    means, sds : array (m, ...)
        Of the normals.
    weights : array (m,)
        Of each, summing to 1.
    level : float
        In (0, 1).

    Returns
    -------
    low, high : array (...)
        Below and above lie equal shares.

    >>> low, high = band(np.zeros((2, 1)), np.ones((2, 1)), np.array([0.5, 0.5]), 0.9)
    >>> [float(round(x[0], 3)) for x in (low, high)]
    [-1.645, 1.645]
    """
    weights = weights.reshape(-1, *(1 for _ in means.shape[1:]))
    found = []
    for share in ((1 - level) / 2, (1 + level) / 2):
        own = means + float(ndtri(share)) * sds  # the mixture's lies among those of the normals
        low, high = own.min(axis=0), own.max(axis=0)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            below = (weights * ndtr((middle - means) / np.maximum(sds, 1e-12))).sum(axis=0) < share
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        found.append((low + high) / 2)
    return found[0], found[1]
