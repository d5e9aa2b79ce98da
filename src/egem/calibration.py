"""Choices made by leaving training cases out: the metric's shrinkage, the probabilities' sharpness.

Refitting experts for every held-out case would take longer than the fit. A class's affine hull (the
mean of its cases plus any combination of their differences, with a small ridge) stands in for its
expert: it is what a linear expert could imagine (METHOD, section 4, points 9 and 11).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import logsumexp

from .folds import held_out
from .metric import Metric, bind, class_scatter, inner, mse, squared, whitened
from .prepare import Batch

SHRINKAGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0)
SHARPNESSES = tuple(np.geomspace(0.3, 100.0, 40))
MOST_HULL_CASES = 32
RIDGE = 0.05
SHARPNESS_WITHOUT_CASES = 5.0
SHRINKAGE_WITHOUT_CASES = 0.5


class Choice(NamedTuple):
    """A metric and how sharply its losses tell classes apart."""

    metric: Metric
    sharpness: float
    cross_entropy: float  # of the held-out cases, in nats; nan where none could be held out


def choose_metric(
    batch: Batch,
    classes: Int[np.ndarray, " n_cases"],
    metric: str | Metric,
    shrinkage: float | None = None,
) -> Choice:
    """Choose shrinkage and sharpness by the cross-entropy of held-out training cases.

    Each fold holds out every k-th case of each class that has more than one, k at most 5.

    Parameters
    ----------
    batch : Batch
        Training cases.
    classes : array of int (n_cases,)
        Their classes.
    metric : {"whitened", "mse"} or Metric
        Which metric; one that is given stays as it is, and only the sharpness is chosen.
    shrinkage : float or None
        Fixed shrinkage of the whitened metric; None chooses it.

    Returns
    -------
    Choice
    """
    if isinstance(metric, Metric) or metric == "mse":
        candidates: tuple[float | None, ...] = (None,)
    else:
        candidates = SHRINKAGES if shrinkage is None else (shrinkage,)

    def build(of: Batch, its_classes, candidate: float | None) -> Metric:
        if isinstance(metric, Metric):
            return metric
        scatter, n_values = class_scatter(of, its_classes), of.values[0].size
        if candidate is None:
            return mse(scatter, n_values)
        return whitened(scatter, n_values, candidate)

    folds = held_out(classes)
    present = np.unique(classes)
    if not folds or len(present) < 2:
        fixed = SHRINKAGE_WITHOUT_CASES if len(candidates) > 1 else candidates[0]
        chosen = build(batch, classes, fixed)
        return Choice(chosen, SHARPNESS_WITHOUT_CASES, float("nan"))
    filled = _filled(batch, classes)
    truth = np.searchsorted(present, np.concatenate([classes[held] for held in folds]))
    best = (np.inf, 0.0, candidates[0])
    for candidate in candidates:
        losses = np.concatenate(
            [
                hull_losses(
                    filled[~held],
                    classes[~held],
                    batch[held],
                    build(filled[~held], classes[~held], candidate),
                )
                for held in folds
            ]
        )
        for sharpness in SHARPNESSES:
            entropy = cross_entropy(losses, truth, sharpness)
            if entropy < best[0] - 1e-9:
                best = (entropy, sharpness, candidate)
    return Choice(build(batch, classes, best[2]), float(best[1]), float(best[0]))


def _filled(batch: Batch, classes: Int[np.ndarray, " n"]) -> Batch:
    """Fill what is missing in training cases with class means, for the hull alone."""
    values = batch.values.copy()
    for c in np.unique(classes):
        of = classes == c
        count = batch.mask[of].sum(axis=0)
        mean = values[of].sum(axis=0) / np.maximum(count, 1)
        values[of] = np.where(batch.mask[of], values[of], mean)
    return Batch(values, np.ones_like(batch.mask))


def hull_losses(
    train: Batch, classes: Int[np.ndarray, " n_train"], test: Batch, metric: Metric
) -> Float[np.ndarray, "n_test n_classes"]:
    """Loss of each test case against the affine hull of each class, per observed value.

    Parameters
    ----------
    train : Batch
        Complete training cases.
    classes : array of int (n_train,)
        Their classes.
    test : Batch
        Test cases; what they miss is left out.
    metric : Metric
        The metric.

    Returns
    -------
    array (n_test, n_classes)
        Classes in ascending order.
    """
    weights = bind(metric, test.mask)
    flat = train.values.reshape(train.n_cases, -1)
    out = np.zeros((test.n_cases, len(np.unique(classes))))
    seen = test.mask.reshape(test.n_cases, -1)
    targets = test.values.reshape(test.n_cases, -1)
    for j, c in enumerate(np.unique(classes)):
        cases = flat[classes == c][:MOST_HULL_CASES]
        mean = cases.mean(axis=0)
        for pattern in np.unique(weights.pattern):
            of = weights.pattern == pattern
            factor, mask = weights.factors[pattern], seen[of][0]
            spread = np.where(mask, cases - mean, 0.0)
            residuals = np.where(mask, targets[of] - mean, 0.0)
            gram = np.asarray(inner(metric, factor, spread, spread), np.float64)
            cross = np.asarray(inner(metric, factor, spread, residuals), np.float64)
            ridge = RIDGE * np.trace(gram) / len(gram) + 1e-9
            share = np.linalg.solve(gram + ridge * np.eye(len(gram)), cross)
            own = np.asarray(squared(metric, factor, residuals), np.float64)
            left = own - 2 * (share * cross).sum(axis=0) + (share * (gram @ share)).sum(axis=0)
            out[of, j] = left / weights.n_observed[of]
    return out


def probabilities(
    losses: Float[np.ndarray, "n_cases n_classes"], sharpness: float
) -> Float[np.ndarray, "n_cases n_classes"]:
    """Class probabilities from losses: ``p_c`` proportional to ``loss_c ** -sharpness``.

    That is the likelihood of residuals whose scale is unknown from case to case and integrated out
    (with ``2 sharpness`` independent values in a residual): what counts is how many times nearer
    one expert comes than another, be the case itself neat or noisy.

    Parameters
    ----------
    losses : array (n_cases, n_classes)
        Losses of the experts, not negative.
    sharpness : float
        Exponent.

    Returns
    -------
    array (n_cases, n_classes)
        Rows sum to 1.

    >>> probabilities(np.array([[1.0, 2.0, 2.0]]), 2.0).round(3)
    array([[0.667, 0.167, 0.167]])
    """
    return np.exp(_log_probabilities(_energies(losses, sharpness)))


def cross_entropy(
    losses: Float[np.ndarray, "n_cases n_classes"],
    truth: Int[np.ndarray, " n_cases"],
    sharpness: float,
) -> float:
    """Mean surprise, in nats, at the true classes under :func:`probabilities`."""
    return surprise(_energies(losses, sharpness), truth)


def surprise(
    energies: Float[np.ndarray, "n_cases n_classes"], truth: Int[np.ndarray, " n_cases"]
) -> float:
    """Mean surprise, in nats, at the true classes under ``p ~ exp(-energy)``."""
    return float(-_log_probabilities(energies)[np.arange(len(truth)), truth].mean())


def _energies(losses, sharpness: float) -> Float[np.ndarray, "n_cases n_classes"]:
    return sharpness * np.log(np.maximum(np.asarray(losses, np.float64), 1e-12))


def _log_probabilities(energies) -> Float[np.ndarray, "n_cases n_classes"]:
    return -energies - logsumexp(-energies, axis=1, keepdims=True)
