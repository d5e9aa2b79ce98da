"""Classes that come and go: every operation makes a new model of a model.

Experts are independent, so only the one concerned is trained. Scaling, metric, views and inverse
temperature stay as they are, unless ``refit_metric`` is True, and so do the other experts' losses
and scores of held-out cases. Where recurrent experts count, a change scores all of these anew.
"""

from dataclasses import replace
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike

from egem.calibration.rescoring import without_class
from egem.calibration.temperature import best_temperature
from egem.core.decoder import Decoder
from egem.data.cases import Case, as_cases
from egem.data.preparation import Preparation
from egem.data.validation import as_labels, check_channels, check_spread
from egem.ensemble.codes import TrainedExpert
from egem.ensemble.conformal import Calibration, HeldOut
from egem.ensemble.inversion import check_visible, invert
from egem.ensemble.result import class_index
from egem.ensemble.search import ALL
from egem.fit import reassembled, train_classes
from egem.model import HERE, Model, Runtime

INVERSE_TEMPERATURES = tuple(np.geomspace(0.1, 1000.0, 161))


def add_class(
    model: Model, X: ArrayLike, label: Any, *, refit_metric: bool = False, runtime: Runtime = HERE
) -> Model:
    """Add a class, with an expert trained on its cases.

    Parameters
    ----------
    model : Model
        Stays as it is.
    X : array or list
        Cases of the class, as for :meth:`egem.EGEMClassifier.fit`.
    label : label
        Its name, of the type of the others: text or integer.
    refit_metric : bool, default False
        Whether metric, views and inverse temperature are fitted anew.
    runtime : Runtime
        Threads, progress and checkpoints.

    Raises
    ------
    ValueError
        Where there is such a class, the label is of another type, or the cases do not fit the
        model.
    TrainingDiverged
        Where the expert reaches no finite loss.
    """
    cases = _new_cases(model, X)
    classes, at = _with_label(model.classes, label)
    experts = list(model.experts)
    experts[at:at] = _train(model, [cases], [label], runtime)
    exemplars = model.exemplars.with_class(at, cases, model.settings.keep_cases)
    return reassembled(model, classes, tuple(experts), exemplars, runtime, refit_metric, at)


def update_class(
    model: Model, X: ArrayLike, label: Any, *, refit_metric: bool = False, runtime: Runtime = HERE
) -> Model:
    """Add cases to a class, and train its expert anew on old and new ones.

    Parameters and errors are those of :func:`add_class`; it is an error, too, where not all of
    the class's training cases were kept in the model.
    """
    cases = _new_cases(model, X)
    at, old = _all_cases(model, label)
    return _retrained(model, at, [*old, *cases], refit_metric, runtime)


def remove_cases(
    model: Model,
    label: Any,
    which: ArrayLike,
    *,
    refit_metric: bool = False,
    runtime: Runtime = HERE,
) -> Model:
    """Remove the cases ``which`` of a class, in the order given, and train its expert anew.

    It is an error where there is no such case, or none would be left or not all were kept.
    """
    at, old = _all_cases(model, label)
    numbers = np.atleast_1d(np.asarray(which))
    if numbers.dtype.kind not in "iu" or not ((numbers >= 0) & (numbers < len(old))).all():
        raise ValueError(
            f"which must hold numbers of the cases of class {label!r}, 0 to {len(old) - 1}; it is "
            f"{which!r}."
        )
    left = [old[i] for i in np.setdiff1d(np.arange(len(old)), numbers)]
    if not left:
        raise ValueError(
            f"no case of class {label!r} would be left; call remove_class to remove the class."
        )
    return _retrained(model, at, left, refit_metric, runtime)


def remove_class(model: Model, label: Any, runtime: Runtime = HERE) -> Model:
    """Remove a class; it is an error where there is no such class, or no other."""
    at = class_index(model.classes, label)
    if len(model.classes) == 1:
        raise ValueError(f"{label!r} is the only class of this model; a model needs one at least.")
    return replace(
        model,
        classes=np.delete(model.classes, at),
        experts=model.experts[:at] + model.experts[at + 1 :],
        linear_experts=tuple(of[:at] + of[at + 1 :] for of in model.linear_experts),
        exemplars=model.exemplars.without(at),
        calibration=model.calibration._replace(held_out=without_class(model.held_out, at)),
    )


