"""Verdicts on recordings, and corrections of them, from which the model learns."""

import csv
import io
from collections.abc import Sequence
from copy import copy
from dataclasses import replace

from egem.apps.web.errors import ApiError
from egem.apps.web.models.inspection import series
from egem.apps.web.models.recognition import N_RANKED, is_unknown
from egem.apps.web.models.recordings import Recordings, for_model
from egem.apps.web.models.snapshot import MAX_CLASSES, Snapshot
from egem.apps.web.models.training import typed_label
from egem.apps.web.responses import Likelihood, RecordingVerdict, Verdicts
from egem.classifier import EGEMClassifier
from egem.data.cases import Case


def verdicts(snapshot: Snapshot, recordings: Recordings, numbers: Sequence[int]) -> Verdicts:
    """Classify recordings, with what the two best classes would give.

    Raises
    ------
    ApiError
        If there is no model of recordings, or its channels are others.
    """
    clf = classifier_of_recordings(snapshot)
    cases = for_model(clf, recordings, numbers)
    try:
        found = clf.explain(cases, min(N_RANKED, len(clf.classes_)), 1, paths=False)
    except (ValueError, ArithmeticError) as error:
        raise ApiError.of(error) from error
    names = clf.channel_names_ or recordings.channels
    return Verdicts(
        channels=names or [f"channel {c + 1}" for c in range(len(cases[0]))],
        verdicts=[
            RecordingVerdict(
                recording=i,
                unknown=is_unknown(clf, found.p_values[row]),
                p_value=float(found.p_values[row]),
                ranking=[
                    Likelihood(label=str(label), probability=float(p))
                    for label, p in zip(found.labels[row], found.probabilities[row], strict=True)
                ],
                series=series(cases[row]),
                imagined=[
                    series(clf.preparation_.onto(decoded, cases[row].shape[1]))
                    for decoded in found.reconstructions[row][:2]
                ],
            )
            for row, i in enumerate(numbers)
        ],
    )


def as_csv(snapshot: Snapshot, recordings: Recordings) -> str:
    """Return the verdicts on all recordings to be recognised as csv.

    Raises
    ------
    ApiError
        If there is none, or no model of recordings.
    """
    clf, numbers = classifier_of_recordings(snapshot), recordings.recognised
    if not numbers:
        raise ApiError(404, "There is no recording to recognise.", "Upload some first.")
    cases = for_model(clf, recordings, numbers)
    p, p_values = _probabilities(clf, cases)
    out = io.StringIO()
    names = [f"p({label})" for label in snapshot.labels]
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(
        ["recording", "predicted", "probability", "p_value", "unknown", "label", "in_file", *names]
    )
    for i, row, p_value in zip(numbers, p, p_values, strict=True):
        one, best = recordings.all[i], int(row.argmax())
        unknown = is_unknown(clf, p_value)
        rows.writerow(
            [_cell(one.name), _cell(snapshot.labels[best]), f"{row[best]:.4f}", f"{p_value:.4f}"]
            + ["" if unknown is None else str(unknown).lower()]
            + [_cell(one.label or ""), _cell(one.told or "")]
            + [f"{share:.4f}" for share in row]
        )
    return out.getvalue()


def teach(snapshot: Snapshot, recordings: Recordings, number: int, label: str) -> Snapshot:
    """Learn a recording: its class gets one more case, or becomes a new class.

    Raises
    ------
    ApiError
        If the model cannot take it.
    """
    clf = copy(classifier_of_recordings(snapshot))
    case = for_model(clf, recordings, [number])
    if label in snapshot.labels:
        clf.update_class(case, snapshot.typed(label), refit_metric=True)
    else:
        clf.add_class(case, typed_label(snapshot, label), refit_metric=True)
    fit = None
    if snapshot.fit is not None:
        fit = {**snapshot.fit, "n_taught": snapshot.fit.get("n_taught", 0) + 1}
    name = recordings.all[number].name
    return replace(snapshot, classifier=clf, fit=fit, change=f"learning {name} as {label}")


def check_teachable(snapshot: Snapshot, recordings: Recordings, number: int, label: str) -> None:
    """Refuse at once what :func:`teach` would refuse later.

    Raises
    ------
    ApiError
        If there is no such recording or model, or the recording is learned already.
    """
    clf = classifier_of_recordings(snapshot)
    for_model(clf, recordings, [number])
    known = recordings.all[number].label
    if known is not None:
        raise ApiError(
            409, f"That recording is learned as {known!r}.", "Change its label, then fit again."
        )
    if label not in snapshot.labels:
        typed_label(snapshot, label)
        if len(snapshot.labels) >= MAX_CLASSES:
            raise ApiError(409, f"There are {MAX_CLASSES} classes already.", "Remove one first.")


def classifier_of_recordings(snapshot: Snapshot) -> EGEMClassifier:
    """Return the classifier of a model of recordings.

    Raises
    ------
    ApiError
        If there is no model, or one of drawings.
    """
    if snapshot.classifier is None:
        raise ApiError(409, "There is no model yet.", "Label recordings and fit to them first.")
    if snapshot.kind == "strokes":
        raise ApiError(
            409, "The current model is one of drawings.", "Fit a model to recordings first."
        )
    return snapshot.classifier


def _probabilities(clf: EGEMClassifier, cases: list[Case]):
    """Return probabilities of all classes, and p-values."""
    try:
        found = clf.invert(cases)
    except (ValueError, ArithmeticError) as error:
        raise ApiError.of(error) from error
    return found.probabilities(), found.p_value()


def _cell(text: str) -> str:
    """Keep spreadsheets from taking text for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t")) else text
