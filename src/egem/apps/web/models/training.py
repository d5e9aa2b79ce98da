"""Changes of a model of drawings: classes are trained, renamed and removed."""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace

import numpy as np

from egem.apps.web.errors import ApiError
from egem.apps.web.models.snapshot import (
    MAX_CLASSES,
    Snapshot,
    check_class,
    check_drawings,
    normalised,
)
from egem.apps.web.models.strokes import FRAME, PenPath
from egem.apps.web.requests import Stroke
from egem.classifier import EGEMClassifier
from egem.settings import Training
from egem.views.views import VIEWS

N_UPDATES = 3000  # of an expert; the classifier's own choice for few cases
MAX_CASES = 256  # of a class that is drawn


def train(snapshot: Snapshot, label: str, strokes: Sequence[Stroke]) -> Snapshot:
    """Train a new class on drawings, or an existing one on further drawings.

    Raises
    ------
    ApiError
        If a stroke is a dot, the model is not one of drawings, or it would become too large.
    """
    check_drawings(snapshot)
    converted = [normalised(s.x, s.y, s.lifts) for s in strokes]
    cases, drawings = np.stack([case for case, _ in converted]), tuple(d for _, d in converted)
    exists = label in snapshot.labels
    old = snapshot.drawings_of(label) if exists else ()
    _check_size(snapshot, label, len(cases))
    clf = new_classifier() if snapshot.classifier is None else copy(snapshot.classifier)
    if snapshot.classifier is None:
        clf.fit(cases, [label] * len(cases))
    elif exists:
        clf.update_class(cases, snapshot.typed(label), refit_metric=True)
    else:
        clf.add_class(cases, typed_label(snapshot, label), refit_metric=True)
    change = f"adding drawings to {label}" if exists else f"training {label}"
    drawings = {**snapshot.drawings, label: (*old, *drawings)}
    return replace(snapshot, classifier=clf, drawings=drawings, change=change)


def check_trainable(snapshot: Snapshot, label: str, strokes: Sequence[Stroke]) -> None:
    """Refuse at once what :func:`train` would refuse later.

    Raises
    ------
    ApiError
        If the model is not one of drawings or full, or a stroke is a dot.
    """
    check_drawings(snapshot)
    _check_size(snapshot, label, len(strokes))
    for stroke in strokes:
        PenPath.of(stroke.x, stroke.y)


def remove_case(snapshot: Snapshot, label: str, case: int, seen: Snapshot) -> Snapshot:
    """Retrain a class without one of its drawings.

    Parameters
    ----------
    snapshot : Snapshot
        The current one.
    label : str
        The class.
    case : int
        Number of the drawing.
    seen : Snapshot
        The snapshot to which ``case`` refers.

    Raises
    ------
    ApiError
        If that is not the current one, or there is no such drawing or only this one.
    """
    if snapshot is not seen:
        raise ApiError(409, "The model has changed in the meantime.", "Select the drawing again.")
    check_removable(snapshot, label, case)
    clf = copy(check_class(snapshot, label))
    clf.remove_cases(snapshot.typed(label), [case], refit_metric=True)
    drawings = dict(snapshot.drawings)
    if label in drawings:
        drawings[label] = tuple(d for i, d in enumerate(drawings[label]) if i != case)
    change = f"removing a drawing of {label}"
    return replace(snapshot, classifier=clf, drawings=drawings, change=change)


def check_removable(snapshot: Snapshot, label: str, case: int) -> None:
    """Refuse at once what :func:`remove_case` would refuse later.

    Raises
    ------
    ApiError
        If the model is not one of drawings, or there is no such drawing or only this one.
    """
    check_drawings(snapshot)
    check_class(snapshot, label)
    n = len(snapshot.cases(label))
    if case >= n:
        raise ApiError(
            404, f"Class {label!r} has no drawing {case}.", f"Its drawings are 0 to {n - 1}."
        )
    if n == 1:
        raise ApiError(
            409,
            f"That is the only drawing of {label!r}.",
            "Remove the class, or add drawings to it first.",
        )


def rename(snapshot: Snapshot, label: str, to: str) -> Snapshot:
    """Rename a class."""
    clf = check_class(snapshot, label)
    if to in snapshot.labels:
        raise ApiError(409, f"There already is a class {to!r}.", "Choose another name.")
    clf = copy(clf).rename_class(snapshot.typed(label), typed_label(snapshot, to))
    drawings = {(to if name == label else name): of for name, of in snapshot.drawings.items()}
    change = f"renaming {label} to {to}"
    return replace(snapshot, classifier=clf, drawings=drawings, change=change)


def remove(snapshot: Snapshot, label: str) -> Snapshot:
    """Remove a class; without the last one there is no classifier."""
    clf = check_class(snapshot, label)
    drawings = {name: of for name, of in snapshot.drawings.items() if name != label}
    rest = copy(clf).remove_class(snapshot.typed(label)) if len(snapshot.labels) > 1 else None
    return replace(snapshot, classifier=rest, drawings=drawings, change=f"removing {label}")


def new_classifier() -> EGEMClassifier:
    """Return an unfitted classifier of drawings."""
    return EGEMClassifier(
        scaling=FRAME,
        augment="pen",
        align="start",
        views=VIEWS[:-1],  # the page shows what recurrent experts decode
        training=Training(n_updates=N_UPDATES),
        random_state=0,
    )


def typed_label(snapshot: Snapshot, label: str) -> str | int:
    """Convert a new label to the type of the model's labels.

    Raises
    ------
    ApiError
        If they are numbers and this is not.
    """
    assert snapshot.classifier is not None
    if snapshot.classifier.classes_.dtype.kind in "UO":
        return label
    try:
        return int(label)
    except ValueError:
        raise ApiError(
            422,
            f"The labels of this model are whole numbers, and {label!r} is not.",
            "Use a whole number.",
        ) from None


def _check_size(snapshot: Snapshot, label: str, n: int) -> None:
    if label not in snapshot.labels:
        if len(snapshot.labels) >= MAX_CLASSES:
            raise ApiError(
                409, f"There are {MAX_CLASSES} classes already.", "Remove one to add another."
            )
        return
    n_old = len(snapshot.cases(label))
    if n_old + n > MAX_CASES:
        raise ApiError(
            409,
            f"Class {label!r} has {n_old} drawings, and {n} more would exceed {MAX_CASES}.",
            "Add fewer, or remove the class and train it again.",
        )
