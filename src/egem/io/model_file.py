"""Models as files: one safetensors file, arrays beside a JSON header, with a checksum.

Nothing in a file is ever run: arrays are raw numbers, the header is JSON, and both are checked
before anything is built from them.
"""

import errno
import json
import logging
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Shaped

from egem import __version__
from egem.calibration.conformal import HeldOut, nothing_held_out
from egem.data.preparation import Preparation
from egem.ensemble.bank import Search
from egem.ensemble.codes import Trained
from egem.ensemble.decoder import Expert
from egem.ensemble.experts import Ensemble
from egem.ensemble.joint import JointMetric
from egem.ensemble.metric import Metric
from egem.ensemble.recipe import Recipe
from egem.errors import ModelFileError, TooLarge
from egem.io.joint_files import pack_joint, unpack_joint
from egem.io.schema import (
    check_ensemble,
    check_facts,
    check_held_out,
    check_hulls,
    check_kept,
    check_recipe,
)
from egem.kept import Kept
from egem.runtime.files import checksum, whole_file
from egem.runtime.limits import check_size, most_bytes
from egem.settings import check_parameters

if TYPE_CHECKING:
    from egem.classifier import EGEMClassifier

# 1 had no joint metrics, 2 neither held-out scores nor cases, 3 one hull a class in each space; all
# are read, and what they lack is empty: every set is full, nothing is unknown, and classes can only
# be renamed.
FORMAT = 4
_KEY = "egem"
_FITTED = "as fitted"  # stands for a metric or preparation handed to the constructor
_CODE_FIELDS = ("codes", "code_mean", "code_precision", "book")

log = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]


def save(classifier: "EGEMClassifier", path: str | os.PathLike[str]) -> None:
    """Write a fitted classifier: to a temporary file beside ``path``, flushed, then renamed.

    Raises
    ------
    OSError
        Where the folder does not exist or cannot be written.
    """
    from safetensors.numpy import save as to_bytes

    arrays, header = _pack(classifier)
    header["checksum"] = checksum(arrays, header)
    content = to_bytes(arrays, metadata={_KEY: json.dumps(header)})
    target = Path(path)
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        with whole_file(target) as file:
            file.write(content)
    except OSError as error:
        raise type(error)(
            error.errno,
            f"the model cannot be written ({error.strerror}); give a path in an existing folder "
            "that you may write to",
            str(target),
        ) from error
    log.info("wrote %s: %d classes, %d bytes", target, len(classifier.classes_), len(content))


