"""Checks of what a file holds, before anything is computed with it.

A checksum detects accidents, not intent: whoever writes a file can write its checksum as well.
Native code trusts shapes and dilations, and values that are not finite would spread. Everything
that a computation relies on is checked here, and so is the memory that a model would take.
"""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import jax
import numpy as np

from egem.core.metric import METRICS, Metric
from egem.data.augment import Augmentation
from egem.data.exemplars import Exemplars
from egem.data.preparation import Preparation
from egem.ensemble.codes import TrainedExpert
from egem.ensemble.conformal import HeldOut
from egem.model import Model
from egem.runtime.files import check_size
from egem.settings import Settings
from egem.views.features import KERNELS, N_THRESHOLDS, Convolutions
from egem.views.linear import MAX_DIRECTIONS, LocalExperts
from egem.views.views import CONVOLUTIONS, LINEAR, View, resolve_views

LARGEST = 2**31 - 1  # of what is counted: time points, steps, seeds
MAX_STEPS = 100_000
AUGMENTATIONS: tuple[str, ...] = get_args(Augmentation)


def check_model(model: Model, max_bytes: int) -> None:
    """Refuse a model that no fit can have made, or that does not fit into memory.

    Raises
    ------
    ValueError
        Naming what is wrong.
    """
    classes, grid = model.classes, model.preparation
    n = len(classes)
    if classes.ndim != 1 or not n or not (classes[:-1] < classes[1:]).all():
        raise ValueError("its classes are not in order, or not different")
    counted = model.views is None or model.views.recurrent_weight > 0
    wanted = {0} if model.metric is None else {n} if counted else {0, n}
    if len(model.experts) not in wanted:
        raise ValueError(f"{n} classes but {len(model.experts)} experts")
    _whole("seed", model.seed, 0, 2**64)
    _check_grid(grid)
    n_values = grid.n_steps * grid.n_channels
    needed = 8 * grid.n_timepoints * (grid.n_steps + grid.n_channels)
    needed += 4 * n * n_values * max((len(t.codebook) for t in model.experts), default=0)
    check_size("at work it takes", needed, max_bytes)
    for expert in model.experts:
        _check_expert(expert)
    if model.metric is not None:
        _check_metric(model.metric, n_values)
    _check_views(model, n_values, max_bytes)
    _check_settings(model.settings)
    _check_held_out(model.held_out, n)
    _number("inverse_temperature", model.inverse_temperature, 0.0)
    _check_exemplars(model.exemplars, grid.n_channels, model)


def _check_views(model: Model, n_values: int, max_bytes: int) -> None:
    if model.views is None:
        if model.metric is None or model.linear_experts:
            raise ValueError("it has no views")
        return
    views = model.views
    names = [view.name for view in views.linear]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"its views are {', '.join(names) or 'none'}")
    _number("recurrent_weight", views.recurrent_weight, 0.0)
    _whole("covered steps", views.coverage.n_steps, 0, LARGEST)
    _number("missing", views.coverage.missing, 0.0)
    if len(model.linear_experts) != len(names):
        raise ValueError("a view has no linear experts")
    for view, experts in zip(views.linear, model.linear_experts, strict=True):
        size = n_values
        if isinstance(view.representation, Convolutions):
            _check_convolutions(view.representation, max_bytes)
            size = view.representation.size
        if (view.representation is None) != (view.name == LINEAR):
            raise ValueError(f"view {view.name!r} has another representation")
        _check_view(view, size)
        if len(experts) != len(model.classes):
            raise ValueError("a class has no linear expert")
        _check_linear_experts(view, experts, size, max_bytes)


def _check_settings(settings: Settings) -> None:
    recipe, search = settings.recipe, settings.search
    config = recipe.config
    for name in ("n_updates", "batch_size"):
        _whole(name, getattr(config, name), 1, LARGEST)
    _whole("code_size", recipe.code_size, 1, LARGEST)
    _whole("keep_cases", settings.keep_cases, 1, LARGEST)
    for name in ("learning_rate", "code_noise", "value_noise"):
        _number(name, getattr(config, name), 0.0)
    for name, value in (("clip", config.clip), ("shrinkage", settings.shrinkage)):
        if value is not None:
            _number(name, value, 0.0)
    for value in (config.cosine, config.clip_codes, recipe.mixup, settings.recurrent_optional):
        if not isinstance(value, bool):
            raise ValueError(f"a switch of training is {value!r}")
    if recipe.augmentation not in AUGMENTATIONS:
        raise ValueError(f"augmentation {recipe.augmentation!r} is unknown")
    if recipe.codes not in ("auto", "one-hot", "learned") or settings.metric not in METRICS:
        raise ValueError(f"codes {recipe.codes!r} or metric {settings.metric!r} are unknown")
    if settings.method not in ("levenberg-marquardt", "adam"):
        raise ValueError(f"search {settings.method!r} is unknown")
    _whole("max_steps", search.max_steps, 0, MAX_STEPS)
    _number("prior_weight", search.prior_weight, 0.0)
    if not search.bounds[0] < search.bounds[1]:
        raise ValueError(f"codes are bounded by {search.bounds}")
    resolve_views(settings.views, "none")


