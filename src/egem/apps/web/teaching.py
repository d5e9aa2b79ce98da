"""What changes a model: classes are taught, renamed, forgotten."""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace

import numpy as np

from egem.apps.web.models import MOST_CASES, MOST_CLASSES, Model, drawn
from egem.apps.web.schema import Stroke
from egem.apps.web.strokes import FRAME, Path
from egem.apps.web.trouble import Trouble
from egem.classifier import EGEMClassifier

N_UPDATES = 3000  # of a class's expert; the classifier's own choice for few cases


def taught(model: Model, label: str, strokes: Sequence[Stroke]) -> Model:
    """Teach a class with drawings, one that is there as well as one that is not.

    Raises
    ------
    Trouble
        Where a stroke is a dot, the model is of other series, or it would grow too large.
    """
    check_drawn(model)
    made = [drawn(s.x, s.y, s.lifts) for s in strokes]
    cases, drawings = np.stack([case for case, _ in made]), tuple(d for _, d in made)
    known = label in model.labels
    before = model.drawings_of(label) if known else ()
    _check_room(model, label, len(cases))
    clf = new_classifier() if model.classifier is None else copy(model.classifier)
    if model.classifier is None:
        clf.fit(cases, [label] * len(cases))
    elif known:
        clf.update_class(cases, model.own(label), refit_metric=True)
    else:
        clf.add_class(cases, named(model, label), refit_metric=True)
    how = f"teaching {label}" if not known else f"more of {label}"
    return replace(
        model, classifier=clf, drawings={**model.drawings, label: (*before, *drawings)}, how=how
    )


def check_teachable(model: Model, label: str, strokes: Sequence[Stroke]) -> None:
    """Refuse at once what :func:`taught` would refuse later.

    Raises
    ------
    Trouble
        Where the model is of other series, full, or a stroke is a dot.
    """
    check_drawn(model)
    _check_room(model, label, len(strokes))
    for stroke in strokes:
        Path.of(stroke.x, stroke.y)


def untaught(model: Model, label: str, case: int, seen: Model) -> Model:
    """Teach a class anew without one of its drawings.

    Parameters
    ----------
    model : Model
        As it is now.
    label : str
        The class.
    case : int
        Number of the drawing.
    seen : Model
        The model that ``case`` was chosen from.

    Raises
    ------
    Trouble
        Where that is not the model any more, or there is no such drawing, or no other.
    """
    if model is not seen:
        raise Trouble(409, "The model has changed meanwhile.", "Look again which drawing it is.")
    check_untaught(model, label, case)
    clf = copy(check_class(model, label))
    clf.remove_cases(model.own(label), [case], refit_metric=True)
    drawings = dict(model.drawings)
    if label in drawings:
        drawings[label] = tuple(d for i, d in enumerate(drawings[label]) if i != case)
    return replace(model, classifier=clf, drawings=drawings, how=f"removing a drawing of {label}")


def check_untaught(model: Model, label: str, case: int) -> None:
    """Refuse at once what :func:`untaught` would refuse later.

    Raises
    ------
    Trouble
        Where the model is of other series, or there is no such drawing, or no other.
    """
    check_drawn(model)
    check_class(model, label)
    n = len(model.cases(label))
    if case >= n:
        raise Trouble(
            404, f"Class {label!r} has no drawing {case}.", f"Its drawings are 0 to {n - 1}."
        )
    if n == 1:
        raise Trouble(
            409,
            f"That is the only drawing of {label!r}.",
            "Remove the class, or teach it more drawings first.",
        )


def renamed(model: Model, label: str, to: str) -> Model:
    """Give a class another name."""
    clf = check_class(model, label)
    if to in model.labels:
        raise Trouble(409, f"There is a class {to!r} already.", "Choose another name.")
    clf = copy(clf).rename_class(model.own(label), named(model, to))
    drawings = {(to if name == label else name): of for name, of in model.drawings.items()}
    how = f"renaming {label} to {to}"
    return replace(model, classifier=clf, drawings=drawings, how=how)


def forgotten(model: Model, label: str) -> Model:
    """Remove a class; without the last there is no classifier."""
    clf = check_class(model, label)
    drawings = {name: of for name, of in model.drawings.items() if name != label}
    left = copy(clf).remove_class(model.own(label)) if len(model.labels) > 1 else None
    return replace(model, classifier=left, drawings=drawings, how=f"removing {label}")


def new_classifier() -> EGEMClassifier:
    """Return a classifier that has yet to learn its first drawings."""
    return EGEMClassifier(
        scaling=FRAME, augment="pen", align="start", n_updates=N_UPDATES, random_state=0
    )


def check_class(model: Model, label: str) -> EGEMClassifier:
    """Refuse a label that is no class, and return the classifier that has it.

    Raises
    ------
    Trouble
        Naming the classes there are.
    """
    if label not in model.labels:
        shown = ", ".join(model.labels[:20])
        there = f"The classes are {shown}." if shown else "Teach a class first."
        raise Trouble(404, f"There is no class {label!r}.", there)
    assert model.classifier is not None
    return model.classifier


def check_drawn(model: Model) -> None:
    """Refuse a model that knows other series than drawings.

    Raises
    ------
    Trouble
        With what to do.
    """
    if model.kind == "series":
        raise Trouble(
            409,
            "The model of this page was fitted to series that are no drawings.",
            "Undo the fit, or start anew, to draw.",
        )


def named(model: Model, label: str) -> str | int:
    """Return a new label of the type that the model's labels have.

    Raises
    ------
    Trouble
        Where they are numbers and this is none.
    """
    assert model.classifier is not None
    if model.classifier.classes_.dtype.kind in "UO":
        return label
    try:
        return int(label)
    except ValueError:
        raise Trouble(
            422,
            f"The classes of this model are whole numbers, and {label!r} is none.",
            "Give a whole number.",
        ) from None


def _check_room(model: Model, label: str, n: int) -> None:
    if label not in model.labels:
        if len(model.labels) >= MOST_CLASSES:
            raise Trouble(
                409, f"There are {MOST_CLASSES} classes already.", "Remove one to teach another."
            )
        return
    there = len(model.cases(label))
    if there + n > MOST_CASES:
        raise Trouble(
            409,
            f"Class {label!r} has {there} drawings, and {n} more would be over {MOST_CASES}.",
            "Teach fewer, or remove the class and teach it anew.",
        )
