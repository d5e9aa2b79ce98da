"""Calibration: the metric, the views with their weights, and the scores of held-out cases.

Recurrent experts take part only at the end, where their losses correct those of their proxy.
"""

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from egem.calibration.folds import distinct_order, holding, holding_from_all
from egem.calibration.held_out import held_out_losses
from egem.calibration.metric_choice import (
    INVERSE_TEMPERATURE_WITHOUT_CASES,
    INVERSE_TEMPERATURES,
    RIDGE,
    choose_metric,
)
from egem.calibration.proxy import ProxyCorrection, ProxySettings
from egem.calibration.scatter import COPIES_FREEDOM, Copies
from egem.calibration.temperature import best_temperature, fold_correction
from egem.calibration.weights import losses_in_view, proxy_losses, weigh_views
from egem.core.classify import nonconformity
from egem.core.metric import Metric
from egem.data.augment import Augmentation, deformed_copies
from egem.data.cases import Case
from egem.data.preparation import Batch, Coverage, Preparation
from egem.ensemble.conformal import HeldOut
from egem.ensemble.result import Inversion
from egem.runtime.batching import evenly
from egem.runtime.parallel import single_threaded_blas
from egem.runtime.progress import Progress
from egem.views.linear import LocalExperts, fit_classes
from egem.views.linear_losses import LinearMetric, averaged
from egem.views.views import (
    LINEAR,
    RECURRENT,
    Representation,
    ViewLosses,
    Views,
    fit_representations,
    represent,
    without_distance,
)

log = logging.getLogger(__name__)

COPIES, MAX_COPIES = 256, 8  # deformed copies of all training cases together, of one of them
MAX_COPIED_VALUES = 2**20  # of all copies together, so that long and wide cases have fewer
MAX_CASES_TO_COPY = 20.0  # times the degrees of freedom that copies count as
# Pixels differ together because pictures move, and experts of images move what they decode.
SHRINKAGE_OF_IMAGES = 1.0
MAX_PAIRS, MIN_CASES = 512, 8  # of a case and an expert, searched for the proxy's correction


class CalibrationData(NamedTuple):
    """Training cases, in an order that does not depend on the user's."""

    cases: list[Case]  # in the user's units
    batch: Batch  # the same on the recurrent experts' grid
    classes: Int[np.ndarray, " n"]  # their classes, from 0, none without a case
    augmentation: Augmentation  # how cases are deformed
    preparation: Preparation  # scaling and grid
    seed: int  # seed of the features and of the deformed copies
    n_jobs: int | None  # threads

    @classmethod
    def of(
        cls,
        cases: list[Case],
        batch: Batch,
        classes: Int[np.ndarray, " n"],
        augmentation: Augmentation,
        preparation: Preparation,
        seed: int,
        n_jobs: int | None,
    ) -> "CalibrationData":
        """Bring cases into their canonical order; of equal ones of a class the first counts."""
        order = distinct_order(batch, classes)
        if len(order) < len(cases):
            log.info("%d cases equal others of their class and count once", len(cases) - len(order))
        ordered = [cases[i] for i in order]
        return cls(ordered, batch[order], classes[order], augmentation, preparation, seed, n_jobs)

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return int(self.classes.max()) + 1


class ProxyScores(NamedTuple):
    """Log losses of the recurrent experts' proxy for held-out cases, and what else counts."""

    cases: Int[np.ndarray, " n_held"]  # positions of the cases
    truth: Int[np.ndarray, " n_held"]  # their classes
    # of the proxy; 0 without recurrent experts
    log_losses: Float[np.ndarray, "n_held n_classes"] | float
    views: ViewLosses  # losses in the other views
    n_trained: Int[np.ndarray, " n_classes"]  # training cases of each class

    def scored(self, log_losses: Float[np.ndarray, "n_held n_classes"] | float) -> HeldOut:
        """Return the scores for given log losses of the recurrent experts."""
        scores = self.views.log_losses + self.views.recurrent_weight * log_losses
        unlike = nonconformity(scores + self.views.gated)
        return HeldOut(scores, unlike, self.truth, self.n_trained)


