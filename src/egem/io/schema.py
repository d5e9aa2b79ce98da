"""Whether what a file says is a model can be one, before anything is worked out with it.

A checksum tells of accidents, not of intent: whoever writes a file can write its checksum as well.
Native code trusts shapes and dilations, and what is not finite would spread. So everything a
computation relies on is looked at here, and what a model would take in memory is reckoned up.
"""

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from egem.calibration.conformal import HeldOut
from egem.data.augment import Kind
from egem.data.preparation import Preparation
from egem.ensemble.bank import Search
from egem.ensemble.codes import Trained
from egem.ensemble.decoder import Expert
from egem.ensemble.experts import Ensemble
from egem.ensemble.features import KERNELS, N_THRESHOLDS, Convolutions
from egem.ensemble.joint import JointMetric
from egem.ensemble.linear import MOST_HULL_DIRECTIONS, Pieces
from egem.ensemble.metric import Metric
from egem.ensemble.recipe import Recipe
from egem.ensemble.views import Space
from egem.kept import Kept
from egem.runtime.limits import check_size

LARGEST = 2**31 - 1  # of what is counted: time points, steps, seeds
MOST_ITERATIONS = 100_000
KINDS: tuple[str, ...] = get_args(Kind)
SPACES = ("raw", "features", "columns", "own")


def check_ensemble(ensemble: Ensemble, max_bytes: int) -> None:
    """Refuse experts that do not fit each other, their grid, their metric or into memory.

    Raises
    ------
    ValueError
        Saying what is wrong.
    """
    classes, grid = ensemble.classes, ensemble.preparation
    if classes.ndim != 1 or len(classes) != len(ensemble.trained) or not len(classes):
        raise ValueError(f"{len(classes)} classes but {len(ensemble.trained)} experts")
    if not (classes[:-1] < classes[1:]).all():
        raise ValueError("its classes are not in order, or not different")
    _whole("seed", ensemble.seed, 0, 2**64)
    _check_grid(grid)
    n_book = max(len(t.book) for t in ensemble.trained)
    decoded = 4 * len(classes) * n_book * ensemble.n_values
    needed = decoded + 8 * grid.n_timepoints * (grid.n_steps + grid.n_channels)
    check_size("at work it takes", needed, max_bytes)
    n_cells = len(ensemble.trained[0].expert.w_rec)
    for trained in ensemble.trained:
        _check_trained(trained, n_cells, grid.n_channels)
    _check_metric(ensemble.metric, ensemble.n_values)
    _check_search(ensemble.search)


def check_hulls(
    metric: JointMetric, hulls: Sequence[Sequence[Pieces]], n_values: int, max_bytes: int
) -> None:
    """Refuse spaces that do not fit each other, or whose dilations reach beyond a case.

    Raises
    ------
    ValueError
        Saying what is wrong.
    """
    names = [space.name for space in metric.spaces]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"its spaces are {', '.join(names) or 'none'}")
    _number("imagined", metric.imagined, 0.0)
    _whole("whole steps", metric.whole.n_steps, 0, LARGEST)
    _number("missing", metric.whole.missing, 0.0)
    for i, (space, found) in enumerate(zip(metric.spaces, metric.representations, strict=True)):
        size = n_values
        if isinstance(found, Convolutions):
            _check_convolutions(found, max_bytes)
            size = found.projection.shape[1]
        elif space.name != "raw":
            raise ValueError(f"space {space.name!r} has no description")
        _check_space(space, size)
        _check_pieces(space, [of[i] for of in hulls], size, max_bytes)


def check_recipe(recipe: Recipe, ensemble: Ensemble) -> None:
    """Refuse a recipe that no expert can be trained by.

    Raises
    ------
    ValueError
        Naming the entry.
    """
    for name in ("n_cells", "n_updates", "batch_size", "code_size"):
        _whole(name, getattr(recipe, name), 1, LARGEST)
    for name in ("learning_rate", "code_noise", "value_noise"):
        _number(name, getattr(recipe, name), 0.0)
    if recipe.clip is not None:
        _number("clip", recipe.clip, 0.0)
    for name in ("cosine", "published_init", "blend", "pad_codes"):
        if not isinstance(getattr(recipe, name), bool):
            raise ValueError(f"{name} is {getattr(recipe, name)!r}")
    if recipe.kind not in KINDS or recipe.codes not in ("auto", "one-hot", "learned"):
        raise ValueError(f"kind {recipe.kind!r} or codes {recipe.codes!r} is unknown")
    n_cells = len(ensemble.trained[0].expert.w_rec)
    if recipe.n_cells != n_cells:
        raise ValueError(f"a recipe of {recipe.n_cells} cells, but experts of {n_cells}")


def check_held_out(held: HeldOut, n_classes: int) -> None:
    """Refuse scores of held-out cases that do not belong together.

    Raises
    ------
    ValueError
        Naming the array.
    """
    n = len(held.truth)
    _array("held_out/log_scores", held.log_scores, (n, n_classes), "f")
    _array("held_out/strangeness", held.strangeness, (n,), "f")
    _positions("held_out/truth", held.truth, n_classes)


