"""The classifier's constructor arguments: checked, and turned into what each part asks for."""

import os
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from jaxtyping import Int
from sklearn.utils.validation import check_random_state

from egem.calibration.folds import MOST_CASES, evenly
from egem.calibration.temperature import choose_metric
from egem.capacity import choose_capacity
from egem.data.augment import Kind, guess_kind
from egem.data.preparation import Batch, Preparation, canonical_order, fit_preparation
from egem.data.validation import Case
from egem.ensemble.bank import Search
from egem.ensemble.joint import JointMetric
from egem.ensemble.lm import MAX_STEPS
from egem.ensemble.metric import MOST_DIRECTIONS, Metric, class_scatter
from egem.ensemble.recipe import Codes, Recipe
from egem.ensemble.views import Representation

if TYPE_CHECKING:
    from egem.classifier import EGEMClassifier

_PUBLISHED = {"characters": (10, 40_000), "mnist": (20, 20_000)}  # cells, updates
MOST_CASES_TO_ALIGN = 1000  # looked at to choose between start and stretch
_LEAST = {
    **{"n_cells": 1, "n_updates": 1, "code_size": 1, "max_steps": 1, "n_iterations": 0},
    "keep_cases": 1,
}


# The paper's codes are trained and searched for on the simplex; its last step may leave it by 0.05.
PUBLISHED_REACH, PUBLISHED_STEPS = 0.1, 6


def published_parameters(dataset: str, noise: tuple[float, float]) -> dict[str, Any]:
    """Return the constructor's arguments for the paper's setting of a data set.

    Raises
    ------
    ValueError
        Where ``dataset`` is neither ``"characters"`` nor ``"mnist"``.
    """
    if dataset not in _PUBLISHED:
        raise ValueError(f"dataset must be one of {sorted(_PUBLISHED)}, not {dataset!r}.")
    n_cells, n_updates = _PUBLISHED[dataset]
    return {
        "recipe": "published",
        "noise": noise,
        "n_cells": n_cells,
        "n_updates": n_updates,
        "learning_rate": 0.01,
        "metric": "mse",
        "augment": "none",
        "scaling": "none",
        "align": "start",
        "max_steps": 100_000,
        "inversion": "adam",
        "prior_strength": 0.0,
    }


def check_parameters(p: "EGEMClassifier") -> None:
    """Refuse arguments that mean nothing.

    Raises
    ------
    ValueError
        Naming the argument, its value and what it may be.
    """
    choices = {
        "augment": ("auto", "none", "series", "pen", "image"),
        "align": ("auto", "start", "stretch"),
        "codes": ("auto", "one-hot", "learned"),
        "recipe": ("default", "published"),
        "inversion": ("levenberg-marquardt", "adam"),
    }
    if isinstance(p.metric, str):
        choices["metric"] = ("auto", "features", "whitened", "mse")
    elif not isinstance(p.metric, Metric | JointMetric | Representation):
        raise ValueError(
            "metric must be 'auto', 'features', 'whitened', 'mse', the metric_ of a fitted "
            f"classifier, or an object with fit and transform, not {p.metric!r}."
        )
    if not isinstance(p.scaling, Preparation):
        choices["scaling"] = ("standard", "none")
    for name, allowed in choices.items():
        if getattr(p, name) not in allowed:
            raise ValueError(
                f"{name} must be one of {', '.join(map(repr, allowed))}, not {getattr(p, name)!r}."
            )
    for name, least in _LEAST.items():
        value = getattr(p, name)
        if value is not None and (not isinstance(value, int | np.integer) or value < least):
            raise ValueError(f"{name} must be an integer of at least {least}, not {value!r}.")
    if p.n_jobs is not None and (not isinstance(p.n_jobs, int | np.integer) or p.n_jobs == 0):
        raise ValueError(f"n_jobs must be a whole number of threads, -1 or None, not {p.n_jobs!r}.")
    if p.checkpoint is not None and not isinstance(p.checkpoint, str | os.PathLike):
        raise ValueError(f"checkpoint must be a folder's path or None, not {p.checkpoint!r}.")
    if p.shrinkage is not None and not 0 < p.shrinkage <= 1:
        raise ValueError(f"shrinkage must lie in (0, 1], not {p.shrinkage!r}.")
    if not 0 < p.learning_rate < np.inf:
        raise ValueError(f"learning_rate must be positive, not {p.learning_rate!r}.")
    if not 0 <= p.prior_strength < np.inf:
        raise ValueError(f"prior_strength must not be negative, not {p.prior_strength!r}.")
    if np.shape(p.noise) != (2,) or not all(0 <= sd < np.inf for sd in p.noise):
        raise ValueError(f"noise must be two sds, of codes and of sequences, not {p.noise!r}.")


