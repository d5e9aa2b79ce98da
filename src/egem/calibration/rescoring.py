"""Scores of held-out cases after one class has come, gone or changed.

Metric and views stay, and so do the scores of all other classes. What is scored anew is the class
that changed, against every held-out case, and its own cases, each without those held out with it.

The metric of a fitted model has seen its training cases, which therefore look closer to all
classes, most of all to their own, than when they were held out. The scores that are known
show by how much: their differences from what this metric gives, averaged, are added. For other
classes than its own the average is the case's; for its own class, that of all cases.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from egem.calibration.fit import CalibrationData
from egem.calibration.folds import Holding, holding_from_all
from egem.core.classify import nonconformity
from egem.data.preparation import Batch
from egem.ensemble.conformal import HeldOut
from egem.views.linear import LocalExperts, fit_classes, fit_local_experts, n_local_experts
from egem.views.linear_losses import LinearLosses
from egem.views.views import CONVOLUTIONS, View, Views, without_distance

LinearExperts = tuple[tuple[LocalExperts, ...], ...]  # by view and by class


def without_class(held: HeldOut, at: int) -> HeldOut:
    """Leave out a class, and its cases."""
    left = held.truth != at
    before, truth = held.log_scores[left], held.truth[left]
    scores = np.delete(before, at, axis=1)
    unlike = nonconformity(scores) + _gated(held.nonconformity[left], before)
    return HeldOut(scores, unlike, truth - (truth > at), np.delete(held.n_trained, at))


def rescored(
    held: HeldOut,
    before: CalibrationData,
    data: CalibrationData,
    place: Int[np.ndarray, " n_before"],
    at: int,
    views: Views,
    linear_experts: LinearExperts,
) -> tuple[LinearExperts, HeldOut] | None:
    """Fit the linear experts of class ``at``, and score it; nothing else is fitted.

    Parameters
    ----------
    held : HeldOut
        The scores so far, of the cases ``before``.
    before, data : CalibrationData
        The training cases so far, and those from now on.
    place : array of int (n_before,)
        Positions of the classes so far among those from now on.
    at : int
        Position of the class that is new or has other cases.
    views : Views
        The views, in which recurrent experts have no weight.
    linear_experts : tuple
        The experts of all classes by view; those at ``at`` are replaced.

    Returns
    -------
    tuple or None
        The linear experts and the scores. None where these cases are not those that were scored,
        or too few scores are known for the correction: all must be computed then.
    """
    counts = np.bincount(data.classes)
    others = np.arange(len(counts)) != at  # classes
    numbers = n_local_experts(counts)
    if any((numbers != [len(each) for each in of])[others].any() for of in linear_experts):
        return None
    holding = holding_from_all(data.classes)
    index = _held(holding)
    truth = data.classes[index]
    stored, gated = _stored(held, before, data, index, place, at)
    if not np.isfinite(stored[others[truth]][:, others]).all():
        return None
    represented = [view.represent(data.cases, data.batch, data.n_jobs) for view in views.linear]
    seen = _spans(views, represented)[index]
    known = np.logical_and(others[truth], seen)
    if not known.any():
        return None
    found, losses = [], []
    for view, batch, experts in zip(views.linear, represented, linear_experts, strict=True):
        own = without_distance(view.name, batch)
        new = fit_local_experts(own[data.classes == at], int(numbers[at]))
        found.append((*experts[:at], new, *experts[at + 1 :]))
        losses.append(_losses(view, own, batch, data.classes, holding))
    pooled = views.pool(losses, data.batch.mask[index])
    of_truth = np.arange(len(counts)) == truth[:, None]
    apart = stored - pooled.log_losses
    wrong = apart.copy()
    wrong[of_truth] = np.nan
    has = np.any(np.isfinite(wrong), axis=1)
    if not has[known].all():
        return None
    by_case = np.zeros(len(index))
    by_case[has] = np.nanmean(wrong[has], axis=1)
    by_case[~has & seen] = by_case[known].mean()
    of_own = np.where(seen, apart[known, truth[known]].mean(), 0.0)
    added = np.where(of_truth, of_own[:, None], by_case[:, None])
    scores = np.where(np.isfinite(stored), stored, pooled.log_losses + added)
    unlike = np.where(
        np.isfinite(gated),
        nonconformity(scores) + gated,
        nonconformity(scores + pooled.gated),
    )
    return tuple(found), HeldOut(scores, unlike, truth, counts)


def _held(holding: Holding) -> Int[np.ndarray, " n_held"]:
    """Return the held-out cases in the order of their scores."""
    return holding.some[holding.order] if holding.folds else np.zeros(0, int)


def _stored(
    held: HeldOut,
    before: CalibrationData,
    data: CalibrationData,
    index: Int[np.ndarray, " n_held"],
    place: Int[np.ndarray, " n_before"],
    at: int,
) -> tuple[Float[np.ndarray, "n_held n_classes"], Float[np.ndarray, " n_held"]]:
    """Return the scores of the cases ``index`` that stay, and what the gate adds; NaN elsewhere."""
    scores = np.full((len(index), data.n_classes), np.nan)
    gated = np.full(len(index), np.nan)
    old = _held(holding_from_all(before.classes))
    if not np.array_equal(before.classes[old], held.truth):
        return scores, gated
    rows = {_key(before, i, place): row for row, i in enumerate(old)}
    found = [(new, rows.get(_key(data, i))) for new, i in enumerate(index)]
    new, row = np.array([pair for pair in found if pair[1] is not None], int).reshape(-1, 2).T
    scores[np.ix_(new, place)] = held.log_scores[row]
    scores[:, at] = np.nan
    gated[new] = _gated(held.nonconformity, held.log_scores)[row]
    return scores, gated


def _key(data: CalibrationData, i: int, place: Int[np.ndarray, " c"] | None = None) -> tuple:
    """Identify a case by its class and values."""
    label = data.classes[i] if place is None else place[data.classes[i]]
    return int(label), data.cases[i].shape, data.cases[i].tobytes()


def _gated(
    unlike: Float[np.ndarray, " n"], scores: Float[np.ndarray, "n c"]
) -> Float[np.ndarray, " n"]:
    """Return what the gate adds to the nonconformity of cases, nothing for most of them."""
    return unlike - nonconformity(scores)


def _losses(
    view: View, own: Batch, batch: Batch, classes: Int[np.ndarray, " n"], holding: Holding
) -> Float[np.ndarray, "n_held n_classes"]:
    """Return the losses of held-out cases in experts of the other cases."""
    parts = []
    for fold in holding.folds:
        experts = fit_classes(own[~fold], classes[~fold])
        parts.append(LinearLosses.of(view.scatter, experts, view.metrics).averaged(batch[fold]))
    return np.concatenate(parts)


def _spans(views: Views, represented: list[Batch]) -> Bool[np.ndarray, " n"]:
    """Find the cases that views were fitted to: features were projected onto their span."""
    spans = np.zeros(represented[0].n_cases, bool)
    for view, batch in zip(views.linear, represented, strict=True):
        if view.name in CONVOLUTIONS:
            spans |= batch.values[:, -1, 0] == 0
    return spans
