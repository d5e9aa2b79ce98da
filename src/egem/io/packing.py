"""Models as named arrays and a JSON header, for :mod:`egem.io.model_file`."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import jax
import numpy as np
from jaxtyping import Shaped

from egem.core.config import SearchConfig, TrainingConfig
from egem.core.decoder import Decoder
from egem.core.lstm import LSTMDecoder
from egem.core.metric import METRICS, Metric
from egem.data.exemplars import Exemplars
from egem.data.preparation import Preparation
from egem.ensemble.codes import Recipe, TrainedExpert
from egem.ensemble.conformal import Calibration, HeldOut
from egem.errors import ModelFileError
from egem.io.view_arrays import Arrays, pack_views, unpack_views
from egem.model import Model
from egem.settings import CONSTRAINTS, Search, Settings, Training

_CODES = ("codes", "code_mean", "code_precision", "codebook")
_METRIC = ("name", "floor", "noise", "shrinkage")
_GRID = ("n_timepoints", "block", "n_steps", "stretch")
_FITTED = "as fitted"  # stands for a preparation handed to the constructor


def pack(model: Model) -> tuple[Arrays, dict[str, Any]]:
    """Take a model apart."""
    metric, grid, settings = model.metric, model.preparation, model.settings
    arrays: Arrays = {"preparation/mean": grid.mean, "preparation/scale": grid.scale}
    if metric is not None:
        arrays["metric/basis"] = metric.basis
    for e, expert in enumerate(model.experts):
        arrays |= pack_expert(expert, f"expert/{e}")
    views, header = pack_views(model)
    arrays |= views
    arrays |= {f"held_out/{name}": a for name, a in model.held_out._asdict().items()}
    arrays |= _pack_cases(model.exemplars)
    recipe = settings.recipe
    return {name: np.ascontiguousarray(a) for name, a in arrays.items()}, {
        "classes": _labels_to_json(model.classes),
        "decoder": _decoder_to_json(model.decoder),
        "experts": [{"loss": t.loss, "n_warps": t.n_warps} for t in model.experts],
        "metric": None if metric is None else {name: getattr(metric, name) for name in _METRIC},
        "preparation": {name: int(getattr(grid, name)) for name in _GRID},
        "views": header,
        "inverse_temperature": model.inverse_temperature,
        "seed": model.seed,
        "settings": {
            "views": list(settings.views),
            "recurrent_optional": settings.recurrent_optional,
            "metric": settings.metric,
            "shrinkage": settings.shrinkage,
            "method": settings.method,
            "search": _search_to_json(settings.search),
            "keep_cases": settings.keep_cases,
            "training": asdict(recipe.config),
            "augmentation": recipe.augmentation,
            "mixup": recipe.mixup,
            "codes": recipe.codes,
            "code_size": recipe.code_size,
        },
    }


def pack_parameters(parameters: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Turn an estimator's parameters into JSON."""
    return {name: _plain(value, seed) for name, value in parameters.items()}


def unpack_parameters(header: dict[str, Any], model: Model) -> dict[str, Any]:
    """Put an estimator's parameters together."""
    p = dict(header)
    if set(p) != set(CONSTRAINTS):
        raise ValueError(f"its parameters are {', '.join(sorted(p))}")
    if p["scaling"] == _FITTED:
        p["scaling"] = model.preparation
    if p["decoder"] is not None:
        p["decoder"] = _decoder_from_json(p["decoder"], model.decoder)
    if isinstance(p["views"], list):
        p["views"] = tuple(p["views"])
    for name, of in (("training", Training), ("search", Search)):
        p[name] = p[name] and of(**p[name])
    return p


