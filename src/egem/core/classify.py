"""Classification: from the losses of all experts to probabilities, sets and p-values.

A view is a representation of sequences in which every class has an expert. A class's log score is
the weighted sum of the logs of its experts' losses over the views v::

    log score_c = sum_v w_v log loss_vc,   p(c) ~ exp(-energy_c),   energy_c = beta log score_c

with the inverse temperature beta; in the recurrent view the prior on the code is part of the loss.
Integrating out the unknown scale of a case's residuals leaves such powers of losses. Arrays are
NumPy's in double precision: the log odds of certain cases are beyond float32.
"""

import numpy as np
from scipy.special import logsumexp

MIN_LOSS = 1e-12  # a loss of 0 has a logarithm, too
LEAD_WEIGHT, MAX_LEAD = 2.0, 0.6  # in nonconformity; see docs/benchmarks/tried.md
TAIL = 0.25  # share of the calibration cases whose excess sets how the p-value falls beyond them


def log_scores(log_losses: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Pool the log losses (v, n, classes) of v views, (n, classes)."""
    return np.einsum("v,vnc->nc", weights, log_losses)


def safe_log(losses: np.ndarray) -> np.ndarray:
    """Return the logs of losses, of which 0 counts as 1e-12."""
    return np.log(np.maximum(losses, MIN_LOSS, dtype=np.float64))


def log_probabilities(energies: np.ndarray) -> np.ndarray:
    """Return ``log p`` for ``p ~ exp(-energy)`` along the last axis."""
    return -energies - logsumexp(-energies, axis=-1, keepdims=True)


def probabilities(scores: np.ndarray, inverse_temperature: float) -> np.ndarray:
    """Return ``p_c`` proportional to ``score_c ** -inverse_temperature``, (n, classes).

    >>> probabilities(np.array([[1.0, 2.0, 2.0]]), 2.0).round(3)
    array([[0.667, 0.167, 0.167]])
    """
    return np.exp(log_probabilities(inverse_temperature * safe_log(scores)))


def cross_entropy(energies: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean of ``-log p`` of the true classes, in nats; all classes count alike."""
    behind = energies - energies.min(axis=1, keepdims=True)  # so that no exponential overflows
    of_truth = behind[np.arange(len(truth)), truth]
    each = np.log(np.exp(-behind).sum(axis=1)) + of_truth
    return float(np.average(each, weights=1.0 / np.bincount(truth)[truth]))


def log_odds(energies: np.ndarray) -> np.ndarray:
    """Return the log odds of each class against all others, (n, classes).

    Unlike ``log p``, which is rounded to 0 there, they distinguish certain cases.
    """
    energies = np.asarray(energies, np.float64)
    log_p = log_probabilities(energies)
    with np.errstate(divide="ignore"):
        odds = log_p - np.log1p(-np.exp(log_p))
    cases, best = np.arange(len(energies)), energies.argmin(axis=1)
    others = energies.copy()
    others[cases, best] = np.inf
    odds[cases, best] = -energies[cases, best] - logsumexp(-others, axis=1)
    return odds


def nonconformity(log_scores: np.ndarray) -> np.ndarray:
    """Return how unlike the training cases each case is, (n,), from log scores (n, classes).

    Strangers lie far from every class, and between classes: the lowest log score counts, less its
    weighted distance from the second.

    >>> nonconformity(np.array([[1.0, 1.1], [1.0, 9.0]])).round(3)
    array([ 0.8, -0.2])
    """
    if log_scores.shape[1] < 2:
        return log_scores[:, 0]
    lowest, second = np.partition(log_scores, 1, axis=1)[:, :2].T
    lead = np.clip(np.nan_to_num(second) - np.nan_to_num(lowest), 0.0, MAX_LEAD)  # inf - inf is 0
    return lowest - LEAD_WEIGHT * lead


def conformal_p_values(
    nonconformity: np.ndarray, calibration: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Rank cases (n,) among weighted calibration cases (m,): the share that conforms no better.

    >>> conformal_p_values(np.array([0.0, 2.5, 9.0]), np.array([1.0, 2.0, 3.0]), np.ones(3))
    array([1.  , 0.5 , 0.25])
    """
    order = np.argsort(calibration, kind="stable")
    below = np.concatenate([[0.0], np.cumsum(weights[order])])
    place = np.searchsorted(calibration[order], nonconformity, side="left")
    return (1.0 + below[-1] - below[place]) / (1.0 + below[-1])


def p_values(nonconformity: np.ndarray, calibration: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return conformal p-values that fall between calibration cases and beyond the last one, too.

    Ranks fall in steps, and reject fewer cases than the level allows. Between two calibration cases
    ``log p`` is therefore interpolated. Beyond the last it is extrapolated, without guarantee: it
    falls linearly, as fast as the calibration cases do at their end.

    >>> p_values(np.array([0.0, 2.5, 9.0]), np.array([1.0, 2.0, 3.0]), np.ones(3)).round(3)
    array([1.   , 0.354, 0.001])
    """
    order = np.argsort(calibration, kind="stable")
    order = order[weights[order] > 0]
    if not len(order):
        return np.ones(len(nonconformity))
    calibration, weights = np.asarray(calibration, np.float64)[order], weights[order]
    p = np.cumsum(weights[::-1])[::-1] / (1.0 + weights.sum())
    log_p = np.interp(nonconformity, calibration, np.log(p), left=0.0)
    tail = np.flatnonzero(p <= max(TAIL, p[-2:].max()))[:-1]  # two cases at least, and the last
    excess = calibration[-1] - calibration[tail]
    fall = float(np.average(excess, weights=weights[tail])) if len(tail) else 0.0
    beyond = np.maximum(nonconformity - calibration[-1], 0.0)
    return np.maximum(np.exp(log_p - beyond / max(fall, 1e-3)), np.finfo(np.float64).tiny)
