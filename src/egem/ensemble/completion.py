"""Completion of sequences: estimates of missing values with a band.

The code's posterior is approximated by a normal about the optimum, and the residual has the
metric's covariance, ``x = y(z) + s e`` with ``e ~ N(0, Sigma)``. For missing values m and observed
ones o, with the derivatives J of the decoded sequence along the code::

    estimate  = y_m + K (x_o - y_o),                   K = Sigma_mo Sigma_oo^-1
    variance  = G C G' + s^2 (Sigma_mm - K Sigma_om),  G = J_m - K J_o
    C         = s^2 (J_o' Sigma_oo^-1 J_o + prior)^-1

The scale s is that of the case, shrunk towards that of a typical member where few values are
observed. Where the class is in doubt the band is that of the mixture over all likely experts.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy.special import ndtr, ndtri

from egem.core.metric import NOISE_SHARE, Metric
from egem.data.cases import Case
from egem.ensemble.ensemble import Ensemble
from egem.ensemble.result import Inversion

TYPICAL_WEIGHT = 16.0  # observed values that the typical scale counts as
MIN_PROBABILITY = 0.01  # of a class whose expert takes part
BISECTIONS = 30
WIDENING = 1.9  # of the band, whose model is too certain; chosen on the development splits


class Completion(NamedTuple):
    """Whole sequences, in the units of X.

    Attributes
    ----------
    values : array (n_cases, n_channels, n_timepoints)
        Observed values, and estimates of missing ones.
    low, high : array (n_cases, n_channels, n_timepoints)
        The band about each estimate; equal to ``values`` where these were observed.
    labels : array (n_cases,)
        Classes whose experts gave the estimates.
    """

    values: Float32[np.ndarray, "n_cases n_channels n_timepoints"]
    low: Float32[np.ndarray, "n_cases n_channels n_timepoints"]
    high: Float32[np.ndarray, "n_cases n_channels n_timepoints"]
    labels: np.ndarray


def posterior(
    target: Float[np.ndarray, " p"],
    seen: Bool[np.ndarray, " p"],
    decoded: Float[np.ndarray, " p"],
    jacobian: Float[np.ndarray, "k p"],
    metric: Metric,
    prior: Float[np.ndarray, " k"],
) -> tuple[Float[np.ndarray, " p"], Float[np.ndarray, " p"]]:
    """Estimate all values of one case on the grid."""
    basis = metric.basis.astype(np.float64)
    residual = np.where(seen, target - decoded, 0.0)
    observed = basis * seen[:, None]
    inner = metric.floor * np.eye(basis.shape[1]) + observed.T @ observed

    def times_inverse(rows: Float[np.ndarray, "n p"]) -> Float[np.ndarray, "n p"]:
        """``Sigma_oo^-1`` times rows that are 0 where values are missing."""
        return (rows - np.linalg.solve(inner, observed.T @ rows.T).T @ observed.T) / metric.floor

    n_observed = int(seen.sum())
    known = jacobian * seen
    inverse = times_inverse(np.vstack([known, residual]))
    loss = max(float(residual @ inverse[-1]), 0.0)
    typical = metric.noise / NOISE_SHARE * TYPICAL_WEIGHT  # of held-out cases
    scale = (loss + typical) / (n_observed + TYPICAL_WEIGHT)
    precision = known @ inverse[:-1].T + metric.noise * np.diag(prior)
    spread = scale * np.linalg.inv(precision + 1e-9 * np.trace(precision) * np.eye(len(precision)))
    # B' Sigma_oo^-1 times a row, times B, carries it from observed to missing values.
    carried = inverse @ observed @ basis.T
    estimate = decoded + np.where(seen, residual, carried[-1])
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
    """Return the quantiles between which mixtures of normals have a share of ``level``."""
    weights = weights.reshape(-1, *(1 for _ in means.shape[1:]))
    found = []
    for share in ((1 - level) / 2, (1 + level) / 2):
        own = means + float(ndtri(share)) * sds  # the mixture's lies among those of the normals
        low, high = own.min(axis=0), own.max(axis=0)
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            below = (weights * ndtr((middle - means) / np.maximum(sds, 1e-12))).sum(axis=0) < share
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        found.append((low + high) / 2)
    return found[0], found[1]


def complete(
    ensemble: Ensemble,
    cases: list[Case],
    inversion: Inversion,
    label: int | None,
    level: float,
) -> Completion:
    """Complete inverted cases; see :meth:`egem.EGEMClassifier.complete`.

    ``label`` is the position of a class, or None for the predicted ones.
    """
    grid, n_classes = ensemble.preparation, len(ensemble.classes)
    batch = grid.apply(grid.align(cases))
    whose = inversion.winners if label is None else np.full(len(cases), label)
    weights = np.eye(n_classes)[whose]
    if label is None:
        p = inversion.probabilities()
        weights = np.where((p >= MIN_PROBABILITY) | (weights > 0), p, 0.0)
        weights /= weights.sum(axis=1, keepdims=True)
    shape = len(cases), grid.n_channels, grid.n_timepoints
    values, low, high = (np.zeros(shape, np.float32) for _ in range(3))
    for i in range(len(cases)):
        likely = np.flatnonzero(weights[i])
        found = [_of_expert(ensemble, e, inversion.codes[i, e], batch[i : i + 1]) for e in likely]
        estimates, sds = (np.concatenate(each) for each in zip(*found, strict=True))
        estimates, sds = grid.restore(estimates), grid.restore_spread(sds)
        values[i] = estimates[likely == whose[i]][0]
        low[i], high[i] = band(estimates, sds, weights[i, likely], level)
    low, high = np.minimum(low, values), np.maximum(high, values)
    for i, case in enumerate(grid.align(cases)):
        given = case[:, : grid.n_timepoints]
        seen = ~np.isnan(given)
        for of in (values, low, high):
            of[i, :, : given.shape[1]][seen] = given[seen]
    return Completion(values, low, high, ensemble.classes[whose])


def _of_expert(ensemble: Ensemble, e: int, code, case):
    """Return one expert's estimates of a case and their standard deviations, (1, t, c)."""
    y, jacobian = ensemble.linearise(e, code)
    found = posterior(
        case.values.ravel().astype(np.float64),
        case.mask.ravel(),
        y.ravel(),
        jacobian.reshape(len(jacobian), -1),
        ensemble.recurrent,
        ensemble.search.prior_weight * ensemble.experts[e].code_precision,
    )
    return tuple(each.reshape(case.values.shape) for each in found)
