"""Why a case was classified as it was: what the best experts imagined, and where they differ."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int, Shaped

from egem.calibration.conformal import p_values
from egem.calibration.temperature import probabilities
from egem.data.validation import Case
from egem.ensemble.metric import Metric
from egem.ensemble.result import Inversion
from egem.ensemble.search import follow
from egem.fitted import Fitted
from egem.runtime.linalg import svd


class Explanation(NamedTuple):
    """What the nearest experts made of each case, the nearest first.

    ``m`` experts are told of, ``n_near`` training cases, ``n_path`` codes along the search.

    Attributes
    ----------
    cases : tuple of array (n_channels, length_i)
        The cases, in the units of X.
    labels : array (n_cases, m)
        Whose expert.
    probabilities : array (n_cases, m)
        Of those classes.
    losses : array (n_cases, m)
        Remaining losses of the experts.
    scores : array (n_cases, m)
        What decided: the losses joined with what other spaces say, if the metric has any.
    novelty : array (n_cases,)
        P-value of the case being of a known class.
    reconstructions : array (n_cases, m, n_channels, n_timepoints)
        What the experts imagined, in the units of X.
    shares : array (n_cases, m, n_timepoints)
        Where along the sequence the loss lies: not negative, summing to 1.
    near : array of int (n_cases, n_near)
        Numbers, in ``cases_`` of the model, of the winner's training cases nearest by code; -1
        where there are fewer.
    distances : array (n_cases, n_near)
        Of their codes, in spreads of the code's prior.
    paths : array (n_cases, n_path, code_size)
        Codes of the winner along its search, from the first to the one found, which is repeated.
        NaN for the paper's Adam, beyond the winner's code size, and where they were not asked for.
    path_scores : array (n_cases, n_path)
        Loss and prior there.
    """

    cases: tuple[Case, ...]
    labels: Shaped[np.ndarray, "n_cases m"]
    probabilities: Float[np.ndarray, "n_cases m"]
    losses: Float32[np.ndarray, "n_cases m"]
    scores: Float32[np.ndarray, "n_cases m"]
    novelty: Float[np.ndarray, " n_cases"]
    reconstructions: Float32[np.ndarray, "n_cases m n_channels n_timepoints"]
    shares: Float[np.ndarray, "n_cases m n_timepoints"]
    near: Int[np.ndarray, "n_cases n_near"]
    distances: Float[np.ndarray, "n_cases n_near"]
    paths: Float32[np.ndarray, "n_cases n_path code_size"]
    path_scores: Float32[np.ndarray, "n_cases n_path"]


def loss_shares(
    residuals: Float[np.ndarray, "m t c"], seen: Shaped[np.ndarray, "t c"], metric: Metric
) -> Float[np.ndarray, "m t"]:
    """Divide losses among steps: the squares of ``Sigma_oo^(-1/2) r``, which sum to the loss.

    The symmetric root keeps what belongs to a step near that step, as far as the metric allows.

    Parameters
    ----------
    residuals : array (m, n_steps, n_channels)
        Target less imagination.
    seen : array of bool (n_steps, n_channels)
        What is observed.
    metric : Metric
        The residuals' metric.

    Returns
    -------
    array (m, n_steps)
        Not negative; rows sum to 1, unless there is no loss at all.
    """
    observed = metric.basis.astype(np.float64) * seen.reshape(-1, 1)
    directions, spreads, _ = svd(observed)
    rows = np.where(seen, residuals, 0.0).reshape(len(residuals), -1).astype(np.float64)
    shrink = 1.0 - np.sqrt(metric.floor / (metric.floor + spreads**2))
    white = rows - ((rows @ directions) * shrink) @ directions.T
    parts = (white**2).reshape(residuals.shape).sum(axis=2)
    return parts / np.maximum(parts.sum(axis=1, keepdims=True), 1e-30)


def nearest_codes(
    code: Float[np.ndarray, " k"],
    codes: Float[np.ndarray, "n k"],
    precision: Float[np.ndarray, " k"],
    n_near: int,
) -> tuple[Int[np.ndarray, " n_near"], Float[np.ndarray, " n_near"]]:
    """Find the training cases whose codes are nearest, in spreads of the prior.

    Returns
    -------
    rows : array of int (n_near,)
        -1 where there are fewer.
    distances : array (n_near,)
        NaN there.
    """
    distances = np.sqrt(((codes - code) ** 2 * precision).sum(axis=1))
    order = np.argsort(distances, kind="stable")[:n_near]
    lacking = n_near - len(order)
    return (
        np.pad(order, (0, lacking), constant_values=-1),
        np.pad(distances[order], (0, lacking), constant_values=np.nan),
    )


def explained(
    clf: Fitted,
    cases: list[Case],
    inversion: Inversion,
    n_experts: int,
    n_near: int,
    with_paths: bool,
) -> Explanation:
    """Gather what there is to tell of inverted cases; see :meth:`egem.EGEMClassifier.explain`."""
    ensemble, grid = clf.ensemble_, clf.preparation_
    batch = grid.apply(grid.align(cases))
    best = np.argsort(inversion.scores, axis=1, kind="stable")[:, :n_experts]
    n, m = best.shape
    imagined = np.zeros((n, m, batch.values.shape[1], grid.n_channels), np.float32)
    shares = np.zeros((n, m, batch.values.shape[1]))
    for e in np.unique(best):
        case, place = np.nonzero(best == e)
        imagined[case, place] = ensemble.imagine_steps(e, inversion.codes[case, e])
    for i in range(n):
        shares[i] = loss_shares(batch.values[i] - imagined[i], batch.mask[i], ensemble.metric)
    near, distances = np.full((n, n_near), -1), np.full((n, n_near), np.nan)
    longest = ensemble.search.n_iterations + 1
    paths = np.full((n, longest, inversion.codes.shape[2]), np.nan, np.float32)
    path_scores = np.full((n, longest), np.nan, np.float32)
    for e in np.unique(best[:, 0]):
        case, trained = np.flatnonzero(best[:, 0] == e), ensemble.trained[e]
        kept = np.flatnonzero(clf.cases_.classes == e)
        own, size = trained.codes[clf.cases_.rows[kept]], trained.codes.shape[1]
        for i in case:
            code = inversion.codes[i, e, :size]
            rows, distances[i] = nearest_codes(code, own, trained.code_precision, n_near)
            near[i, rows >= 0] = kept[rows[rows >= 0]]
        if with_paths and ensemble.search.method != "adam":
            paths[case, :, :size], path_scores[case] = follow(ensemble.arena, e, batch[case])
    rows = np.arange(n)[:, None]
    flat = imagined.reshape(n * m, *imagined.shape[2:])
    return Explanation(
        tuple(cases),
        clf.classes_[best],
        probabilities(inversion.scores, clf.sharpness_)[rows, best],
        inversion.losses[rows, best],
        inversion.scores[rows, best],
        p_values(inversion.strangeness, clf.held_out_.strangeness),
        grid.restore(flat).reshape(n, m, grid.n_channels, grid.n_timepoints),
        grid.restore_share(shares.reshape(n * m, -1)).reshape(n, m, -1),
        near,
        distances,
        paths,
        path_scores,
    )