def preparation_of(
    p: "EGEMClassifier", cases: list[Case], classes: Int[np.ndarray, " n"], kind: Kind
) -> Preparation:
    """Return the fitted preparation handed in, or fit one to the training cases.

    Cases of unequal length are laid from their start or stretched, whichever tells held-out
    training cases apart with less surprise; with one case a class they are stretched.
    """
    if isinstance(p.scaling, Preparation):
        check_channels(cases, p.scaling.n_channels, "the preparation given as scaling")
        return p.scaling
    fit = partial(
        fit_preparation,
        cases,
        shared_scale=kind == "image",
        standardise=p.scaling == "standard",
        max_steps=p.max_steps,
    )
    if p.align != "auto":
        return fit(stretch=p.align == "stretch")
    from_start = fit(stretch=False)
    if len({x.shape[1] for x in cases}) == 1:
        return from_start
    # Sums must not depend on the order of the cases.
    order = canonical_order(from_start.apply(cases))
    cases, classes = [cases[i] for i in order], classes[order]
    some = evenly(len(cases), MOST_CASES_TO_ALIGN)

    def surprise(preparation: Preparation) -> float:
        batch = preparation.apply([cases[i] for i in some])
        return choose_metric(batch, classes[some], "whitened").cross_entropy

    stretched = fit(stretch=True)
    return from_start if surprise(from_start) < surprise(stretched) else stretched


def check_channels(cases: list[Case], n_channels: int, fitted: str) -> None:
    """Refuse cases with another number of channels than were fitted.

    Raises
    ------
    ValueError
        Naming both numbers.
    """
    if len(cases[0]) != n_channels:
        n = len(cases[0])
        raise ValueError(
            f"X has {n} channel{'s' * (n != 1)}, but {fitted} was fitted with {n_channels}; give "
            "the same channels in the same order (a missing one is a row of NaN)."
        )


def kind_of(p: "EGEMClassifier", cases: list[Case]) -> Kind:
    """Return how cases are deformed."""
    return guess_kind(cases) if p.augment == "auto" else cast(Kind, p.augment)


def recipe_of(
    p: "EGEMClassifier", kind: Kind, batch: Batch, classes: Int[np.ndarray, " n"]
) -> Recipe:
    """Return how experts are trained; what the user leaves open follows from the cases."""
    some = evenly(len(classes), MOST_CASES)
    spread = class_scatter(batch[some], classes[some], MOST_DIRECTIONS)
    chosen = choose_capacity(classes, batch.values.shape[2], spread)
    noise = (float(p.noise[0]), float(p.noise[1]))
    n_cells, n_updates = p.n_cells or chosen.n_cells, p.n_updates or chosen.n_updates
    if p.recipe == "published":
        return Recipe.published(n_cells, n_updates, p.learning_rate, noise)
    return Recipe(
        n_cells=n_cells,
        n_updates=n_updates,
        batch_size=chosen.batch_size,
        learning_rate=p.learning_rate,
        kind=kind,
        code_noise=noise[0],
        value_noise=noise[1],
        codes=cast(Codes, p.codes),
        code_size=p.code_size or chosen.code_size,
    )


def search_of(p: "EGEMClassifier") -> Search:
    """Return how codes are searched for."""
    published = p.recipe == "published"
    default = 50 if p.inversion == "adam" else PUBLISHED_STEPS if published else MAX_STEPS
    n_iterations = default if p.n_iterations is None else int(p.n_iterations)
    reach = PUBLISHED_REACH if published else None
    return Search(p.inversion, n_iterations, float(p.prior_strength), reach)


def seed_of(random_state: int | np.random.RandomState | None) -> int:
    """Return an integer seed; a RandomState or None gives a drawn one."""
    if isinstance(random_state, int | np.integer) and not isinstance(random_state, bool):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))