def check_kept(kept: Kept, n_channels: int, ensemble: Ensemble) -> None:
    """Refuse training cases that are none of the model's.

    Raises
    ------
    ValueError
        Saying what is wrong.
    """
    n = len(kept.cases)
    for case in kept.cases:
        if len(case) != n_channels or not case.shape[1] or np.isinf(case).any():
            raise ValueError("one of its cases is empty, infinite or of other channels")
    _positions("cases/classes", kept.classes, len(ensemble.classes))
    if kept.classes.shape != (n,) or kept.rows.shape != (n,) or (np.diff(kept.classes) < 0).any():
        raise ValueError("its cases and their classes do not belong together")
    n_rows = np.array([len(t.codes) for t in ensemble.trained])
    if kept.rows.dtype.kind not in "iu" or not (kept.rows < n_rows[kept.classes]).all():
        raise ValueError("its cases have codes that are not there")
    if n and kept.rows.min() < 0:
        raise ValueError("its cases have codes that are not there")


def check_facts(sharpness: Any, time_step: Any, n_features: Any, names: Any, kind: Any) -> None:
    """Refuse what else a header tells.

    Raises
    ------
    ValueError
        Naming it.
    """
    _number("sharpness", sharpness, 0.0)
    if time_step is not None:
        _number("time_step", time_step, np.nextafter(0.0, 1.0))
    _whole("n_features_in", n_features, 1, LARGEST)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("feature_names_in are not names")
    if names and len(names) != n_features:
        raise ValueError(f"{n_features} features but {len(names)} names of them")
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r} is unknown")


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


def _check_trained(trained: Trained, n_cells: int, n_channels: int) -> None:
    h, k = n_cells, len(trained.expert.w_code)
    shapes = (k, 4 * h), (4 * h,), (h, 4 * h), (4 * h,), (h, n_channels), (n_channels,)
    for name, array, shape in zip(Expert._fields, trained.expert, shapes, strict=True):
        _array(name, np.asarray(array), shape, "f")
    n, n_book = len(trained.codes), len(trained.book)
    if not (h and k and n and n_book):
        raise ValueError("an expert has no cells, no codes or no book")
    _array("codes", trained.codes, (n, k), "f")
    _array("code_mean", trained.code_mean, (k,), "f")
    _array("code_precision", trained.code_precision, (k,), "f")
    _array("book", trained.book, (n_book, k), "f")
    if (trained.code_precision < 0).any():
        raise ValueError("a precision is negative")
    _number("loss", trained.loss, 0.0)
    _whole("n_bends", trained.n_bends, 0, k)


def _check_metric(metric: Metric, n_values: int) -> None:
    width = metric.basis.shape[1] if metric.basis.ndim == 2 else 0
    _array("metric/basis", metric.basis, (n_values, width), "f")
    if metric.name not in ("mse", "whitened"):
        raise ValueError(f"metric {metric.name!r} is unknown")
    for name in ("floor", "noise", "shrinkage"):
        _number(f"the metric's {name}", getattr(metric, name), 0.0)
    if not metric.floor > 0:
        raise ValueError("the metric's floor is not positive")


def _check_search(search: Search) -> None:
    if search.method not in ("levenberg-marquardt", "adam"):
        raise ValueError(f"search {search.method!r} is unknown")
    _whole("n_iterations", search.n_iterations, 0, MOST_ITERATIONS)
    _number("prior_strength", search.prior_strength, 0.0)
    if search.reach is not None:
        _number("reach", search.reach, 0.0)


def _check_pieces(space: Space, hulls: Sequence[Pieces], size: int, max_bytes: int) -> None:
    if not all(hulls):
        raise ValueError("a class has no hull")
    flat = [each for pieces in hulls for each in pieces]
    for each in flat:
        width = max(len(each.basis), 1) if each.basis.ndim == 2 else 0
        if width > MOST_HULL_DIRECTIONS:
            raise ValueError(f"a hull of {width} directions")
        _array("a hull's mean", each.mean, (size,), "f")
        _array("a hull's basis", each.basis, (width, size), "f")
    # Laid side by side in double precision: as they are, for each shrinkage, and for each way.
    widest = max(len(each.basis) for each in flat)
    a_row = size * (1 + len({c.shrinkage for c in space.candidates}))
    a_row += widest * len(space.candidates)
    check_size("at work its hulls take", 8 * len(flat) * widest * a_row, max_bytes)


def _check_space(space: Space, size: int) -> None:
    if space.name not in SPACES:
        raise ValueError(f"space {space.name!r} is unknown")
    directions, variances, *rest = space.scatter
    _array("directions", directions, (size, len(variances)), "f")
    _array("variances", variances, (len(variances),), "f")
    for value in (*rest, space.weight, *(v for c in space.candidates for v in c)):
        _number("a measure", value, 0.0)
    if (variances < 0).any() or not space.candidates or len(space.candidates) > 1000:
        raise ValueError(f"space {space.name!r} cannot be measured in")
    if min(c.shrinkage for c in space.candidates) <= 0:
        raise ValueError(f"space {space.name!r} cannot be measured in")
    if space.usual is not None:
        _number("the usual loss", space.usual.mean, -np.inf)
        _number("its spread", space.usual.spread, np.nextafter(0.0, 1.0))


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
