"""The fitted model: an immutable value."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, wraps
from typing import Any, NamedTuple, Self

import numpy as np
from jaxtyping import Float, Float32

from egem.data.exemplars import Exemplars
from egem.ensemble.conformal import Calibration, HeldOut
from egem.ensemble.ensemble import Ensemble
from egem.ensemble.result import Inversion
from egem.ensemble.search import Need
from egem.ensemble.training import CheckpointStore
from egem.runtime.parallel import on_one_blas_thread
from egem.runtime.progress import Phases
from egem.settings import Settings
from egem.views.views import RECURRENT, View

COSTS = {"train": 2.0, "calibrate": 1.0, "correct": 2.0}  # of the phases of a change of classes
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

    @cached_property
    def without_idle_experts(self) -> "Model":
        """The model without experts that count in no score, so that none is searched."""
        idle = self.views is not None and not self.views.recurrent_weight
        return replace(self, experts=()) if self.experts and idle else self

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


def as_method(function: Callable[..., Model]) -> Callable[..., Any]:
    """Make a method of a function of the model; it replaces ``model_`` of the estimator."""

    @wraps(function)
    def method(self, *args, **kwargs):
        arguments = [getattr(a, "model_", a) for a in args]  # merge takes another estimator
        keywords = {"runtime": self._runtime} | kwargs
        with Phases(function.__name__.replace("_", " "), COSTS, keywords["runtime"].verbose):
            self.model_ = on_one_blas_thread(function)(self._model, *arguments, **keywords)
        return self

    whole = inspect.signature(function)
    own = [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
    own += [p for p in whole.parameters.values() if p.name not in ("model", "runtime")]
    vars(method)["__signature__"] = whole.replace(parameters=own, return_annotation=Self)
    return method