def unpack(arrays: Arrays, header: dict[str, Any], decoder: Decoder | None) -> Model:
    """Put a model together.

    Raises
    ------
    ModelFileError
        Where decoder or metric are the user's own, and another or none is given.
    """
    decoder = _decoder_from_json(header["decoder"], decoder)
    metric = header["settings"]["metric"]
    if metric not in METRICS:
        raise ModelFileError(
            f"its metric is {metric!r}, which egem.core.metric.METRICS lacks (it has "
            f"{', '.join(map(repr, METRICS))}); load the model in Python, after importing the "
            "module that enters the metric there."
        )
    its, grid = header["settings"], header["preparation"]
    preparation = Preparation(
        arrays["preparation/mean"],
        arrays["preparation/scale"],
        **{k: grid[k] for k in _GRID[:-1]},
        stretch=bool(grid["stretch"]),
    )
    metric = header["metric"]
    if metric is not None:
        metric = Metric(basis=arrays["metric/basis"], **_reals(metric))
    n_channels = preparation.n_channels
    experts = tuple(
        unpack_expert(arrays, f"expert/{e}", decoder, n_channels, of)
        for e, of in enumerate(header["experts"])
    )
    views, linear_experts = unpack_views(arrays, header["views"])
    search = its["search"]
    search = SearchConfig(search["max_steps"], float(search["prior_weight"]), _bounds(search))
    recipe = Recipe(
        decoder,
        TrainingConfig(**its["training"]),
        **{k: its[k] for k in ("augmentation", "mixup", "codes", "code_size")},
    )
    settings = Settings(
        tuple(its["views"]),
        its["recurrent_optional"],
        its["metric"],
        its["shrinkage"],
        recipe,
        its["method"],
        search,
        its["keep_cases"],
    )
    held_out = HeldOut(*(arrays[f"held_out/{name}"] for name in HeldOut._fields))
    return Model(
        classes=_labels_from_json(header["classes"]),
        experts=experts,
        decoder=decoder,
        preparation=preparation,
        metric=metric,
        views=views,
        linear_experts=linear_experts,
        calibration=Calibration(header["inverse_temperature"], held_out),
        method=its["method"],
        search=search,
        seed=header["seed"],
        exemplars=_unpack_cases(arrays),
        settings=settings,
    )


def pack_expert(expert: TrainedExpert, at: str) -> Arrays:
    """Name the arrays of an expert."""
    leaves = jax.tree.leaves(expert.params)
    params = {f"{at}/params/{i}": a for i, a in enumerate(leaves)}
    codes = {f"{at}/{name}": getattr(expert, name) for name in _CODES}
    return {name: np.ascontiguousarray(a, np.float32) for name, a in (params | codes).items()}


def unpack_expert(
    arrays: Arrays, at: str, decoder: Decoder, n_channels: int, its: dict[str, Any]
) -> TrainedExpert:
    """Put an expert together; its parameters have the structure that the decoder draws.

    Raises
    ------
    ValueError
        Where shapes are others than the decoder's.
    ModelFileError
        The same where the decoder is the user's own, with the remedy.
    """
    codes = {name: arrays[f"{at}/{name}"] for name in _CODES}
    code_size = codes["codes"].shape[1]
    if not 0 < code_size * n_channels <= 2**24:
        raise ValueError(f"codes of {code_size} entries")
    key = jax.random.PRNGKey(0)
    shapes = jax.eval_shape(lambda key: decoder.init(key, code_size, n_channels), key)
    try:
        params = _params(arrays, at, shapes)
    except ValueError as error:
        if type(decoder) is LSTMDecoder:
            raise
        raise ModelFileError(
            f"decoder is {decoder!r}, but the model was fitted with another: {error}; give the "
            f"decoder of the fit, of the same size: decoder={type(decoder).__qualname__}(...)."
        ) from error
    return TrainedExpert(params=params, **codes, **its)


def _params(arrays: Arrays, at: str, shapes: Any) -> Any:
    """Put an expert's parameters together, whose structure and shapes are given."""
    drawn, structure = jax.tree_util.tree_flatten_with_path(shapes)
    found = []
    for i, (path, of) in enumerate(drawn):
        array, name = arrays.get(f"{at}/params/{i}"), jax.tree_util.keystr(path).lstrip(".")
        if array is None:
            raise ValueError(f"its array {name!r} is not in the file")
        if array.shape != of.shape:
            raise ValueError(
                f"its array {name!r} has shape {of.shape} instead of {array.shape} as in the file"
            )
        found.append(array)
    if f"{at}/params/{len(drawn)}" in arrays:
        raise ValueError(f"it has {len(drawn)} arrays, and the file more")
    return jax.tree.unflatten(structure, found)


