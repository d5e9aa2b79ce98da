"""The metric of the recurrent view: shrinkage, noise, and the inverse temperature of its losses."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from egem.calibration.folds import holding
from egem.calibration.held_out import held_out_losses
from egem.calibration.scatter import class_scatter
from egem.calibration.temperature import best_temperature, tempered_weights
from egem.core.metric import METRICS, NOISE_SHARE, Metric, Scatter
from egem.data.preparation import Batch
from egem.views.linear_losses import LinearMetric

SHRINKAGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0)
RIDGE = 1.0  # of the linear experts: about the prior of a recurrent expert's codes
INVERSE_TEMPERATURES = tuple(np.geomspace(0.3, 100.0, 40))
TEMPER = 0.5  # below 1: held-out cases are few, and folds share training cases
MIN_NOISE = 1e-3  # of a typical member's loss against its class mean
# With one case a class nothing can be held out.
SHRINKAGE_WITHOUT_CASES = 0.5
INVERSE_TEMPERATURE_WITHOUT_CASES = 5.0


class MetricChoice(NamedTuple):
    """A metric, and the inverse temperature of its losses."""

    metric: Metric
    inverse_temperature: float
    cross_entropy: float  # of the held-out cases, in nats; nan where none could be held out


def choose_metric(
    batch: Batch,
    classes: Int[np.ndarray, " n_cases"],
    name: str,
    shrinkage: float | None = None,
) -> MetricChoice:
    """Choose shrinkage and inverse temperature by the cross-entropy of held-out training cases.

    Linear experts take the place of recurrent ones, which would have to be trained for every fold.
    Their metric is the whitened one, whatever metric is built. Few cases determine the shrinkage
    badly, so candidates are averaged, on a log scale, with weights ``exp(-TEMPER n
    cross_entropy)``. The loss that linear experts leave of held-out cases sets the noise, the unit
    of the prior on codes.
    """
    fixed = 1.0 if name == "mse" else shrinkage
    n_values = batch.values[0].size
    some, folds = holding(classes)
    if not folds or len(np.unique(classes)) < 2:
        chosen = SHRINKAGE_WITHOUT_CASES if fixed is None else fixed
        metric = _built(name, class_scatter(batch, classes), n_values, chosen)
        return MetricChoice(metric, INVERSE_TEMPERATURE_WITHOUT_CASES, float("nan"))
    metrics = [LinearMetric(s, RIDGE, 1.0) for s in (SHRINKAGES if fixed is None else (fixed,))]
    losses, truth = held_out_losses(batch[some], classes[some], folds, metrics)
    chosen = metrics[0].shrinkage
    if len(metrics) > 1:
        weights = tempered_weights(losses, truth, INVERSE_TEMPERATURES, TEMPER)
        chosen = float(np.exp(np.average(np.log(SHRINKAGES), weights=weights)))
        averaged = [LinearMetric(chosen, RIDGE, 1.0)]
        losses, _ = held_out_losses(batch[some], classes[some], folds, averaged)
    cross_entropy, beta = best_temperature(losses[0], truth, INVERSE_TEMPERATURES)
    metric = _built(name, class_scatter(batch, classes), n_values, chosen)
    left = np.exp(np.median(losses[0][np.arange(len(truth)), truth]))
    share = float(np.clip(NOISE_SHARE * left, MIN_NOISE, 1.0))
    return MetricChoice(replace(metric, noise=share * metric.noise), beta, cross_entropy)


def _built(name: str, scatter: Scatter, n_values: int, shrinkage: float) -> Metric:
    """Build a metric, which may be the user's, and check it."""
    metric = METRICS[name](scatter, n_values, shrinkage)
    basis = np.asarray(metric.basis)
    if basis.ndim != 2 or len(basis) != n_values or not np.isfinite(basis).all():
        raise ValueError(
            f"metric {name!r}: its basis has shape {basis.shape} or is not finite; the builder "
            f"must return a finite array ({n_values}, q)."
        )
    if metric.name not in METRICS or not (0 < metric.floor < np.inf and 0 <= metric.noise < np.inf):
        raise ValueError(
            f"metric {name!r}: the builder must return a Metric named by a key of METRICS, with a "
            f"positive floor and a noise of at least 0, not {metric.name!r}, {metric.floor!r}, "
            f"{metric.noise!r}."
        )
    return metric
