"""Choices made by leaving training cases out: the metric's shrinkage, the probabilities' sharpness.

Refitting experts for every held-out case would take longer than the fit. A class's hull (the mean
of its cases plus any combination of their differences, at a price; see :mod:`egem.ensemble.views`)
stands in for its expert: it is what a linear expert could imagine (METHOD, section 4, points 9 and
11).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import logsumexp

from egem.calibration.folds import holding
from egem.data.preparation import Batch
from egem.ensemble.linear import Candidate, log_losses
from egem.ensemble.metric import Bends, Metric, Scatter, class_scatter, mse, whitened
from egem.ensemble.pieces import span_classes
from egem.runtime.linalg import svd

SHRINKAGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0)
SHARPNESSES = tuple(np.geomspace(0.3, 100.0, 40))
RIDGE = 1.0  # of the hulls: about the price an expert's codes have
MOST_DIRECTIONS = 512  # in which cases are seen to differ
SHARPNESS_WITHOUT_CASES = 5.0
SHRINKAGE_WITHOUT_CASES = 0.5
NOISE_SHARE = 0.3  # of the loss that hulls leave of a held-out case; an expert explains the rest
LEAST_NOISE = 1e-3  # of a typical member's loss against its class mean
TEMPER = 0.5  # below 1: held-out cases are few, and each fold is told by others

Project = Callable[[Batch, Batch, Bends | None], tuple[Batch, Batch, Bends | None]]


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

    Each fold holds out every k-th case of each class that has more than one, k at most 5. Few cases
    say little about the shrinkage, so candidates are averaged (on a log scale), each with the share
    ``exp(-TEMPER n cross_entropy)``. What the hulls leave of held-out cases tells the noise, which
    is what an expert's code has to be worth: the better cases can be explained, the freer it is.

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
    fixed = metric.shrinkage if isinstance(metric, Metric) else shrinkage
    if metric == "mse":
        fixed = 1.0
    some, folds = holding(classes)
    if not folds or len(np.unique(classes)) < 2:
        chosen = SHRINKAGE_WITHOUT_CASES if fixed is None else fixed
        built = _build(batch, classes, metric, chosen)
        return Choice(built, SHARPNESS_WITHOUT_CASES, float("nan"))
    candidates = [Candidate(s, RIDGE, 1.0) for s in (SHRINKAGES if fixed is None else (fixed,))]
    given = scatter_of(metric) if isinstance(metric, Metric) else None
    losses, truth = held_out_losses(batch[some], classes[some], folds, candidates, given)
    chosen = candidates[0].shrinkage
    if len(candidates) > 1:
        shares = tempered_shares(losses, truth, SHARPNESSES, TEMPER)
        chosen = float(np.exp(np.average(np.log(SHRINKAGES), weights=shares)))
        measure = [Candidate(chosen, RIDGE, 1.0)]
        losses, _ = held_out_losses(batch[some], classes[some], folds, measure, given)
    found, sharpness = sharpest(losses[0], truth, SHARPNESSES)
    built = _build(batch, classes, metric, chosen)
    if not isinstance(metric, Metric):
        left = np.exp(np.median(losses[0][np.arange(len(truth)), truth]))
        share = float(np.clip(NOISE_SHARE * left, LEAST_NOISE, 1.0))
        built = replace(built, noise=share * built.noise)
    return Choice(built, sharpness, found)


def sharpest(
    losses: Float[np.ndarray, "n n_classes"],
    truth: Int[np.ndarray, " n"],
    sharpnesses: Sequence[float],
) -> tuple[float, float]:
    """Return the least surprise over sharpnesses, and the sharpness it is found at."""
    found = [surprise(sharpness * losses, truth) for sharpness in sharpnesses]
    best = int(np.argmin(found))
    return found[best], float(sharpnesses[best])


def tempered_shares(
    losses: Float[np.ndarray, "m n n_classes"],
    truth: Int[np.ndarray, " n"],
    sharpnesses: Sequence[float],
    temper: float,
) -> Float[np.ndarray, " m"]:
    """Weigh ways to measure by their least surprise; the best has 1."""
    least = np.array([sharpest(each, truth, sharpnesses)[0] for each in losses])
    return np.exp(-temper * len(truth) * (least - least.min()))


def _build(batch: Batch, classes, metric: str | Metric, shrinkage: float) -> Metric:
    if isinstance(metric, Metric):
        return metric
    scatter, n_values = class_scatter(batch, classes), batch.values[0].size
    if metric == "mse":
        return mse(scatter, n_values)
    return whitened(scatter, n_values, shrinkage)


def scatter_of(metric: Metric) -> Scatter:
    """Return the scatter that a metric was made of."""
    directions, spreads, _ = svd(metric.basis.astype(np.float64))
    kept = spreads > 0
    variances = spreads[kept] ** 2 / max(1.0 - metric.shrinkage, 1e-9)
    return Scatter(directions[:, kept], variances, 0.0, metric.floor / metric.shrinkage)


def held_out_losses(
    batch: Batch,
    classes: Int[np.ndarray, " n"],
    folds: list,
    candidates: list[Candidate],
    scatter: Scatter | None = None,
    project: Project | None = None,
    bends: Bends | None = None,
    piecewise: bool = False,
) -> tuple[Float[np.ndarray, "m n_held n_classes"], Int[np.ndarray, " n_held"]]:
    """Measure held-out cases against the hulls of the rest, in several ways.

    Parameters
    ----------
    batch : Batch
        Training cases.
    classes : array of int (n,)
        Their classes.
    folds : list of array of bool (n,)
        Cases held out together.
    candidates : list of Candidate
        Ways to measure.
    scatter : Scatter, optional
        Spread about class means; None estimates it from the rest, in each fold.
    project : callable, optional
        Prepares the rest, the held-out cases and the bends of the rest before they are compared.
    bends : Bends, optional
        Bent copies of the cases.
    piecewise : bool, default False
        Whether classes of many cases are spanned in pieces, see :mod:`egem.ensemble.pieces`.

    Returns
    -------
    losses : array (n_candidates, n_held, n_classes)
        Log losses, held-out cases in the order of the folds.
    truth : array of int (n_held,)
        Positions of their true classes.
    """
    present = np.unique(classes)
    parts = []
    for held in folds:
        rest, its_classes, out = batch[~held], classes[~held], batch[held]
        bent = bends.among(~held) if bends is not None else None
        if project is not None:
            rest, out, bent = project(rest, out, bent)
        spread = scatter
        if spread is None:
            spread = class_scatter(rest, its_classes, MOST_DIRECTIONS, bent)
        hulls = span_classes(rest, its_classes, piecewise)
        parts.append(log_losses(spread, hulls, out, candidates))
    truth = np.searchsorted(present, np.concatenate([classes[held] for held in folds]))
    return np.concatenate(parts, axis=1), truth


def one_case_more(classes: Int[np.ndarray, " n_cases"]) -> float:
    """How much sharper the losses tell classes apart with the held-out cases back in.

    ``m / (m - 1)`` for classes of m cases, the median: what a class that is one case short has of
    independent differences. Chosen on the development splits, where held-out cases of few were
    less certain than test cases turned out to be.

    >>> one_case_more(np.array([0, 0, 0, 0, 1, 1, 1, 1])).__round__(3)
    1.333
    """
    m = float(np.median(np.bincount(classes)))
    return m / (m - 1.0) if m > 1 else 1.0


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
    energies = sharpness * np.log(np.maximum(np.asarray(losses, np.float64), 1e-12))
    return np.exp(log_probabilities(energies))


def surprise(
    energies: Float[np.ndarray, "n_cases n_classes"], truth: Int[np.ndarray, " n_cases"]
) -> float:
    """Mean surprise, in nats, at the true classes under ``p ~ exp(-energy)``."""
    behind = energies - energies.min(axis=1, keepdims=True)  # so that no exponential overflows
    of_truth = behind[np.arange(len(truth)), truth]
    return float((np.log(np.exp(-behind).sum(axis=1)) + of_truth).mean())


def log_probabilities(
    energies: Float[np.ndarray, "n_cases n_classes"],
) -> Float[np.ndarray, "n_cases n_classes"]:
    """Normalise minus the energies."""
    return -energies - logsumexp(-energies, axis=1, keepdims=True)