def rename_class(model: Model, label: Any, new: Any, runtime: Runtime = HERE) -> Model:
    """Rename a class; nothing else changes.

    It is an error where there is no such class, or the name is taken or of another type.
    """
    old = class_index(model.classes, label)
    classes, at = _with_label(model.classes, new)
    names = np.delete(classes, old + (at <= old))
    at = int(np.flatnonzero(names == new)[0])
    order = np.insert(np.delete(np.arange(len(names)), old), at, old)
    place = np.argsort(order)
    held = model.held_out
    moved = held._replace(
        log_scores=held.log_scores[:, order],
        truth=place[held.truth],
        n_trained=held.n_trained[order],
    )
    return replace(
        model,
        classes=names,
        experts=tuple(model.experts[i] for i in order) if model.experts else (),
        linear_experts=tuple(tuple(view[i] for i in order) for view in model.linear_experts),
        exemplars=model.exemplars.reordered(place),
        calibration=model.calibration._replace(held_out=moved),
    )


def merge(model: Model, other: Model, runtime: Runtime = HERE) -> Model:
    """Take in all classes of another model.

    Its experts are brought to this model's scaling, in which they decode the same sequences, and
    are compared in this model's metric and views. Where the two models have different grids or
    decoders, experts are trained anew on the training cases that the other model keeps.

    Raises
    ------
    ValueError
        Where the channels differ, a class is in both, or labels are of different types.
    """
    mine, its = model.preparation, other.preparation
    if mine.n_channels != its.n_channels:
        raise ValueError(
            f"other has {its.n_channels} channels, this model {mine.n_channels}; only models of "
            "the same channels, in the same order, can be merged."
        )
    both = np.intersect1d(model.classes, other.classes)
    if len(both):
        raise ValueError(
            f"class {both[0].item()!r} is in both models; call rename_class or remove_class on one "
            "of them first."
        )
    labels = other.classes.tolist()
    cases = [other.exemplars.of_class(e) for e in range(len(labels))]
    alike = model.decoder == other.decoder and mine[2:] == its[2:]
    found = [_rescaled(t, other.decoder, its, mine) for t in other.experts if alike]
    moved = [t for t in found if t is not None]
    anew = bool(model.experts) and len(moved) < len(labels)
    if anew:
        moved = _train(model, cases, labels, runtime)
    classes, experts, exemplars = model.classes, list(model.experts), model.exemplars
    for i, (label, of) in enumerate(zip(labels, cases, strict=True)):
        classes, at = _inserted(classes, label)
        if model.experts:
            experts.insert(at, moved[i])
        rows = None if anew else other.exemplars.rows[other.exemplars.classes == i]
        exemplars = exemplars.with_class(at, of, model.settings.keep_cases, rows)
    return reassembled(model, classes, tuple(experts), exemplars, runtime)


def refit_metric(model: Model, runtime: Runtime = HERE) -> Model:
    """Fit metric, views and inverse temperature anew to the cases kept; experts stay."""
    return reassembled(model, model.classes, model.experts, model.exemplars, runtime, refit=True)


def calibrate(model: Model, X: ArrayLike, y: ArrayLike, runtime: Runtime = HERE) -> Model:
    """Calibrate probabilities, sets and p-values by labelled cases that were not fitted to.

    Sets then have the guarantee of split conformal prediction. A hundred cases determine the
    calibration well, ten badly; classes added or updated afterwards need it again.
    """
    cases = as_cases(X)
    y = as_labels(y, len(cases))
    foreign = ~np.isin(y, model.classes)
    if foreign.any():
        raise ValueError(
            f"y holds {y[foreign][0].item()!r}, which is not a class of this model; leave those "
            "cases out, or add the class first."
        )
    found = invert(model, cases, ALL, runtime.n_jobs, runtime.verbose, decided=True, codes=False)
    truth = np.searchsorted(model.classes, y)
    fresh = np.zeros(len(model.classes), int)
    held_out = HeldOut(found.log_scores, found.nonconformity, truth, fresh)
    beta = model.inverse_temperature
    if len(model.classes) > 1:
        beta = best_temperature(held_out.log_scores, truth, INVERSE_TEMPERATURES)[1]
    return model.with_calibration(Calibration(beta, held_out))


