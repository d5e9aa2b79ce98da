"""Fitting: how a model is made of training cases, and made again of other classes."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Int, Shaped
from numpy.typing import ArrayLike

from egem.calibration.alignment import fit_aligned
from egem.calibration.fit import Calibrated, CalibrationData, calibrate, recalibrate
from egem.calibration.folds import distinct_order, holding
from egem.calibration.rescoring import rescored
from egem.data.cases import Case
from egem.data.exemplars import Exemplars
from egem.data.preparation import Batch, Preparation
from egem.data.validation import as_labels, check_axes, check_channels, check_spread
from egem.ensemble.codes import TrainedExpert
from egem.ensemble.conformal import Calibration
from egem.ensemble.inversion import check_visible, invert_batch
from egem.ensemble.own_decoder import check_decoder
from egem.ensemble.result import Inversion
from egem.ensemble.training import train
from egem.model import HERE, Model, Runtime
from egem.runtime.parallel import on_one_blas_thread
from egem.runtime.progress import Phases, Progress, Timings, phase
from egem.settings import Settings, augmentation_of, seed_of, settle
from egem.views.views import RECURRENT

log = logging.getLogger(__name__)

# CPU seconds of the phases, about, for 20 classes of 4 letters; the time left derives from them.
COSTS = {"calibrate": 3.0, "train": 15.0, "correct": 2.0}


@on_one_blas_thread
def fit_model(
    parameters: Mapping[str, Any],
    cases: list[Case],
    y: ArrayLike,
    runtime: Runtime = HERE,
    phases: Timings | None = None,
) -> Model:
    """Fit a model to training cases.

    Raises
    ------
    ValueError
        For cases, or a decoder of the user's own, that cannot be used.
    TrainingDiverged
        Where a class's expert reaches no finite loss.
    """
    phases = phases or Timings("fit")
    with Phases("fitting", COSTS, runtime.verbose):
        return _fit_model(parameters, cases, y, runtime, phases)


def _fit_model(
    p: Mapping[str, Any], cases: list[Case], y: ArrayLike, runtime: Runtime, phases: Timings
) -> Model:
    with phases("prepare"):
        labels = as_labels(y, len(cases))
        check_axes(cases, stacklevel=6)
        if p["scaling"] == "standard":  # by which a sentinel would be divided
            check_spread(cases, stacklevel=6)
        classes, index = np.unique(labels, return_inverse=True)
        augmentation = augmentation_of(p["augment"], cases)
        preparation = _preparation(p, cases, index, augmentation == "image")
        aligned = preparation.align(cases)
        batch = preparation.apply(aligned)
        check_visible(batch, preparation.n_timepoints)
        settings = settle(p, augmentation, batch, index)
        seed = seed_of(p["random_state"])
        batches = [batch[index == c] for c in range(len(classes))]
    log.info("fit: %d classes, %d cases, %s", len(classes), len(cases), settings.recipe)
    with phases("calibrate"):
        data = CalibrationData.of(
            aligned, batch, index, augmentation, preparation, seed, runtime.n_jobs
        )
        found = _calibrate(settings, data)
        exemplars = Exemplars.of(cases, index, settings.keep_cases)
        beta = found.inverse_temperature(data.classes)
    experts: list[TrainedExpert] = []
    with phases("train"):
        if found.needs_recurrent:
            experts = train_classes(settings, batches, classes.tolist(), preparation, seed, runtime)
    with phases("correct"):
        model = _assembled(classes, tuple(experts), found, beta, data, exemplars, settings)
    phases.log(log)
    return model


def train_classes(
    settings: Settings,
    batches: list[Batch],
    labels: list,
    preparation: Preparation,
    seed: int,
    runtime: Runtime,
) -> list[TrainedExpert]:
    """Train the recurrent experts of classes; none without a recurrent view, or without cases.

    Raises
    ------
    ValueError
        Where the decoder is the user's own, and does not decode to sequences like the cases.
    TrainingDiverged
        Where a class's expert reaches no finite loss.
    """
    if RECURRENT not in settings.views or not batches:
        return []
    check_decoder(settings.recipe, batches[0])
    title = f"training {len(labels)} expert{'s' * (len(labels) > 1)}"
    with phase("train"), Progress(title, len(labels), runtime.verbose) as bar:
        steps, recipe = preparation.steps_used, settings.recipe
        return train(
            batches, labels, recipe, steps, seed, runtime.n_jobs, bar.advance, runtime.store
        )


def train_experts(model: Model, runtime: Runtime = HERE) -> Model:
    """Train the recurrent experts that recognition does without, on the training cases kept.

    Pictures, samples and completions need them. A model that has its experts is returned as it is.

    Raises
    ------
    ValueError
        Where the model was fitted without the recurrent view.
    TrainingDiverged
        Where an expert reaches no finite loss.
    """
    _ = model.recurrent
    if model.experts:
        return model
    experts, exemplars = _of_exemplars(
        model.settings, model.exemplars, model.classes, model.preparation, model.seed, runtime
    )
    return replace(model, experts=experts, exemplars=exemplars)


def reassembled(
    model: Model,
    classes: Shaped[np.ndarray, " n_classes"],
    experts: tuple[TrainedExpert, ...],
    exemplars: Exemplars,
    runtime: Runtime,
    refit: bool = False,
    changed: int | None = None,
) -> Model:
    """Return a model of other classes or experts, with held-out cases scored anew.

    ``refit`` also fits metric, views and inverse temperature anew. ``changed`` is the position of
    the only class that is new or has other cases, if there is one.
    """
    if not exemplars.cases:
        raise ValueError("this model keeps no training cases, so its classes cannot be changed.")
    preparation, settings = model.preparation, model.settings
    data = _calibration_data(model, exemplars, runtime)
    beta = model.inverse_temperature
    if changed is not None and not refit:
        found = _of_changed(model, data, changed, runtime)
        if found is not None:
            return _assembled(classes, experts, found, beta, data, exemplars, settings)
    if refit:
        found = _calibrate(settings, data)
        beta = found.inverse_temperature(data.classes)
    else:
        with phase("calibrate"):
            found = recalibrate(model.metric, model.views, data)
    if found.needs_recurrent and not experts:  # held-out cases ask for them now
        experts, exemplars = _of_exemplars(
            settings, exemplars, classes, preparation, model.seed, runtime
        )
    return _assembled(classes, experts, found, beta, data, exemplars, settings)


def _calibration_data(model: Model, exemplars: Exemplars, runtime: Runtime) -> CalibrationData:
    """Return the training cases kept, as calibration takes them."""
    cases = model.preparation.align(list(exemplars.cases))
    return CalibrationData.of(
        cases,
        model.preparation.apply(cases),
        exemplars.classes,
        model.settings.recipe.augmentation,
        model.preparation,
        model.seed,
        runtime.n_jobs,
    )


def _of_changed(
    model: Model, data: CalibrationData, changed: int, runtime: Runtime
) -> Calibrated | None:
    """Score the only class that changed; None where all classes must be scored.

    That is so where recurrent experts count: other cases have been left out of each of their
    proxies.
    """
    views = model.views
    if views is None or views.recurrent_weight or not model.exemplars.cases:
        return None
    place, experts = np.arange(len(model.classes)), model.linear_experts
    if data.n_classes > len(place):
        place = place + (place >= changed)
        experts = tuple((*of[:changed], (), *of[changed:]) for of in experts)
    before = _calibration_data(model, model.exemplars, runtime)
    found = rescored(model.held_out, before, data, place, changed, views, experts)
    return found and Calibrated(model.metric, views, *found)


def held_out_exemplars(model: Model) -> Int[np.ndarray, " n"] | None:
    """Return which exemplars the model's held-out scores belong to.

    None where other cases were scored (:func:`calibrate`), or not all of them are kept.
    """
    exemplars, held = model.exemplars, model.held_out
    if not exemplars.cases:
        return None
    batch = model.preparation.apply(list(exemplars.cases))
    order = distinct_order(batch, exemplars.classes)
    holds = holding(exemplars.classes[order])
    numbers = order[holds.some[holds.order]] if holds.folds else np.zeros(0, int)
    return numbers if np.array_equal(exemplars.classes[numbers], held.truth) else None


def _of_exemplars(
    settings: Settings,
    exemplars: Exemplars,
    classes: Shaped[np.ndarray, " n_classes"],
    preparation: Preparation,
    seed: int,
    runtime: Runtime,
) -> tuple[tuple[TrainedExpert, ...], Exemplars]:
    """Train recurrent experts on the training cases that are kept, which get their codes."""
    cases = [preparation.align(exemplars.of_class(e)) for e in range(len(classes))]
    batches = [preparation.apply(of) for of in cases]
    experts = train_classes(settings, batches, classes.tolist(), preparation, seed, runtime)
    rows = np.concatenate([np.arange(len(of)) for of in cases])
    return tuple(experts), exemplars._replace(rows=rows)


def _calibrate(settings: Settings, data: CalibrationData) -> Calibrated:
    """Fit metric and views; say so where recurrent experts are not needed."""
    optional = settings.recurrent_optional
    with phase("calibrate", undecided=optional):
        found = calibrate(settings.views, settings.metric, settings.shrinkage, data, optional)
    if found.metric is not None and not found.needs_recurrent:
        log.info("held-out cases are predicted as well without recurrent experts: none is trained")
    return found


def _assembled(
    classes: Shaped[np.ndarray, " n_classes"],
    experts: tuple[TrainedExpert, ...],
    found: Calibrated,
    inverse_temperature: float,
    data: CalibrationData,
    exemplars: Exemplars,
    settings: Settings,
) -> Model:
    """Put a model together, with its held-out scores corrected by its recurrent experts."""
    parts: dict[str, Any] = {
        "classes": classes,
        "experts": experts,
        "decoder": settings.recipe.decoder,
        "preparation": data.preparation,
        "metric": found.metric,
        "views": found.views,
        "linear_experts": found.linear_experts,
        "method": settings.method,
        "search": settings.search,
        "seed": data.seed,
        "exemplars": exemplars,
        "settings": settings,
    }
    model = Model(**parts, calibration=Calibration(inverse_temperature, found.held_out))

    def invert(batch: Batch) -> Inversion:
        with Progress("searching by new experts", batch.n_cases, show=False) as bar:
            return invert_batch(model, batch, data.n_jobs, bar.advance)

    with phase("correct"):
        held_out = found.corrected(invert, data)
    return model.with_calibration(Calibration(inverse_temperature, held_out))


def _preparation(p: Mapping[str, Any], cases: list[Case], index, shared_scale: bool) -> Preparation:
    """Return the fitted preparation handed in as ``scaling``, or fit one."""
    scaling = p["scaling"]
    if isinstance(scaling, Preparation):
        check_channels(cases, scaling.n_channels, "the preparation given as scaling")
        return scaling
    standardise = scaling == "standard"
    return fit_aligned(cases, index, p["align"], shared_scale, standardise, p["max_steps"])
