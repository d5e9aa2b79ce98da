"""A proxy for recurrent experts that would have to be trained again without some of their cases.

Training experts anew for each fold takes too long. An expert's sequences are close to its training
pairs: its cases, mixtures of two, and deformed copies. The loss against the nearest of a few
hundred pairs therefore stands for the expert's. The search finds a closer sequence than that, the
more cases there are; linear experts reproduce that but no deformations. The mean of both log losses
is taken, and finally corrected by the experts' own losses for cases of other classes.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from egem.calibration.folds import selection
from egem.calibration.scatter import class_scatter
from egem.core.metric import Metric, inner, squared, whitened
from egem.data.augment import Augmentation, make_pairs
from egem.data.preparation import Batch
from egem.ensemble.cases import BoundCases
from egem.runtime.batching import bucket
from egem.runtime.dispatch import dispatch
from egem.runtime.parallel import single_threaded_blas
from egem.runtime.progress import Advance

LOWER_HALF = np.linspace(0.01, 0.5, 50)  # quantiles: experts of large losses do not matter
PRIOR_PAIRS = 20.0  # worth as much as the assumption that both are alike
MAX_SLOPE = 2.0
MIN_PAIRS = 256
CLASSES_AT_ONCE = 32  # of a task


class ProxySettings(NamedTuple):
    """What experts are trained on, and their metric."""

    augmentation: Augmentation  # deformation, see :mod:`egem.data.augment`
    steps_used: int  # steps of the grid that carry data
    shrinkage: float  # of the residual metric


class _Comparison(NamedTuple):
    """Some classes, and held-out cases to compare with their training pairs."""

    first: int  # position of the first class
    batches: list[Batch]
    out: Batch
    metric: Metric
    settings: ProxySettings


def nearest_pairs(
    batch: Batch,
    classes: Int[np.ndarray, " n"],
    folds: list[Bool[np.ndarray, " n"]],
    settings: ProxySettings,
    n_jobs: int | None = 1,
) -> Float[np.ndarray, "n_held n_classes"]:
    """Return log losses of held-out cases against the nearest training pair of each class.

    Of very many cases pairs are made of an even selection.
    """
    comparisons: list[_Comparison] = []
    per_fold = 0
    for held in folds:
        others = np.flatnonzero(~held)
        others = others[selection(classes[others])]
        rest, its_classes, out = batch[others], classes[others], batch[held]
        scatter = class_scatter(rest, its_classes)
        metric = whitened(scatter, batch.values[0].size, settings.shrinkage)
        # A class's cases in their order, all classes in one pass.
        by_class = np.argsort(its_classes, kind="stable")
        ends = np.flatnonzero(np.diff(its_classes[by_class])) + 1
        members = np.split(by_class, ends)
        starts = range(0, len(members), CLASSES_AT_ONCE)
        per_fold = len(starts)
        comparisons += [
            _Comparison(
                j, [rest[of] for of in members[j : j + CLASSES_AT_ONCE]], out, metric, settings
            )
            for j in starts
        ]
    with single_threaded_blas():
        found = dispatch(_nearest, comparisons, n_jobs, lambda _: None, lambda *_: None, _names)
    parts = [
        np.concatenate(found[i : i + per_fold], axis=1) for i in range(0, len(found), per_fold)
    ]
    return np.log(np.maximum(np.concatenate(parts), 1e-6))


def _names(comparison: _Comparison) -> range:
    return range(comparison.first, comparison.first + len(comparison.batches))


def _nearest(comparison: _Comparison, advance: Advance) -> Float[np.ndarray, "n n_some"]:
    """Return the losses of held-out cases against some classes."""
    metric, settings, out = comparison.metric, comparison.settings, comparison.out
    bound = BoundCases.of(out, metric)
    losses = np.zeros((out.n_cases, len(comparison.batches)))
    for j, cases in enumerate(comparison.batches):
        size = bucket(2 * cases.n_cases, MIN_PAIRS)
        rng = np.random.default_rng(comparison.first + j)
        pairs = make_pairs(cases, settings.augmentation, size, settings.steps_used, rng)
        losses[:, j] = nearest_losses(metric, bound, np.reshape(pairs.values, (size, -1)))
    return losses


def nearest_losses(
    metric: Metric, cases: BoundCases, pairs: Float[np.ndarray, "m p"]
) -> Float[np.ndarray, " n"]:
    """Return the loss of each case against the nearest of ``pairs``."""
    targets, seen = cases.flat
    losses = np.zeros(len(targets))
    for pattern in np.unique(cases.pattern):
        of = np.flatnonzero(cases.pattern == pattern)
        factor = cases.factors[pattern]
        visible = np.where(seen[of[0]], pairs, np.float32(0))
        apart = (
            np.asarray(squared(metric, factor, targets[of]), np.float64)[:, None]
            + np.asarray(squared(metric, factor, visible), np.float64)
            - 2.0 * np.asarray(inner(metric, factor, targets[of], visible), np.float64)
        )
        losses[of] = apart.min(axis=1) / cases.n_observed[of]
    return losses


class ProxyCorrection(NamedTuple):
    """``log loss of an expert = intercept + slope * log loss of its proxy``.

    Fitted on pairs of a held-out case and a *wrong* class, whose experts have not seen the case
    either: nearly a line, which holds for the true class as well.
    """

    intercept: float
    slope: float

    def __call__(self, log_losses: Float[np.ndarray, "n c"]) -> Float[np.ndarray, "n c"]:
        """Predict the experts' log losses."""
        return self.intercept + self.slope * log_losses

    @classmethod
    def fit(cls, proxy: Float[np.ndarray, " n"], own: Float[np.ndarray, " n"]) -> "ProxyCorrection":
        """Fit a line to the lower halves of both, quantile by quantile.

        >>> x = np.linspace(-3.0, 1.0, 2000)
        >>> line = ProxyCorrection.fit(x, 1.5 * x - 0.5)
        >>> bool(abs(line(np.array([[-2.0]])) - (-3.5)).max() < 0.05)
        True
        """
        n = len(own)
        if not n:
            return cls(0.0, 1.0)
        x, y = np.quantile(proxy, LOWER_HALF), np.quantile(own, LOWER_HALF)
        centre, apart = float(x.mean()), float((y - x).mean())
        spread = float(np.sum((x - centre) ** 2))
        slope = float(np.sum((x - centre) * (y - y.mean()))) / spread if spread > 0 else 1.0
        trust = n / (n + PRIOR_PAIRS)
        slope = 1.0 + trust * (min(max(slope, 1.0 / MAX_SLOPE), MAX_SLOPE) - 1.0)
        return cls(trust * apart + (1.0 - slope) * centre, slope)