def _new_cases(model: Model, X) -> list[Case]:
    """Check cases that an expert is to be trained on."""
    cases, preparation = as_cases(X), model.preparation
    check_channels(cases, preparation.n_channels, "this model")
    check_spread(cases, stacklevel=6)
    longest = max(x.shape[1] for x in preparation.align(cases))
    if longest > preparation.n_timepoints:
        raise ValueError(
            f"X: a case has {longest} time points, but the experts of this model decode "
            f"{preparation.n_timepoints}; fit anew with all classes, or shorten it."
        )
    check_visible(preparation.apply(cases), preparation.n_timepoints)
    return cases


def _train(
    model: Model, cases: list[list[Case]], labels: list, runtime: Runtime
) -> list[TrainedExpert]:
    """Train experts of classes; none where the model has none."""
    grid = model.preparation
    batches = [grid.apply(of) for of in cases] if model.experts else []
    return train_classes(model.settings, batches, labels, grid, model.seed, runtime)


def _all_cases(model: Model, label) -> tuple[int, list[Case]]:
    """Return a class's position and all cases it was trained on."""
    at = class_index(model.classes, label)
    old = model.exemplars.of_class(at)
    known = int(model.exemplars.rows[model.exemplars.classes == at].max()) + 1 if old else 0
    if len(old) < known:
        raise ValueError(
            f"the model keeps {len(old)} of the {known} cases that class {label!r} was trained on, "
            "and an expert trained anew would lose the rest; fit with a larger keep_cases, or "
            "remove the class and add it with all its cases."
        )
    return at, old


def _retrained(
    model: Model, at: int, cases: list[Case], refit_metric: bool, runtime: Runtime
) -> Model:
    """Train a class's expert on other cases than before."""
    experts = list(model.experts)
    experts[at : at + 1] = _train(model, [cases], [model.classes[at].item()], runtime)
    kept = model.exemplars.without(at).with_class(at, cases, model.settings.keep_cases)
    return reassembled(model, model.classes, tuple(experts), kept, runtime, refit_metric, at)


def _with_label(classes: np.ndarray, label) -> tuple[np.ndarray, int]:
    if (classes == label).any():
        raise ValueError(
            f"{label!r} is a class of this model already; call update_class to add cases to it."
        )
    return _inserted(classes, label)


def _inserted(classes: np.ndarray, label) -> tuple[np.ndarray, int]:
    """Put a label in its place among sorted ones of the same type."""
    text = classes.dtype.kind in "UO"
    if text != isinstance(label, str):
        raise ValueError(
            f"label {label!r} is {'not ' * text}text, unlike the classes of this model "
            f"({classes[0].item()!r}, ...); give one of their type."
        )
    if not text and not isinstance(label, int | np.integer):
        raise ValueError(f"label {label!r} must be an integer, like the classes of this model.")
    at = int(np.searchsorted(classes, label))
    return np.concatenate([classes[:at], np.array([label]), classes[at:]]), at


def _rescaled(
    expert: TrainedExpert, decoder: Decoder, its: Preparation, mine: Preparation
) -> TrainedExpert | None:
    """Return an expert that decodes the same sequences in another scaling, if there is one."""
    ratio, offset = its.scale / mine.scale, (its.mean - mine.mean) / mine.scale
    params = decoder.rescaled(expert.params, ratio, offset)
    if params is None:
        return None
    return expert._replace(params=jax.tree.map(lambda a: np.asarray(a, np.float32), params))
