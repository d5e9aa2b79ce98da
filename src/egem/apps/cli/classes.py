"""Commands that change the classes of a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from egem.apps.cli.files import check_writable, open_model, read_for_model
from egem.apps.cli.info import describe
from egem.apps.cli.options import Data, Jobs, Json, Model, Quiet, Step, describes_data
from egem.apps.cli.terminal import print_json

if TYPE_CHECKING:
    from egem.readers.hints import Hints

Label = Annotated[str, typer.Argument(metavar="LABEL", help="Name of the class.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Model file to write; default MODEL itself."),
]


@describes_data
def add_class(
    model: Model,
    data: Data,
    label: Label,
    *,
    hints: "Hints",
    out: Out = None,
    more: Annotated[
        bool, typer.Option("--more", help="Add the cases to an existing class.")
    ] = False,
    step: Step = None,
    jobs: Jobs = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Add a class to a model; the other experts do not change.

    Of labelled data, only the cases of that label are used.
    """
    clf = open_model(model, jobs, quiet or as_json)
    out = _target(model, out)
    X, y, *_ = read_for_model(clf, data, hints, quiet or as_json, step)
    if y is not None:
        selected = [i for i, name in enumerate(y) if str(name) == label]
        if not selected:
            raise ValueError(
                f"{data}: no case has the label {label!r}; its labels are "
                f"{', '.join(sorted({str(name) for name in y})[:20])}."
            )
        X = [X[i] for i in selected]
    (clf.update_class if more else clf.add_class)(list(X), typed(clf, label))
    _save(clf, out, f"trained {label} on {len(X)} cases", as_json, quiet)


def remove_class(
    model: Model,
    label: Label,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Remove a class from a model."""
    from egem.classifier import EGEMClassifier

    clf = EGEMClassifier.load(model)
    out = _target(model, out)
    clf.remove_class(typed(clf, label))
    _save(clf, out, f"removed {label}", as_json, quiet)


def rename(
    model: Model,
    label: Label,
    new: Annotated[str, typer.Argument(metavar="NEW", help="New name of the class.")],
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Rename a class of a model."""
    from egem.classifier import EGEMClassifier

    clf = EGEMClassifier.load(model)
    out = _target(model, out)
    clf.rename_class(typed(clf, label), typed(clf, new))
    _save(clf, out, f"renamed {label} to {new}", as_json, quiet)


def merge(
    model: Model,
    other: Annotated[Path, typer.Argument(metavar="OTHER", help="A model of other classes.")],
    out: Out = None,
    jobs: Jobs = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Add all classes of another model to a model."""
    from egem.classifier import EGEMClassifier

    clf, its = open_model(model, jobs, quiet or as_json), EGEMClassifier.load(other)
    out = _target(model, out)
    mine, others = clf.channel_names_, its.channel_names_
    if mine and others and mine != others:
        raise ValueError(
            f"{other} was fitted to the channels {', '.join(others)}, {model} to "
            f"{', '.join(mine)}; fit one of them anew, with channels of the same order."
        )
    clf.merge(its)
    _save(clf, out, f"added {len(its.classes_)} classes", as_json, quiet)


@describes_data
def calibrate(
    model: Model,
    data: Data,
    *,
    hints: "Hints",
    out: Out = None,
    step: Step = None,
    jobs: Jobs = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Calibrate probabilities, sets and rejection by labelled cases that were not fitted to."""
    clf = open_model(model, jobs, quiet or as_json)
    out = _target(model, out)
    X, y, *_ = read_for_model(clf, data, hints, quiet or as_json, step)
    if y is None:
        raise ValueError(f"{data}: there are no labels to calibrate by; add a column of them.")
    clf.calibrate(X, [typed(clf, str(label)) for label in y])
    _save(clf, out, f"calibrated by {len(X)} cases", as_json, quiet)


def typed(clf, label: str):
    """Convert a label to the type of the model's labels.

    Raises
    ------
    ValueError
        Where the classes are numbers and the label is not.
    """
    if clf.classes_.dtype.kind in "UO":
        return label
    try:
        return int(label)
    except ValueError as error:
        raise ValueError(
            f"LABEL {label!r} must be a whole number, like the classes of this model "
            f"({clf.classes_[0]}, ...)."
        ) from error


def _target(model: Path, out: Path | None) -> Path:
    """Return the file to write, MODEL itself by default; refuse one that cannot be written."""
    target = out or model
    check_writable(target)
    return target


def _save(clf, out: Path, action: str, as_json: bool, quiet: bool) -> None:
    clf.save(out)
    if as_json:
        print_json({"model": str(out)} | describe(clf))
    elif not quiet:
        print(f"{action}; the model has {len(clf.classes_)} classes: {out}")
