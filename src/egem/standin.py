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

from .augment import Kind, make_pool
from .metric import bind, class_scatter, inner, squared, whitened
from .prepare import Batch
from .tiles import bucket

FEWEST_SHOWN = 256


class Imagination(NamedTuple):
    """What experts are shown, and how their residuals are measured.

    Attributes
    ----------
    kind : str
        Deformation, see :mod:`egem.augment`.
    steps_used : int
        Steps of the grid that carry data.
    shrinkage : float
        Of the residual metric.
    """

    kind: Kind
    steps_used: int
    shrinkage: float


def nearest_shown(
    batch: Batch,
    classes: Int[np.ndarray, " n"],
    folds: list[Bool[np.ndarray, " n"]],
    imagination: Imagination,
) -> Float[np.ndarray, "n_held n_classes"]:
    """Return log losses of held-out cases against the nearest of what each class's expert is shown.

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

    Returns
    -------
    array (n_held, n_classes)
        Held-out cases in the order of the folds.
    """
    parts = []
    for held in folds:
        rest, its_classes, out = batch[~held], classes[~held], batch[held]
        scatter = class_scatter(rest, its_classes)
        metric = whitened(scatter, batch.values[0].size, imagination.shrinkage)
        weights = bind(metric, out.mask)
        targets, seen = (a.reshape(out.n_cases, -1) for a in (out.values, out.mask))
        losses = np.zeros((out.n_cases, len(np.unique(classes))))
        for j, c in enumerate(np.unique(classes)):
            size = bucket(2 * int((its_classes == c).sum()), FEWEST_SHOWN)
            rng = np.random.default_rng(j)
            pool = make_pool(
                rest[its_classes == c], imagination.kind, size, imagination.steps_used, rng
            )
            shown = pool.values.reshape(size, -1)
            for pattern in np.unique(weights.pattern):
                of = np.flatnonzero(weights.pattern == pattern)
                factor = weights.factors[pattern]
                visible = np.where(seen[of[0]], shown, np.float32(0))
                apart = (
                    np.asarray(squared(metric, factor, targets[of]), np.float64)[:, None]
                    + np.asarray(squared(metric, factor, visible), np.float64)
                    - 2.0 * np.asarray(inner(metric, factor, targets[of], visible), np.float64)
                )
                losses[of, j] = apart.min(axis=1) / weights.n_observed[of]
        parts.append(losses)
    return np.log(np.maximum(np.concatenate(parts), 1e-6))