class Calibrated(NamedTuple):
    """Everything in a model that is estimated from all classes together."""

    metric: Metric | None  # of the recurrent view; None without one
    views: Views | None  # the views with linear experts; None without any
    linear_experts: tuple[tuple[LocalExperts, ...], ...]  # by view and by class
    held_out: HeldOut  # scores of held-out cases, with the proxy in place of recurrent experts
    proxy: ProxyScores | None = None  # what these scores were made of

    @property
    def needs_recurrent(self) -> bool:
        """Whether recurrent experts count in the scores."""
        return self.metric is not None and (self.views is None or self.views.recurrent_weight > 0)

    def inverse_temperature(self, classes: Int[np.ndarray, " n"]) -> float:
        """Return the inverse temperature of the scores."""
        beta, held = INVERSE_TEMPERATURE_WITHOUT_CASES, self.held_out
        if self.views is not None:
            beta = self.views.total_weight
        elif len(held.truth) and held.log_scores.shape[1] > 1:
            beta = best_temperature(held.log_scores, held.truth, INVERSE_TEMPERATURES)[1]
        return beta * fold_correction(classes)

    def corrected(self, invert: Callable[[Batch], Inversion], data: CalibrationData) -> HeldOut:
        """Return the scores of held-out cases with the proxy corrected by trained experts.

        ``invert`` searches for the codes of cases by all experts.
        """
        proxy = self.proxy
        if proxy is None or not proxy.views.recurrent_weight or data.n_classes < 2:
            return self.held_out
        some = evenly(len(proxy.cases), max(MAX_PAIRS // data.n_classes, MIN_CASES))
        with single_threaded_blas():
            own = invert(data.batch[proxy.cases[some]]).log_scores
        estimated = np.asarray(proxy.log_losses)
        of_others = np.arange(data.n_classes) != proxy.truth[some, None]
        pairs = of_others & np.isfinite(own)
        return proxy.scored(ProxyCorrection.fit(estimated[some][pairs], own[pairs])(estimated))


class _CopiedCases(NamedTuple):
    """Deformed copies of the cases, in the user's units and on the grid."""

    of: Int[np.ndarray, " m"]
    cases: list[Case]
    batch: Batch | None


def calibrate(
    views: Sequence[str | Representation],
    metric: str,
    shrinkage: float | None,
    data: CalibrationData,
    optional: bool = False,
) -> Calibrated:
    """Fit the metric and the views to training cases.

    ``optional`` is whether the recurrent view gets weight 0 where held-out cases do not need it.
    """
    with Progress("weighing views", len(views) + 3, show=False) as bar:
        chosen = None
        if RECURRENT in views:
            if len(views) > 1 and data.augmentation == "image" and shrinkage is None:
                shrinkage = SHRINKAGE_OF_IMAGES
            chosen = choose_metric(data.batch, data.classes, metric, shrinkage).metric
            if len(views) == 1:
                return recalibrate(chosen, None, data)
        bar.advance(1.0)
        # The copies are drawn first: another call with the same seed draws the same.
        rng = np.random.default_rng(data.seed)
        copied = _copies(data, rng)
        is_image = data.augmentation == "image"
        found = fit_representations(views, data.cases + copied.cases, is_image, rng, data.n_jobs)
        represented = {
            name: represent(each, data.cases, data.batch, data.n_jobs)
            for name, each in found.items()
        }
        recurrent = None if chosen is None else _proxy_settings(data, chosen)
        if recurrent is not None:
            found.setdefault(LINEAR, None)
        copies = {
            name: _differences(copied, each, represented.get(name, data.batch), data.n_jobs)
            for name, each in found.items()
        }
        bar.advance(1.0)
        weighted = weigh_views(
            *(represented, found, data.batch, data.classes),
            *(recurrent, copies, data.n_jobs, optional, bar.advance),
        )
        coverage = Coverage.of(data.batch.mask)
        fitted = Views(weighted.views, weighted.recurrent_weight, coverage)
        return _calibrated(
            chosen, fitted, data, list(represented.values()), weighted.log_losses, weighted.proxy
        )


def recalibrate(metric: Metric | None, views: Views | None, data: CalibrationData) -> Calibrated:
    """Span the classes and score held-out cases, with metric and views as they are."""
    if views is None:
        assert metric is not None
        return _metric_alone(metric, data)
    represented = [view.represent(data.cases, data.batch, data.n_jobs) for view in views.linear]
    held = holding_from_all(data.classes)
    if not held.folds:
        return _calibrated(metric, views, data, represented, (), 0.0)
    copied = _copies(data, np.random.default_rng(data.seed))
    losses = []
    for view, batch in zip(views.linear, represented, strict=True):
        copies = _differences(copied, view.representation, batch, data.n_jobs)
        each = losses_in_view(view.name, batch, data.classes, held, view.metrics, copies)
        losses.append(averaged(each, view.metrics))
    proxy = 0.0
    if metric is not None and views.recurrent_weight:
        names = [view.name for view in views.linear]
        ways = (LinearMetric(metric.shrinkage, RIDGE, 1.0),)
        if LINEAR in names:
            linear = losses[names.index(LINEAR)]
            ways = views.linear[names.index(LINEAR)].metrics
        else:
            linear = losses_in_view(LINEAR, data.batch, data.classes, held, ways, None)[0]
        settings = _proxy_settings(data, metric)
        proxy = proxy_losses(data.batch, data.classes, held, settings, linear, ways, data.n_jobs)
    return _calibrated(metric, views, data, represented, losses, proxy)


def _metric_alone(metric: Metric, data: CalibrationData) -> Calibrated:
    """Score held-out cases by linear experts, where the recurrent view is the only one."""
    held = holding(data.classes)
    if not held.folds:
        return Calibrated(metric, None, (), HeldOut.none(data.n_classes))
    cases, classes = data.batch[held.some], data.classes[held.some]
    ways = [LinearMetric(metric.shrinkage, RIDGE, 1.0)]
    scores = held_out_losses(cases, classes, held.folds, ways)[0][0]
    counts = np.bincount(data.classes)
    held_out = HeldOut(scores, nonconformity(scores), classes[held.order], counts)
    return Calibrated(metric, None, (), held_out)


def _calibrated(
    metric: Metric | None,
    views: Views,
    data: CalibrationData,
    represented: list[Batch],
    losses: Sequence[Float[np.ndarray, "n_held n_classes"]],
    proxy: Float[np.ndarray, "n_held n_classes"] | float,
) -> Calibrated:
    """Fit the linear experts, and pool the losses of held-out cases over the views."""
    experts = tuple(
        fit_classes(without_distance(view.name, each), data.classes)
        for view, each in zip(views.linear, represented, strict=True)
    )
    if not losses:
        return Calibrated(metric, views, experts, HeldOut.none(data.n_classes))
    held = holding_from_all(data.classes)
    index = held.some[held.order]
    pooled = views.pool(losses, data.batch.mask[index])
    truth, counts = data.classes[index], np.bincount(data.classes)
    scores = ProxyScores(index, truth, proxy, pooled, counts)
    return Calibrated(metric, views, experts, scores.scored(proxy), scores)


def _proxy_settings(data: CalibrationData, metric: Metric) -> ProxySettings:
    return ProxySettings(data.augmentation, data.preparation.steps_used, metric.shrinkage)


def _copies(data: CalibrationData, rng: np.random.Generator) -> _CopiedCases:
    """Deform the cases, where they are so few that it helps."""
    n = len(data.cases)
    many = n - data.n_classes > MAX_CASES_TO_COPY * COPIES_FREEDOM
    if data.augmentation == "none" or many:
        return _CopiedCases(np.zeros(0, int), [], None)
    most = min(COPIES, MAX_COPIED_VALUES // max(case.size for case in data.cases))
    n_copies = int(np.clip(most // n, 1, MAX_COPIES))
    grid = data.preparation
    copies = deformed_copies(data.cases, data.augmentation, n_copies, grid.mean, grid.scale, rng)
    return _CopiedCases(np.repeat(np.arange(n), n_copies), copies, grid.apply(copies))


def _differences(
    copied: _CopiedCases, representation, represented: Batch, n_jobs: int | None
) -> Copies | None:
    """Return how copies differ from their cases in a view; None where there are none."""
    if copied.batch is None:
        return None
    copies = represent(representation, copied.cases, copied.batch, n_jobs)
    both = copies.mask & represented.mask[copied.of]
    away = np.where(both, copies.values - represented.values[copied.of], 0.0)
    return Copies(copied.of, away.reshape(len(copied.of), -1))