def _check_held_out(held: HeldOut, n_classes: int) -> None:
    n = len(held.truth)
    _array("held_out/log_scores", held.log_scores, (n, n_classes), "f")
    _array("held_out/nonconformity", held.nonconformity, (n,), "f")
    _positions("held_out/truth", held.truth, n_classes)
    _positions("held_out/n_trained", held.n_trained, LARGEST)
    if held.n_trained.shape != (n_classes,):
        raise ValueError("its held-out cases are of other classes")


def _check_exemplars(kept: Exemplars, n_channels: int, model: Model) -> None:
    n = len(kept.cases)
    for case in kept.cases:
        if len(case) != n_channels or not case.shape[1] or np.isinf(case).any():
            raise ValueError("one of its cases is empty, infinite or of other channels")
    _positions("cases/classes", kept.classes, len(model.classes))
    if kept.classes.shape != (n,) or kept.rows.shape != (n,) or (np.diff(kept.classes) < 0).any():
        raise ValueError("its cases and their classes do not belong together")
    n_rows = np.full(len(model.classes), LARGEST)
    if model.experts:
        n_rows = np.array([len(t.codes) for t in model.experts])
    rows = kept.rows
    if rows.dtype.kind not in "iu" or not ((rows >= 0) & (rows < n_rows[kept.classes])).all():
        raise ValueError("its cases have codes that are missing")


def check_fitted(fitted: Mapping[str, Any]) -> None:
    """Refuse attributes that no estimator has.

    Raises
    ------
    ValueError
        Naming what is wrong.
    """
    n, names, step = fitted["n_features_in_"], fitted["feature_names_in_"], fitted["time_step_"]
    if step is not None:
        _number("time_step", step, np.nextafter(0.0, 1.0))
    _whole("n_features_in", n, 1, LARGEST)
    for each in (names, fitted["channel_names_"]):
        if each is None:
            continue
        if not isinstance(each, list) or not all(isinstance(name, str) for name in each):
            raise ValueError("names of features or channels are not names")
        if each is names and len(each) != n:
            raise ValueError(f"{n} features but {len(each)} names of them")


def _check_grid(grid: Preparation) -> None:
    n = grid.n_channels
    _array("preparation/mean", grid.mean, (n,), "f")
    _array("preparation/scale", grid.scale, (n,), "f")
    if not n or not (grid.scale > 0).all():
        raise ValueError("a channel's scale is not positive")
    for name in ("n_timepoints", "block", "n_steps"):
        _whole(name, getattr(grid, name), 1, LARGEST)
    if not grid.steps_used <= grid.n_steps <= grid.steps_used + 3:
        raise ValueError(f"{grid.n_steps} steps do not hold {grid.n_timepoints} time points")


def _check_expert(expert: TrainedExpert) -> None:
    for i, array in enumerate(jax.tree.leaves(expert.params)):  # whose shapes the decoder set
        _array(f"params/{i}", array, array.shape, "f")
    k = expert.codes.shape[1]
    n, n_codes = len(expert.codes), len(expert.codebook)
    if not (k and n and n_codes):
        raise ValueError("an expert has no codes or no codebook")
    _array("codes", expert.codes, (n, k), "f")
    _array("code_mean", expert.code_mean, (k,), "f")
    _array("code_precision", expert.code_precision, (k,), "f")
    _array("codebook", expert.codebook, (n_codes, k), "f")
    if (expert.code_precision < 0).any():
        raise ValueError("a precision is negative")
    _number("loss", expert.loss, 0.0)
    _whole("n_warps", expert.n_warps, 0, k)


