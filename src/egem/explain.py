"""Explanations: what the best experts decoded for a case, and where it differs."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Shaped

from egem.core.metric import Metric
from egem.data.cases import Case
from egem.ensemble.result import Inversion
from egem.ensemble.search import search_path
from egem.model import Model
from egem.runtime.linalg import svd
from egem.runtime.parallel import on_one_blas_thread


class Explanation(NamedTuple):
    """The best experts of each case, the best first.

    There are ``m`` experts, ``n_near`` training cases and ``n_path`` codes along the search.

    Attributes
    ----------
    cases : tuple of array (n_channels, length_i)
        The cases, in the units of X.
    labels : array (n_cases, m)
        Classes of the experts.
    probabilities : array (n_cases, m)
        Of those classes.
    losses : array (n_cases, m)
        Remaining losses in the recurrent view.
    scores : array (n_cases, m)
        Scores, in which all views count.
    p_values : array (n_cases,)
        P-value of the case being of a known class.
    reconstructions : array (n_cases, m, n_channels, n_timepoints)
        Decoded sequences, in the units of X.
    shares : array (n_cases, m, n_timepoints)
        Where along the sequence the loss lies: not negative, summing to 1.
    near : array of int (n_cases, n_near)
        Positions, among the model's exemplars, of the predicted class's training cases with the
        nearest codes; -1 where there are fewer.
    distances : array (n_cases, n_near)
        Of their codes, in standard deviations of the prior; NaN where there are fewer.
    paths : array (n_cases, n_path, code_size)
        Codes along the search of the predicted class, the last one repeated. NaN for the paper's
        Adam, beyond the class's code size, and where paths were not asked for.
    path_scores : array (n_cases, n_path)
        Loss and prior there.
    """

    cases: tuple[Case, ...]
    labels: Shaped[np.ndarray, "n_cases m"]
    probabilities: Float[np.ndarray, "n_cases m"]
    losses: Float32[np.ndarray, "n_cases m"]
    scores: Float32[np.ndarray, "n_cases m"]
    p_values: Float[np.ndarray, " n_cases"]
    reconstructions: Float32[np.ndarray, "n_cases m n_channels n_timepoints"]
    shares: Float[np.ndarray, "n_cases m n_timepoints"]
    near: Int[np.ndarray, "n_cases n_near"]
    distances: Float[np.ndarray, "n_cases n_near"]
    paths: Float32[np.ndarray, "n_cases n_path code_size"]
    path_scores: Float32[np.ndarray, "n_cases n_path"]


@on_one_blas_thread
def explain(
    model: Model, cases: list[Case], inversion: Inversion, n_experts: int, n_near: int, paths: bool
) -> Explanation:
    """Explain inverted cases; see :meth:`egem.EGEMClassifier.explain`."""
    if min(n_experts, n_near) < 1:
        raise ValueError(f"n_experts and n_near must be at least 1, not {n_experts}, {n_near}.")
    if inversion.losses.shape != (len(cases), len(model.classes)):
        n, m = inversion.losses.shape
        raise ValueError(
            f"inversion is of {n} cases and {m} classes, but there are {len(cases)} cases in X and "
            f"{len(model.classes)} classes in this model; give what invert(X) returned."
        )
    inversion.check_decided()
    grid, metric = model.preparation, model.recurrent
    batch = grid.apply(grid.align(cases))
    best = np.argsort(inversion.scores, axis=1, kind="stable")[:, :n_experts]
    n, m = best.shape
    decoded = np.zeros((n, m, batch.values.shape[1], grid.n_channels), np.float32)
    shares = np.zeros((n, m, batch.values.shape[1]))
    for e in np.unique(best):
        case, place = np.nonzero(best == e)
        decoded[case, place] = model.imagine_steps(e, inversion.codes[case, e])
    for i in range(n):
        shares[i] = loss_shares(batch.values[i] - decoded[i], batch.mask[i], metric)
    near, distances = np.full((n, n_near), -1), np.full((n, n_near), np.nan)
    longest = model.search.max_steps + 1
    codes = np.full((n, longest, inversion.codes.shape[2]), np.nan, np.float32)
    scores = np.full((n, longest), np.nan, np.float32)
    for e in np.unique(best[:, 0]):
        case, expert = np.flatnonzero(best[:, 0] == e), model.experts[e]
        kept = np.flatnonzero(model.exemplars.classes == e)
        own, size = expert.codes[model.exemplars.rows[kept]], expert.code_size
        for i in case:
            code = inversion.codes[i, e, :size]
            rows, distances[i] = nearest_codes(code, own, expert.code_precision, n_near)
            near[i, rows >= 0] = kept[rows[rows >= 0]]
        if paths and model.method != "adam":
            codes[case, :, :size], scores[case] = search_path(model.bank, e, batch[case])
    rows = np.arange(n)[:, None]
    restored = grid.restore(decoded.reshape(n * m, *decoded.shape[2:]))
    return Explanation(
        tuple(cases),
        model.classes[best],
        inversion.probabilities()[rows, best],
        inversion.losses[rows, best],
        inversion.scores[rows, best],
        inversion.p_value(),
        restored.reshape(n, m, grid.n_channels, grid.n_timepoints),
        grid.restore_share(shares.reshape(n * m, -1)).reshape(n, m, -1),
        near,
        distances,
        codes,
        scores,
    )


def loss_shares(
    residuals: Float[np.ndarray, "m t c"], seen: Bool[np.ndarray, "t c"], metric: Metric
) -> Float[np.ndarray, "m t"]:
    """Divide losses among steps: the squares of ``Sigma_oo^(-1/2) r``, which sum to the loss.

    The symmetric root keeps what belongs to a step near that step, as far as the metric allows.

    Parameters
    ----------
    residuals : array (m, n_steps, n_channels)
        Case less decoded sequence.
    seen : array of bool (n_steps, n_channels)
        What is observed.
    metric : Metric
        The recurrent view's metric.

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
    """Find the nearest codes, in standard deviations of the prior.

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
