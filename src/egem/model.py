"""The fitted model: an immutable value, and how it is made."""

import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, NamedTuple, Self

import numpy as np
from jaxtyping import Float, Float32, Shaped
from numpy.typing import ArrayLike

from egem.calibration.alignment import fit_aligned
from egem.calibration.fit import Calibrated, CalibrationData, calibrate, recalibrate
from egem.data.exemplars import Exemplars
from egem.data.preparation import Batch, Preparation
from egem.data.validation import Case, as_labels, check_channels, check_spread
from egem.ensemble.codes import TrainedExpert
from egem.ensemble.ensemble import Ensemble
from egem.ensemble.inversion import check_visible, invert_batch
from egem.ensemble.own_decoder import check_decoder
from egem.ensemble.result import Calibration, HeldOut, Inversion
from egem.ensemble.search import Need
from egem.ensemble.training import CheckpointStore, train
from egem.runtime.progress import Progress, Timings
from egem.settings import Settings, augmentation_of, seed_of, settle
from egem.views.views import RECURRENT, View

log = logging.getLogger(__name__)

NEGLIGIBLE = 1e-3  # sum of probabilities that are not worth a search


class Runtime(NamedTuple):
    """How work is done; results do not depend on it."""

    n_jobs: int | None = None  # threads or workers; None takes all
    verbose: bool = False  # whether to show progress
    store: CheckpointStore | None = None  # keeps experts as they finish


HERE = Runtime()  # all cores, silent


@dataclass(frozen=True, eq=False, kw_only=True)
class Model(Ensemble):
    """An ensemble with what is needed to change it.

    Attributes
    ----------
    exemplars : Exemplars
        Training cases that stay in the model.
    settings : Settings
        How it was made.
    """

    exemplars: Exemplars
    settings: Settings

    def with_calibration(self, calibration: Calibration) -> "Model":
        """Return the model with another calibration; decoded codebooks are shared."""
        other = replace(self, calibration=calibration)
        if "bank" in vars(self):
            vars(other)["bank"] = self.bank
        return other

    @property
    def inverse_temperature(self) -> float:
        """Probabilities are proportional to ``scores ** -inverse_temperature``."""
        return self.calibration.inverse_temperature

    @property
    def held_out(self) -> HeldOut:
        """Scores of cases that the experts were not trained on."""
        return self.calibration.held_out

    @property
    def train_loss(self) -> Float[np.ndarray, " n_classes"]:
        """Mean squared error of each recurrent expert over its training pairs."""
        return np.array([t.loss for t in self.experts])

    @property
    def view_weights(self) -> dict[str, float]:
        """Weight of each view, by name; they sum to 1."""
        if self.views is None:
            return {RECURRENT: 1.0}
        weights = {RECURRENT: self.views.recurrent_weight} if self.metric else {}
        weights |= {view.name: view.weight for view in self.views.linear}
        return {name: weight / self.views.total_weight for name, weight in weights.items()}

    @property
    def linear_views(self) -> tuple[View, ...]:
        """The views with linear experts."""
        return self.views.linear if self.views else ()

    @property
    def need_of_probabilities(self) -> Need:
        """Which experts are searched: those whose probabilities together are not negligible."""
        return Need(np.log(len(self.classes) / NEGLIGIBLE) / self.inverse_temperature)

    def reconstruct(
        self, found: Inversion, e: int | None
    ) -> Float32[np.ndarray, "n_cases n_channels n_timepoints"]:
        """Decode the codes found by expert number ``e``, or by that of each predicted class."""
        whose = found.winners if e is None else np.full(len(found.losses), e)
        grid = self.preparation
        out = np.zeros((len(whose), grid.n_channels, grid.n_timepoints), np.float32)
        for c in np.unique(whose):
            out[whose == c] = self.imagine(c, found.codes[whose == c, c])
        return out

    def sample(
        self, e: int, n: int, random_state: int | None
    ) -> Float32[np.ndarray, "n n_channels n_timepoints"]:
        """Decode codes drawn as those of training pairs are: mixtures of two, deformed."""
        _ = self.recurrent
        if n < 1:
            raise ValueError(f"n must be at least 1, not {n}.")
        rng = np.random.default_rng(random_state)
        codes, n_warps = self.experts[e].codes, self.experts[e].n_warps
        first, second = codes[rng.integers(len(codes), size=(2, n))]
        mix = rng.random((n, 1)).astype(np.float32)
        drawn = mix * first + (1 - mix) * second
        if n_warps:
            drawn[:, -n_warps:] = rng.normal(size=(n, n_warps))
        return self.imagine(e, drawn)


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
    p = parameters
    with phases("prepare"):
        labels = as_labels(y, len(cases))
        if p["scaling"] == "standard":  # by which a sentinel would be divided
            check_spread(cases, stacklevel=4)
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
    with phases("train"):
        experts = train_experts(settings, batches, classes.tolist(), preparation, seed, runtime)
    with phases("calibrate"):
        data = CalibrationData.of(
            aligned, batch, index, augmentation, preparation, seed, runtime.n_jobs
        )
        found = calibrate(settings.views, settings.metric, settings.shrinkage, data)
        exemplars = Exemplars.of(cases, index, settings.keep_cases)
        beta = found.inverse_temperature(index)
    with phases("correct"):
        model = _assembled(classes, tuple(experts), found, beta, data, exemplars, settings)
    phases.log(log)
    return model


