"""The constructor's arguments, and what follows from them and from the training cases."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, cast

import numpy as np
from jaxtyping import Int
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)

from egem.calibration.capacity import choose_capacity
from egem.calibration.folds import MAX_CASES
from egem.calibration.scatter import MAX_DIRECTIONS, class_scatter
from egem.core.config import SearchConfig, TrainingConfig
from egem.core.decoder import Decoder
from egem.core.lstm import LSTMDecoder
from egem.core.metric import METRICS
from egem.data.augment import Augmentation, guess_augmentation
from egem.data.cases import Case
from egem.data.preparation import Batch, Preparation
from egem.ensemble.codes import Codes, Recipe
from egem.runtime.batching import evenly
from egem.views.views import RECURRENT, resolve_views

PUBLISHED = {"characters": (10, 40_000), "mnist": (20, 20_000)}  # cells, updates (section 3)


def _at_least(kind: type, low: float, closed: Literal["left", "neither"] = "left") -> Interval:
    return Interval(kind, low, None if kind is Integral else math.inf, closed=closed)  # finite


class Training(BaseEstimator):
    """How recurrent experts are trained.

    Parameters
    ----------
    n_updates : int or None, default None
        Gradient steps; None follows from the cases.
    batch_size : int or None, default None
        Training pairs in a step; None follows from the cases.
    learning_rate : float, default 0.04
        Adam's learning rate.
    cosine : bool, default True
        Whether the rate decays to zero along a cosine. With a constant rate the weights of the
        lowest loss are taken, looked at every 100 updates.
    clip : float or None, default 1.0
        Largest gradient norm.
    mixup : bool, default True
        Whether pairs of training cases are mixed.
    code_noise, value_noise : float, default 0.0
        Standard deviation of Gaussian noise on codes and on standardised sequences.
    checkpoint : str or None, default None
        Folder that keeps experts as they finish. The same fit, started again, finds them there.
        Remove it once the model is saved.
    """

    _parameter_constraints: ClassVar[dict] = {
        "n_updates": [_at_least(Integral, 1), None],
        "batch_size": [_at_least(Integral, 1), None],
        "learning_rate": [_at_least(Real, 0, "neither")],
        "cosine": ["boolean"],
        "clip": [_at_least(Real, 0, "neither"), None],
        "mixup": ["boolean"],
        "code_noise": [_at_least(Real, 0)],
        "value_noise": [_at_least(Real, 0)],
        "checkpoint": [str, os.PathLike, None],
    }

    def __init__(
        self,
        *,
        n_updates: int | None = None,
        batch_size: int | None = None,
        learning_rate: float = 0.04,
        cosine: bool = True,
        clip: float | None = 1.0,
        mixup: bool = True,
        code_noise: float = 0.0,
        value_noise: float = 0.0,
        checkpoint: str | None = None,
    ):
        self.n_updates = n_updates
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.cosine = cosine
        self.clip = clip
        self.mixup = mixup
        self.code_noise = code_noise
        self.value_noise = value_noise
        self.checkpoint = checkpoint


class Search(BaseEstimator):
    """How codes are searched for.

    Parameters
    ----------
    method : {"levenberg-marquardt", "adam"}, default "levenberg-marquardt"
        ``"adam"`` is the paper's.
    max_steps : int or None, default None
        Largest number of steps; None is 20, or the paper's 50 for Adam.
    prior_weight : float, default 1.0
        Weight of the prior on codes, in units of the noise of held-out training cases; 0 leaves
        codes free.
    bounds : tuple of float or None, default None
        Smallest and largest entry of a code; None sets no bounds.
    """

    _parameter_constraints: ClassVar[dict] = {
        "method": [StrOptions({"levenberg-marquardt", "adam"})],
        "max_steps": [_at_least(Integral, 0), None],
        "prior_weight": [_at_least(Real, 0)],
        "bounds": [tuple, list, None],
    }

    def __init__(
        self,
        *,
        method: Literal["levenberg-marquardt", "adam"] = "levenberg-marquardt",
        max_steps: int | None = None,
        prior_weight: float = 1.0,
        bounds: tuple[float, float] | None = None,
    ):
        self.method = method
        self.max_steps = max_steps
        self.prior_weight = prior_weight
        self.bounds = bounds

    def config(self) -> SearchConfig:
        """Return the settings of the search.

        Raises
        ------
        ValueError
            Where ``bounds`` are no pair of numbers, the smaller one first.
        """
        default = 50 if self.method == "adam" else SearchConfig.max_steps
        steps = default if self.max_steps is None else int(self.max_steps)
        bounds = (-math.inf, math.inf) if self.bounds is None else tuple(self.bounds)
        numbers = all(isinstance(bound, Real) for bound in bounds)
        if len(bounds) != 2 or not numbers or not bounds[0] < bounds[1]:
            raise ValueError(
                f"bounds must be two numbers, the smaller one first, or None, not {self.bounds!r}."
            )
        low, high = map(float, bounds)
        return SearchConfig(steps, float(self.prior_weight), (low, high))


CONSTRAINTS: dict[str, list] = {
    "views": [StrOptions({"auto"}), tuple, list],
    "metric": [str],  # a key of METRICS, which grows
    "shrinkage": [Interval(Real, 0, 1, closed="right"), None],
    "decoder": [Decoder, None],
    "augment": [StrOptions({"auto", "none", "series", "pen", "image"})],
    "codes": [StrOptions({"auto", "one-hot", "learned"}), _at_least(Integral, 1)],
    "training": [Training, None],
    "search": [Search, None],
    "max_steps": [_at_least(Integral, 1), None],
    "align": [StrOptions({"auto", "start", "stretch"})],
    "scaling": [StrOptions({"standard", "none"}), Preparation],
    "keep_cases": [_at_least(Integral, 1)],
    "n_jobs": [_at_least(Integral, 1), Interval(Integral, None, -1, closed="right"), None],
    "random_state": ["random_state"],
    "verbose": ["boolean"],
}


def check_parameters(parameters: Mapping[str, Any]) -> None:
    """Refuse arguments of an :class:`egem.EGEMClassifier` that mean nothing.

    Raises
    ------
    ValueError
        Naming the argument.
    """
    validate_parameter_constraints(CONSTRAINTS, dict(parameters), "EGEMClassifier")
    metric, search = parameters["metric"], parameters["search"]
    resolve_views(parameters["views"], "none")
    try:
        hash(parameters["decoder"])
    except TypeError as error:
        raise ValueError(
            "decoder must be hashable, since programs are compiled for it; make its class a "
            "dataclass(frozen=True)."
        ) from error
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(map(repr, METRICS))}, not {metric!r}.")
    for details in (parameters["training"], search):
        if details is not None:
            details._validate_params()
    if search is not None:
        search.config()


@dataclass(frozen=True)
class Settings:
    """Everything that incremental operations need to repeat a fit."""

    views: tuple  # names of views, and representations of the user's own
    # whether the recurrent view is left out where held-out cases do not need it
    recurrent_optional: bool
    metric: str  # of the recurrent view
    shrinkage: float | None  # of that metric, where it was set
    recipe: Recipe  # how recurrent experts are trained
    method: str  # ``"levenberg-marquardt"`` or ``"adam"``
    search: SearchConfig  # settings of the search
    keep_cases: int  # training cases of a class that stay in the model


def published(dataset: str, noise: tuple[float, float], n_cells: int | None, n_updates: int | None):
    """Return the constructor's arguments for the paper's setting of a data set.

    Raises
    ------
    ValueError
        Where ``dataset`` is neither ``"characters"`` nor ``"mnist"``, or ``noise`` is no pair.
    """
    if dataset not in PUBLISHED:
        raise ValueError(f"dataset must be one of {sorted(PUBLISHED)}, not {dataset!r}.")
    if np.shape(noise) != (2,):
        raise ValueError(f"noise must be two sds, of codes and of sequences, not {noise!r}.")
    cells, updates = PUBLISHED[dataset]
    return {
        "views": (RECURRENT,),
        "metric": "mse",
        "decoder": LSTMDecoder(cells if n_cells is None else n_cells, "published"),
        "augment": "none",
        "codes": "one-hot",
        "training": Training(
            n_updates=updates if n_updates is None else n_updates,
            batch_size=1,
            learning_rate=0.01,
            cosine=False,
            clip=None,
            mixup=False,
            code_noise=noise[0],
            value_noise=noise[1],
        ),
        "search": Search(method="adam", prior_weight=0.0),
        "align": "start",
        "scaling": "none",
        "max_steps": 100_000,
    }


def settle(
    p: Mapping[str, Any], augmentation: Augmentation, batch: Batch, classes: Int[np.ndarray, " n"]
) -> Settings:
    """Fill in what the arguments ``p`` leave open, from the training cases."""
    training, search = p["training"] or Training(), p["search"] or Search()
    some = evenly(len(classes), MAX_CASES)
    scatter = class_scatter(batch[some], classes[some], MAX_DIRECTIONS)
    capacity = choose_capacity(classes, batch.values.shape[2], scatter)
    decoder = p["decoder"] or LSTMDecoder()
    if isinstance(decoder, LSTMDecoder) and decoder.n_cells is None:
        decoder = replace(decoder, n_cells=capacity.n_cells)
    codes, code_size = p["codes"], capacity.code_size
    if not isinstance(codes, str):
        codes, code_size = "learned", int(codes)
    config = TrainingConfig(
        n_updates=int(training.n_updates or capacity.n_updates),
        batch_size=int(training.batch_size or capacity.batch_size),
        learning_rate=float(training.learning_rate),
        cosine=bool(training.cosine),
        clip=None if training.clip is None else float(training.clip),
        code_noise=float(training.code_noise),
        value_noise=float(training.value_noise),
        clip_codes=codes == "one-hot",
    )
    mixup = bool(training.mixup)
    recipe = Recipe(decoder, config, augmentation, mixup, cast(Codes, codes), code_size)
    views = resolve_views(p["views"], augmentation)
    shrinkage = None if p["shrinkage"] is None else float(p["shrinkage"])
    method, keep = search.method, int(p["keep_cases"])
    optional = p["views"] == "auto" and p["decoder"] is None
    return Settings(views, optional, p["metric"], shrinkage, recipe, method, search.config(), keep)


def augmentation_of(augment: str, cases: list[Case]) -> Augmentation:
    """Return how cases are deformed."""
    return guess_augmentation(cases) if augment == "auto" else augment  # type: ignore[return-value]


def seed_of(random_state: int | np.random.RandomState | None) -> int:
    """Return an integer seed; a RandomState or None gives a drawn one."""
    if isinstance(random_state, int | np.integer) and not isinstance(random_state, bool):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))
