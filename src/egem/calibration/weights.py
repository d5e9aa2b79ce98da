"""The weights of the views, chosen by leaving training cases out.

Held-out cases are compared with linear experts of the rest, for every shrinkage and ridge. In each
view these metrics are averaged with weights ``exp(-TEMPER n cross_entropy)``. Then the weights of
the views, and of the recurrent one, are fitted in::

    p(class) ~ exp(-sum over views of  weight * averaged log loss)

Few cases determine weights badly, so these are the most probable ones under a log-normal prior
about ``PRIOR_WEIGHTS``, chosen on the development splits of twelve data sets together
(``docs/benchmarks/tried.md``). Recurrent experts would take too long to train again for each fold;
:mod:`egem.calibration.proxy` stands for them. It is better than they are, so that their prior
weight is low, except for images, whose affine maps recurrent experts learn and the proxy lacks.

Where the choice of views is left to the fit, a recurrent view that does not improve the prediction
of held-out cases gets weight 0, and its experts need not be trained.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize

from egem.calibration.folds import Holding, holding_from_all
from egem.calibration.held_out import MAX_DIRECTIONS, held_out_losses, on_span
from egem.calibration.proxy import ProxySettings, nearest_pairs
from egem.calibration.scatter import Copies, class_scatter
from egem.calibration.temperature import tempered_weights
from egem.core.classify import cross_entropy, log_scores
from egem.data.preparation import Batch
from egem.runtime.progress import Advance
from egem.views.linear import n_local_experts
from egem.views.linear_losses import LinearMetric, averaged
from egem.views.views import (
    COLUMNS,
    CONVOLUTIONS,
    FEATURES,
    LINEAR,
    OWN,
    RECURRENT,
    HeldOutLoss,
    View,
    without_distance,
)

SHRINKAGES = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
RIDGES = (0.01, 0.05, 0.3, 1.0, 3.0, 30.0)
GRID = tuple(LinearMetric(s, r, 0.0) for s in SHRINKAGES for r in RIDGES)
INVERSE_TEMPERATURES = tuple(np.geomspace(0.5, 60.0, 12))
TEMPER = 0.3  # below 1, as in egem.calibration.metric_choice; here over many more metrics
MIN_MIXING_WEIGHT = 0.02  # of the best metric's; those below are left out
PRIOR_WEIGHTS = {RECURRENT: 0.25, LINEAR: 0.25, FEATURES: 2.0, COLUMNS: 2.0, OWN: 2.0}
RECURRENT_WEIGHT_OF_IMAGES = 4.0
MIN_GAIN = 0.25  # in log likelihood of held-out cases, for which recurrent experts are trained
PRIOR_SPREAD = 1.0  # of the log of a weight
# Where nothing can be held out: one case a class.
RECURRENT_WEIGHT_WITHOUT_CASES = 1.0
WITHOUT_CASES = LinearMetric(0.5, 1.0, 1.0)
PRIOR_CASES = 4  # held-out cases at which the estimated spread of a loss is doubled
MIN_SPREAD = 0.1  # of a log loss


class Weighted(NamedTuple):
    """Views with their weights, and the losses of held-out cases behind them."""

    views: tuple[View, ...]  # the views with linear experts
    recurrent_weight: float  # weight of the recurrent view, 0 without one
    # one a view; none where nothing could be held out
    log_losses: tuple[Float[np.ndarray, "n_held n_classes"], ...]
    # the recurrent experts' proxy; 0 without any
    proxy: Float[np.ndarray, "n_held n_classes"] | float


def weigh_views(
    represented: Mapping[str, Batch],
    representations: Mapping,
    grid: Batch,
    classes: Int[np.ndarray, " n"],
    recurrent: ProxySettings | None,
    copies: Mapping[str, Copies | None] | None = None,
    n_jobs: int | None = 1,
    optional: bool = False,
    advance: Advance = lambda _: None,
) -> Weighted:
    """Fit each view's linear metrics, and weigh the views.

    ``optional`` is whether the recurrent view gets weight 0 where held-out cases do not need it;
    ``advance`` is called once a view.
    """
    copies = copies or {}
    held = holding_from_all(classes)
    names = list(represented) if recurrent is None else [RECURRENT, *represented]
    n_convolutions = sum(name in CONVOLUTIONS for name in names)
    weights = {
        name: PRIOR_WEIGHTS[name.split()[0]] / (n_convolutions if name in CONVOLUTIONS else 1)
        for name in names
    }
    if recurrent is not None:
        weights[RECURRENT] = _prior_of_recurrent(recurrent.augmentation, bool(held.folds))
    metrics: dict[str, tuple[LinearMetric, ...]] = dict.fromkeys(represented, (WITHOUT_CASES,))
    typical: dict[str, HeldOutLoss | None] = dict.fromkeys(represented)
    losses: dict[str, np.ndarray] = {}
    if held.folds:
        truth = classes[held.some][held.order]
        of_truth = np.arange(len(truth)), truth
        for name, batch in _with_grid(represented, grid, recurrent is not None).items():
            each = losses_in_view(name, batch, classes, held, GRID, copies.get(name))
            mixing = _mixing_weights(each, truth)
            losses[name] = np.einsum("m,mnc->nc", mixing, each)
            typical[name] = _typical(losses[name][of_truth])
            metrics[name] = tuple(
                m._replace(mixing_weight=float(w))
                for m, w in zip(GRID, mixing, strict=True)
                if w > 0
            )
            advance(1.0)
        if recurrent is not None:
            linear = losses[LINEAR], metrics[LINEAR]
            losses[RECURRENT] = proxy_losses(grid, classes, held, recurrent, *linear, n_jobs)
            advance(1.0)
        prior, weights = weights, _fitted(losses, truth, weights)
        if optional and recurrent is not None and recurrent.augmentation != "image":
            without = _fitted(losses, truth, {name: prior[name] for name in represented})
            likelihoods = [_log_likelihood(losses, truth, w) for w in (weights, without)]
            if likelihoods[0] - likelihoods[1] < MIN_GAIN:
                weights = {RECURRENT: 0.0} | without
    views = tuple(
        View(
            name,
            representations[name],
            class_scatter(without_distance(name, batch), classes, MAX_DIRECTIONS, copies.get(name)),
            metrics[name],
            weights[name],
            typical[name],
        )
        for name, batch in represented.items()
    )
    in_views = tuple(losses[name] for name in represented) if losses else ()
    return Weighted(views, weights.get(RECURRENT, 0.0), in_views, losses.get(RECURRENT, 0.0))


def _fitted(
    losses: Mapping[str, np.ndarray], truth: Int[np.ndarray, " n"], prior: Mapping[str, float]
) -> dict[str, float]:
    """Fit the weights of the views in ``prior``."""
    found = fit_weights([losses[name] for name in prior], truth, np.array(list(prior.values())))
    return dict(zip(prior, map(float, found), strict=True))


def _log_likelihood(
    losses: Mapping[str, np.ndarray], truth: Int[np.ndarray, " n"], weights: Mapping[str, float]
) -> float:
    """Return the log likelihood of the held-out cases' classes, in nats."""
    stacked = np.stack([losses[name] for name in weights])
    energies = log_scores(stacked, np.array(list(weights.values())))
    return -len(truth) * cross_entropy(energies, truth)


