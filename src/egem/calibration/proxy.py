"""A stand-in for experts that would have to be trained again without some of their cases.

How much the experts' losses are worth is told by held-out cases, but training experts anew for each
fold takes too long. What an expert can imagine is close to what it was shown: its cases, blends of
two, and bent copies of them. So the nearest of a few hundred of those stands in for it. A search
comes closer than that, all the more where there are many cases; the hull in the raw space does as
well but knows of no bends. The mean of both log losses is taken.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from egem.calibration.folds import selection
from egem.data.augment import Kind, make_pool
from egem.data.preparation import Batch
from egem.ensemble.metric import Metric, Weights, bind, class_scatter, inner, squared, whitened
from egem.runtime.batching import bucket
from egem.runtime.dispatch import dispatch
from egem.runtime.parallel import plain_products
from egem.runtime.progress import Advance

FEWEST_SHOWN = 256
CLASSES_AT_ONCE = 32  # that a thread or worker looks at


class Imagination(NamedTuple):
    """What experts are shown, and how their residuals are measured.

    Attributes
    ----------
    kind : str
        Deformation, see :mod:`egem.data.augment`.
    steps_used : int
        Steps of the grid that carry data.
    shrinkage : float
        Of the residual metric.
    """

    kind: Kind
    steps_used: int
    shrinkage: float


class _Showing(NamedTuple):
    """Some classes, what held-out cases are compared with them, and how."""

    first: int  # position of the first class
    batches: list[Batch]
    out: Batch
    metric: Metric
    imagination: Imagination


def nearest_shown(
    batch: Batch,
    classes: Int[np.ndarray, " n"],
    folds: list[Bool[np.ndarray, " n"]],
    imagination: Imagination,
    n_jobs: int | None = 1,
) -> Float[np.ndarray, "n_held n_classes"]:
    """Return log losses of held-out cases against the nearest of what each class's expert is shown.

    Of very many others the experts are shown an even selection.

    Parameters
    ----------
    batch : Batch
        Training cases on the experts' grid.
    classes : array of int (n,)
        Their classes.
    folds : list of array of bool (n,)
        Cases held out together.
    imagination : Imagination
        What experts are shown.
    n_jobs : int or None, default 1
        Threads, None for all cores; or workers, see :mod:`egem.runtime.dispatch`.

    Returns
    -------
    array (n_held, n_classes)
        Held-out cases in the order of the folds.
    """
    showings: list[_Showing] = []
    per_fold = 0
    for held in folds:
        others = np.flatnonzero(~held)
        others = others[selection(classes[others])]
        rest, its_classes, out = batch[others], classes[others], batch[held]
        scatter = class_scatter(rest, its_classes)
        metric = whitened(scatter, batch.values[0].size, imagination.shrinkage)
        # A class's cases in their order, all classes in one pass.
        by_class = np.argsort(its_classes, kind="stable")
        ends = np.flatnonzero(np.diff(its_classes[by_class])) + 1
        members = np.split(by_class, ends)
        starts = range(0, len(members), CLASSES_AT_ONCE)
        per_fold = len(starts)
        showings += [
            _Showing(
                j, [rest[of] for of in members[j : j + CLASSES_AT_ONCE]], out, metric, imagination
            )
            for j in starts
        ]
    with plain_products():
        found = dispatch(_nearest, showings, n_jobs, lambda _: None, lambda *_: None, _names)
    parts = [
        np.concatenate(found[i : i + per_fold], axis=1) for i in range(0, len(found), per_fold)
    ]
    return np.log(np.maximum(np.concatenate(parts), 1e-6))


def _names(showing: _Showing) -> range:
    return range(showing.first, showing.first + len(showing.batches))


def _nearest(showing: _Showing, advance: Advance) -> Float[np.ndarray, "n n_some"]:
    """Return the losses of held-out cases against some classes."""
    metric, imagination, out = showing.metric, showing.imagination, showing.out
    weights = bind(metric, out.mask)
    losses = np.zeros((out.n_cases, len(showing.batches)))
    for j, cases in enumerate(showing.batches):
        size = bucket(2 * cases.n_cases, FEWEST_SHOWN)
        rng = np.random.default_rng(showing.first + j)
        pool = make_pool(cases, imagination.kind, size, imagination.steps_used, rng)
        losses[:, j] = nearest_losses(metric, weights, out, pool.values.reshape(size, -1))
    return losses


def nearest_losses(
    metric: Metric, weights: Weights, batch: Batch, shown: Float[np.ndarray, "m p"]
) -> Float[np.ndarray, " n"]:
    """Return what is left between each case and the nearest of ``shown``.

    ``weights`` are the metric, bound to what is observed of the cases.
    """
    targets, seen = (a.reshape(batch.n_cases, -1) for a in (batch.values, batch.mask))
    losses = np.zeros(batch.n_cases)
    for pattern in np.unique(weights.pattern):
        of = np.flatnonzero(weights.pattern == pattern)
        factor = weights.factors[pattern]
        visible = np.where(seen[of[0]], shown, np.float32(0))
        apart = (
            np.asarray(squared(metric, factor, targets[of]), np.float64)[:, None]
            + np.asarray(squared(metric, factor, visible), np.float64)
            - 2.0 * np.asarray(inner(metric, factor, targets[of], visible), np.float64)
        )
        losses[of] = apart.min(axis=1) / weights.n_observed[of]
    return losses