def load(
    cls: type["EGEMClassifier"], path: str | os.PathLike[str], max_bytes: int | None = None
) -> Any:
    """Read a classifier written by :func:`save`.

    Parameters
    ----------
    cls : type
        What to make of it.
    path : path-like
        The file.
    max_bytes : int or None, default None
        Largest file, and most memory that the decoded books of a model may take; None is what
        ``EGEM_MAX_BYTES`` in the environment says, or 2 GiB.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ModelFileError
        Where it is truncated, corrupted, foreign, too large, or of a later format.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such model file; check its name and folder.")
    limit, size = most_bytes(max_bytes), path.stat().st_size
    try:
        check_size("it holds", size, limit)
        arrays, header = _read(path)
        classifier = _unpack(cls, arrays, header)
        _check(classifier, limit)
    except ModelFileError:
        raise
    except TooLarge as error:
        raise ModelFileError(f"{path}: {error}.") from error
    except Exception as error:  # whatever a damaged file brings about is one trouble to the user
        raise ModelFileError(
            f"{path}: this is not a whole egem model ({type(error).__name__}: {error}); it may be "
            "truncated, corrupted or of another program. Save the model anew."
        ) from error
    log.info("read %s: %d classes, %d bytes", path, len(classifier.classes_), size)
    return classifier


def _check(classifier: "EGEMClassifier", max_bytes: int) -> None:
    """Refuse what no fitted classifier could have written."""
    c, ensemble = classifier, classifier.ensemble_
    check_ensemble(ensemble, max_bytes)
    if isinstance(c.metric_, JointMetric):
        check_hulls(c.metric_, c.hulls_, ensemble.n_values, max_bytes)
    check_recipe(c.recipe_, ensemble)
    check_held_out(c.held_out_, len(c.classes_))
    check_kept(c.cases_, ensemble.preparation.n_channels, ensemble)
    names = list(getattr(c, "feature_names_in_", ()))
    check_facts(c.sharpness_, c.time_step_, c.n_features_in_, names, c.kind_)
    check_parameters(c)


def _read(path: Path) -> tuple[Arrays, dict[str, Any]]:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
        if _KEY not in metadata:
            raise ModelFileError(f"{path}: a safetensors file, but not an egem model.")
        header = json.loads(metadata[_KEY])
        if header["format"] > FORMAT:
            raise ModelFileError(
                f"{path}: written by egem {header['version']} in format {header['format']}; "
                f"this egem ({__version__}) reads formats up to {FORMAT}. Update egem."
            )
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if header.pop("checksum") != checksum(arrays, header):
        raise ValueError("its checksum does not match its content")
    return arrays, header


def _pack(classifier: "EGEMClassifier") -> tuple[Arrays, dict[str, Any]]:
    ensemble = classifier.ensemble_
    metric, preparation = ensemble.metric, ensemble.preparation
    arrays, joint = {}, None
    if isinstance(classifier.metric_, JointMetric):
        arrays, joint = pack_joint(classifier.metric_, classifier.hulls_)
    arrays |= {
        "metric/basis": np.ascontiguousarray(metric.basis, np.float32),
        "preparation/mean": np.ascontiguousarray(preparation.mean, np.float64),
        "preparation/scale": np.ascontiguousarray(preparation.scale, np.float64),
    }
    for e, trained in enumerate(ensemble.trained):
        weights = {f"{e}/{name}": a for name, a in trained.expert._asdict().items()}
        codes = {f"{e}/{name}": getattr(trained, name) for name in _CODE_FIELDS}
        arrays |= {
            name: np.ascontiguousarray(a, np.float32) for name, a in (weights | codes).items()
        }
    held, kept = classifier.held_out_, classifier.cases_
    arrays |= {f"held_out/{name}": np.ascontiguousarray(a) for name, a in held._asdict().items()}
    arrays |= _pack_cases(kept)
    header = {
        "format": FORMAT,
        "version": __version__,
        "parameters": {k: _plain(v, ensemble.seed) for k, v in classifier.get_params().items()}
        | {"checkpoint": None},  # a folder of the machine it was fitted on
        "classes": _labels_to_json(ensemble.classes),
        "experts": [{"loss": t.loss, "n_bends": t.n_bends} for t in ensemble.trained],
        "metric": {k: getattr(metric, k) for k in ("name", "floor", "noise", "shrinkage")},
        "preparation": {
            k: int(getattr(preparation, k)) for k in ("n_timepoints", "block", "n_steps", "stretch")
        },
        "joint": joint,
        "search": ensemble.search._asdict(),
        "seed": ensemble.seed,
        "kind": classifier.kind_,
        "recipe": asdict(classifier.recipe_),
        "sharpness": classifier.sharpness_,
        "time_step": classifier.time_step_,
        "n_features_in": int(classifier.n_features_in_),
        "feature_names_in": list(getattr(classifier, "feature_names_in_", ())),
    }
    return arrays, header


def _unpack(cls: type["EGEMClassifier"], arrays: Arrays, header: dict[str, Any]):
    metric = Metric(basis=arrays["metric/basis"], **_reals(header["metric"]))
    grid = header["preparation"]
    preparation = Preparation(
        arrays["preparation/mean"],
        arrays["preparation/scale"],
        **{k: grid[k] for k in ("n_timepoints", "block", "n_steps")},
        stretch=bool(grid.get("stretch", False)),
    )
    trained = tuple(
        Trained(
            expert=Expert(*(arrays[f"{e}/{name}"] for name in Expert._fields)),
            **{name: arrays[f"{e}/{name}"] for name in _CODE_FIELDS},
            **its,
        )
        for e, its in enumerate(header["experts"])
    )
    fitted_metric, hulls = metric, ()
    if header.get("joint"):
        fitted_metric, hulls = unpack_joint(arrays, header["joint"], metric, len(trained))
    parameters = dict(header["parameters"])
    for name, fitted in (("metric", fitted_metric), ("scaling", preparation)):
        if parameters[name] == _FITTED:
            parameters[name] = fitted
    parameters["noise"] = tuple(parameters["noise"])
    classifier = cls(**parameters)
    classes = _labels_from_json(header["classes"])
    if len(classes) != len(trained) or not trained:
        raise ValueError(f"{len(classes)} classes but {len(trained)} experts")
    search = header["search"]
    search = Search(**_reals(search) | {"n_iterations": search["n_iterations"]})
    classifier.ensemble_ = Ensemble(classes, trained, preparation, metric, search, header["seed"])
    classifier.metric_, classifier.hulls_ = fitted_metric, hulls
    classifier.classes_ = classes
    classifier.kind_ = header["kind"]
    if header["format"] < 3:
        n_cells = trained[0].expert.w_rec.shape[-2]
        classifier.recipe_ = Recipe(n_cells=n_cells, kind=header["kind"])
        classifier.held_out_ = nothing_held_out(len(classes))
        classifier.cases_ = Kept((), np.zeros(0, int), np.zeros(0, int))
    else:
        classifier.recipe_ = Recipe(**header["recipe"])
        classifier.held_out_ = HeldOut(*(arrays[f"held_out/{name}"] for name in HeldOut._fields))
        classifier.cases_ = _unpack_cases(arrays)
    classifier.sharpness_ = header["sharpness"]
    classifier.time_step_ = header.get("time_step")
    classifier.n_features_in_ = header["n_features_in"]
    if header["feature_names_in"]:
        names = np.array(header["feature_names_in"], object)
        setattr(classifier, "feature_names_in_", names)  # noqa: B010 - scikit-learn sets it so
    return classifier


def _reals(of: dict[str, Any]) -> dict[str, Any]:
    """Read whole numbers as reals: JAX would compile anew for them, or find them too large."""
    return {name: float(v) if type(v) is int else v for name, v in of.items()}


def _pack_cases(kept: Kept) -> Arrays:
    """Lay cases end to end, in single precision where that loses nothing."""
    values = np.concatenate(kept.cases, axis=1) if kept.cases else np.zeros((1, 0))
    single = values.astype(np.float32)
    same = np.array_equal(values, single, equal_nan=True)
    return {
        "cases/values": np.ascontiguousarray(single if same else values),
        "cases/lengths": np.array([x.shape[1] for x in kept.cases], int),
        "cases/classes": kept.classes,
        "cases/rows": kept.rows,
    }


def _unpack_cases(arrays: Arrays) -> Kept:
    values, lengths = arrays["cases/values"].astype(np.float64), arrays["cases/lengths"]
    whole = lengths.dtype.kind in "iu" and (lengths > 0).all()
    if not whole or lengths.sum() != values.shape[1]:
        raise ValueError("the lengths of its cases do not add up")
    cases = np.split(values, np.cumsum(lengths)[:-1], axis=1) if len(lengths) else []
    return Kept(tuple(cases), arrays["cases/classes"], arrays["cases/rows"])


def _plain(value: Any, seed: int) -> Any:
    """Turn a constructor's argument into JSON; a RandomState becomes the seed drawn from it."""
    if isinstance(value, Metric | JointMetric | Preparation):
        return _FITTED
    if isinstance(value, np.random.RandomState):
        return seed
    if isinstance(value, tuple | list | np.ndarray):
        return [float(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def _labels_to_json(labels: Shaped[np.ndarray, " n"]) -> dict[str, Any]:
    return {
        "dtype": "str" if labels.dtype.kind == "U" else str(labels.dtype),
        "of": labels.tolist(),
    }


def _labels_from_json(header: dict[str, Any]) -> Shaped[np.ndarray, " n"]:
    dtype = np.dtype(header["dtype"])
    if dtype.kind not in "Ubiuf":
        raise ValueError(f"labels of type {dtype}")
    return np.array(header["of"], dtype=dtype)