def _prior_of_recurrent(augmentation: str, can_hold_out: bool) -> float:
    """Return the prior weight of the recurrent view."""
    if augmentation == "image":
        return RECURRENT_WEIGHT_OF_IMAGES
    return PRIOR_WEIGHTS[RECURRENT] if can_hold_out else RECURRENT_WEIGHT_WITHOUT_CASES


def _with_grid(represented: Mapping[str, Batch], grid: Batch, needed: bool) -> dict[str, Batch]:
    """Add the linear view, which the proxy needs, where it is none of the model's."""
    return dict(represented) | ({LINEAR: grid} if needed and LINEAR not in represented else {})


def losses_in_view(
    name: str,
    batch: Batch,
    classes: Int[np.ndarray, " n"],
    held: Holding,
    metrics: Sequence[LinearMetric],
    copies: Copies | None,
    local: bool = True,
) -> Float[np.ndarray, "m n_held n_classes"]:
    """Return the log losses of held-out cases in a view, by metric; ``batch`` is represented."""
    return held_out_losses(
        batch[held.some],
        classes[held.some],
        held.folds,
        metrics,
        on_span if name in CONVOLUTIONS else None,
        copies,
        local,
    )[0]


def proxy_losses(
    grid: Batch,
    classes: Int[np.ndarray, " n"],
    held: Holding,
    settings: ProxySettings,
    linear: Float[np.ndarray, "n_held n_classes"],
    metrics: Sequence[LinearMetric],
    n_jobs: int | None = 1,
) -> Float[np.ndarray, "n_held n_classes"]:
    """Estimate the log losses of recurrent experts trained without the held-out cases.

    ``linear`` are those of linear experts, averaged over ``metrics``. A recurrent expert has one
    code for all its cases, so its proxy takes the only linear expert of a class, not several local
    ones.
    """
    some = held.some
    if n_local_experts(np.bincount(classes)).max() > 1:
        each = losses_in_view(LINEAR, grid, classes, held, metrics, None, local=False)
        linear = averaged(each, metrics)
    nearest = nearest_pairs(grid[some], classes[some], held.folds, settings, n_jobs)
    return 0.5 * (nearest + linear)


def _typical(log_losses: Float[np.ndarray, " n"]) -> HeldOutLoss:
    """Return mean and spread of held-out cases' log losses; of few cases the spread is raised."""
    spread = float(log_losses.std()) * (1.0 + PRIOR_CASES / len(log_losses))
    return HeldOutLoss(float(log_losses.mean()), max(spread, MIN_SPREAD))


def _mixing_weights(losses: Float[np.ndarray, "m n c"], truth) -> Float[np.ndarray, " m"]:
    weights = tempered_weights(losses, truth, INVERSE_TEMPERATURES, TEMPER)
    weights[weights < MIN_MIXING_WEIGHT] = 0.0
    return weights / weights.sum()


def fit_weights(
    log_losses: Sequence[Float[np.ndarray, "n c"]],
    truth: Int[np.ndarray, " n"],
    prior: Float[np.ndarray, " s"],
) -> Float[np.ndarray, " s"]:
    """Find the most probable weights: cross-entropy of held-out cases plus the log-normal prior."""
    stacked = np.stack(log_losses)

    def objective(away: Float[np.ndarray, " s"]) -> float:
        energies = log_scores(stacked, prior * np.exp(away))
        penalty = 0.5 * float(np.sum((away / PRIOR_SPREAD) ** 2))
        return len(truth) * cross_entropy(energies, truth) + penalty

    bounds = [(-6.0, 4.0)] * len(stacked)
    found = minimize(objective, np.zeros(len(stacked)), method="L-BFGS-B", bounds=bounds)
    return prior * np.exp(found.x)