def _check_metric(metric: Metric, n_values: int) -> None:
    width = metric.basis.shape[1] if metric.basis.ndim == 2 else 0
    _array("metric/basis", metric.basis, (n_values, width), "f")
    if metric.name not in METRICS:
        raise ValueError(f"metric {metric.name!r} is unknown")
    for name in ("floor", "noise", "shrinkage"):
        _number(f"the metric's {name}", getattr(metric, name), 0.0)
    if not metric.floor > 0:
        raise ValueError("the metric's floor is not positive")


def _check_linear_experts(
    view: View, experts: Sequence[LocalExperts], size: int, max_bytes: int
) -> None:
    if not all(experts):
        raise ValueError("a class has no linear expert")
    flat = [each for local in experts for each in local]
    for each in flat:
        width = max(len(each.basis), 1) if each.basis.ndim == 2 else 0
        if width > MAX_DIRECTIONS:
            raise ValueError(f"a linear expert of {width} directions")
        _array("a linear expert's mean", each.mean, (size,), "f")
        _array("a linear expert's basis", each.basis, (width, size), "f")
    # Side by side in double precision: as they are, for each shrinkage, and for each metric.
    widest = max(len(each.basis) for each in flat)
    a_row = size * (1 + len({m.shrinkage for m in view.metrics}))
    a_row += widest * len(view.metrics)
    check_size("at work its linear experts take", 8 * len(flat) * widest * a_row, max_bytes)


def _check_view(view: View, size: int) -> None:
    if view.name != LINEAR and view.name not in CONVOLUTIONS:
        raise ValueError(f"view {view.name!r} is unknown")
    directions, variances, *rest = view.scatter
    _array("directions", directions, (size, len(variances)), "f")
    _array("variances", variances, (len(variances),), "f")
    for value in (*rest, view.weight, *(v for m in view.metrics for v in m)):
        _number("a metric of linear experts", value, 0.0)
    if (variances < 0).any() or not 0 < len(view.metrics) <= 1000:
        raise ValueError(f"view {view.name!r} has no metrics, or too many")
    if min(m.shrinkage for m in view.metrics) <= 0:
        raise ValueError(f"view {view.name!r} has a shrinkage of 0")
    if view.held_out_loss is not None:
        _number("held_out_loss", view.held_out_loss.mean, -np.inf)
        _number("its spread", view.held_out_loss.spread, np.nextafter(0.0, 1.0))


def _check_convolutions(found: Convolutions, max_bytes: int) -> None:
    layout, banks = found.layout, found.banks
    n = len(layout.mean)
    _array("layout/mean", layout.mean, (n,), "f")
    _array("layout/scale", layout.scale, (n,), "f")
    _whole("length", layout.length, 1, LARGEST)
    if layout.along not in ("time", "channels") or not n or not (layout.scale > 0).all():
        raise ValueError("a layout of features is of no kind, or of no scale")
    check_size("at work its features take", 4 * 8 * n * layout.length, max_bytes)
    furthest = max((layout.length - 1) // 8, 1)
    for bank in banks:
        d = len(bank.dilations)
        _array("dilations", bank.dilations, (d,), "iu")
        _array("channels", bank.channels, (d, len(KERNELS), n), "f")
        _array("thresholds", bank.thresholds, (d, len(KERNELS), N_THRESHOLDS), "f")
        if not d or bank.dilations.min() < 1 or bank.dilations.max() > furthest:
            raise ValueError("a dilation reaches beyond the cases")
    size = sum(bank.thresholds.size for bank in banks)
    if len(banks) != 2:
        raise ValueError(f"{len(banks)} banks of features")
    _array("centre", found.centre, (size,), "f")
    _array("spread", found.spread, (size,), "f")
    _array("projection", found.projection, (size, found.projection.shape[-1]), "f")
    if not (found.spread > 0).all() or not found.projection.shape[1]:
        raise ValueError("features have no spread or no direction")


def _array(name: str, array: np.ndarray, shape: tuple[int, ...], kinds: str) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape} instead of {shape}")
    if array.dtype.kind not in kinds:
        raise ValueError(f"{name} holds {array.dtype}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} holds values that are not finite")


def _positions(name: str, array: np.ndarray, n: int) -> None:
    _array(name, array, (len(array),), "iu")
    if len(array) and not 0 <= array.min() <= array.max() < n:
        raise ValueError(f"{name} are not all below {n}")


def _number(name: str, value: Any, least: float) -> None:
    real = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not real or not least <= float(value) < np.inf:
        raise ValueError(f"{name} is {value!r}")


def _whole(name: str, value: Any, least: int, most: int) -> None:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or not least <= int(value) <= most:
        raise ValueError(f"{name} is {value!r}")