def train_experts(
    settings: Settings,
    batches: list[Batch],
    labels: list,
    preparation: Preparation,
    seed: int,
    runtime: Runtime,
) -> list[TrainedExpert]:
    """Train the recurrent experts of classes; none without a recurrent view.

    Raises
    ------
    ValueError
        Where the decoder is the user's own, and does not decode to sequences like the cases.
    TrainingDiverged
        Where a class's expert reaches no finite loss.
    """
    if RECURRENT not in settings.views:
        return []
    check_decoder(settings.recipe, batches[0])
    title = f"training {len(labels)} expert{'s' * (len(labels) > 1)}"
    with Progress(title, len(labels), runtime.verbose) as bar:
        steps, recipe = preparation.steps_used, settings.recipe
        return train(
            batches, labels, recipe, steps, seed, runtime.n_jobs, bar.advance, runtime.store
        )


def reassembled(
    model: Model,
    classes: Shaped[np.ndarray, " n_classes"],
    experts: tuple[TrainedExpert, ...],
    exemplars: Exemplars,
    runtime: Runtime,
    refit: bool = False,
) -> Model:
    """Return a model of other classes or experts, with held-out cases scored anew.

    ``refit`` also fits metric, views and inverse temperature anew.
    """
    if not exemplars.cases:
        raise ValueError("this model keeps no training cases, so its classes cannot be changed.")
    preparation, settings = model.preparation, model.settings
    cases = preparation.align(list(exemplars.cases))
    data = CalibrationData.of(
        cases,
        preparation.apply(cases),
        exemplars.classes,
        settings.recipe.augmentation,
        preparation,
        model.seed,
        runtime.n_jobs,
    )
    beta = model.inverse_temperature
    if refit:
        found = calibrate(settings.views, settings.metric, settings.shrinkage, data)
        beta = found.inverse_temperature(exemplars.classes)
    else:
        found = recalibrate(model.metric, model.views, data)
    return _assembled(classes, experts, found, beta, data, exemplars, settings)


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
    held_out = found.corrected(lambda batch: invert_batch(model, batch, data.n_jobs), data)
    return model.with_calibration(Calibration(inverse_temperature, held_out))


def _preparation(p: Mapping[str, Any], cases: list[Case], index, shared_scale: bool) -> Preparation:
    """Return the fitted preparation handed in as ``scaling``, or fit one."""
    scaling = p["scaling"]
    if isinstance(scaling, Preparation):
        check_channels(cases, scaling.n_channels, "the preparation given as scaling")
        return scaling
    standardise = scaling == "standard"
    return fit_aligned(cases, index, p["align"], shared_scale, standardise, p["max_steps"])


def as_method(function: Callable[..., Model]) -> Callable[..., Any]:
    """Make a method of a function of the model; it replaces ``model_`` of the estimator."""

    @wraps(function)
    def method(self, *args, **kwargs):
        arguments = [getattr(a, "model_", a) for a in args]  # merge takes another estimator
        self.model_ = function(self._model, *arguments, **{"runtime": self._runtime} | kwargs)
        return self

    whole = inspect.signature(function)
    own = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    own += [p for p in whole.parameters.values() if p.name not in ("model", "runtime")]
    vars(method)["__signature__"] = whole.replace(parameters=own, return_annotation=Self)
    return method