def _reals(of: dict[str, Any]) -> dict[str, Any]:
    """Read whole numbers as reals: JAX would compile anew for them, or find them too large."""
    return {name: float(v) if type(v) is int else v for name, v in of.items()}


def _pack_cases(exemplars: Exemplars) -> Arrays:
    """Lay cases end to end, in single precision where that loses nothing."""
    cases = exemplars.cases
    values = np.concatenate(cases, axis=1) if cases else np.zeros((1, 0))
    single = values.astype(np.float32)
    same = np.array_equal(values, single, equal_nan=True)
    return {
        "cases/values": single if same else values,
        "cases/lengths": np.array([x.shape[1] for x in cases], int),
        "cases/classes": exemplars.classes,
        "cases/rows": exemplars.rows,
    }


def _unpack_cases(arrays: Arrays) -> Exemplars:
    values, lengths = arrays["cases/values"].astype(np.float64), arrays["cases/lengths"]
    whole = lengths.dtype.kind in "iu" and (lengths > 0).all()
    if not whole or lengths.sum() != values.shape[1]:
        raise ValueError("the lengths of its cases do not add up")
    cases = np.split(values, np.cumsum(lengths)[:-1], axis=1) if len(lengths) else []
    return Exemplars(tuple(cases), arrays["cases/classes"], arrays["cases/rows"])


def _search_to_json(search: SearchConfig) -> dict[str, Any]:
    bounds = None if search.bounds == SearchConfig.bounds else list(search.bounds)
    return {"max_steps": search.max_steps, "prior_weight": search.prior_weight, "bounds": bounds}


def _bounds(search: dict[str, Any]) -> tuple[float, float]:
    if search["bounds"] is None:
        return SearchConfig.bounds
    low, high = map(float, search["bounds"])
    return low, high


def _decoder_to_json(decoder: Decoder) -> dict[str, Any]:
    if type(decoder) is LSTMDecoder:
        n_cells = decoder.n_cells and int(decoder.n_cells)
        return {"type": "LSTMDecoder", "n_cells": n_cells, "start": decoder.start}
    return {"type": type(decoder).__qualname__}


def _decoder_from_json(its: dict[str, Any], given: Decoder | None) -> Decoder:
    if its["type"] == "LSTMDecoder":
        return LSTMDecoder(its["n_cells"], its["start"])
    if given is None or type(given).__qualname__ != its["type"]:
        raise ModelFileError(
            f"its decoder is a {its['type']}, whose code no file holds; load the model in Python, "
            "with the decoder it was fitted with: EGEMClassifier.load(path, "
            f"decoder={its['type']}(...))."
        )
    return given


def _plain(value: Any, seed: int) -> Any:
    """Turn a constructor's argument into JSON; a RandomState becomes the seed drawn from it."""
    if isinstance(value, Preparation):
        return _FITTED
    if isinstance(value, Decoder):
        return _decoder_to_json(value)
    if isinstance(value, Training):  # without the folder of the machine it was fitted on
        return {k: _plain(v, seed) for k, v in value.get_params().items()} | {"checkpoint": None}
    if isinstance(value, Search):
        return {k: _plain(v, seed) for k, v in value.get_params().items()}
    if isinstance(value, np.random.RandomState):
        return seed
    if isinstance(value, tuple | list):
        return [_plain(v, seed) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def _labels_to_json(labels: Shaped[np.ndarray, " n"]) -> dict[str, Any]:
    dtype = "str" if labels.dtype.kind == "U" else str(labels.dtype)
    return {"dtype": dtype, "of": labels.tolist()}


def _labels_from_json(header: dict[str, Any]) -> Shaped[np.ndarray, " n"]:
    dtype = np.dtype(header["dtype"])
    if dtype.kind not in "Ubiuf":
        raise ValueError(f"labels of type {dtype}")
    return np.array(header["of"], dtype=dtype)
