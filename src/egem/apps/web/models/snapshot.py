"""A snapshot of a workspace: a classifier, the drawings it was trained on, and their origin."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from egem.apps.web.errors import ApiError
from egem.apps.web.models.strokes import FRAME, PenPath, are_drawings, fit_to_square
from egem.calibration.metric_choice import choose_metric
from egem.classifier import EGEMClassifier
from egem.data.cases import Case

Kind = Literal["strokes", "series"]
DEFAULT_LENGTH = 1.5  # of a drawing that was never on a page, in widths of the pad
MAX_POINTS = 256  # of a stored drawing
MAX_CLASSES = 100
FORMAT = 2  # of the stored details; results of fits differ in format 1


class Drawing(NamedTuple):
    """A training drawing as the page displays it.

    Attributes
    ----------
    x, y : list of float
        In the page's units, thinned.
    lifts : list of int
        Points at which the pen was put down again.
    length : float
        Of the path, in the page's units.
    """

    x: list[float]
    y: list[float]
    lifts: list[int]
    length: float

    @staticmethod
    def of(x: list[float], y: list[float], lifts: list[int], length: float) -> "Drawing":
        """Thin a stroke, keeping the points where the pen was put down or lifted."""
        n = len(x)
        ends = {0, n - 1, *lifts, *(i - 1 for i in lifts)}
        kept = sorted(ends | set(np.linspace(0, n - 1, min(n, MAX_POINTS)).astype(int).tolist()))
        position = {i: at for at, i in enumerate(kept)}
        return Drawing(
            [round(x[i], 5) for i in kept],
            [round(y[i], 5) for i in kept],
            [position[i] for i in lifts],
            length,
        )


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The content of a workspace between two changes; immutable.

    Attributes
    ----------
    classifier : EGEMClassifier or None
        None without a class.
    drawings : mapping of str to tuple of Drawing
        For classes that were drawn, in the order of the classifier's cases.
    change : str
        The change that led to this snapshot, for the undo button.
    title : str
        Name of the model on the page.
    fit : mapping or None
        Result of a fit to data, as :class:`egem.apps.web.responses.FitResult`.
    """

    classifier: EGEMClassifier | None = None
    drawings: Mapping[str, tuple[Drawing, ...]] = field(default_factory=dict)
    change: str = ""
    title: str = ""
    fit: Mapping[str, Any] | None = None

    @cached_property
    def kind(self) -> Kind | None:
        """Whether the model classifies drawings or other series; None without a class."""
        if self.classifier is None:
            return None
        same_grid = self.classifier.preparation_.n_timepoints == FRAME.n_timepoints
        drawn = same_grid and are_drawings(self.classifier.exemplars_.cases)
        return "strokes" if drawn else "series"

    @cached_property
    def log_lengths(self) -> Float[np.ndarray, " n_classes"]:
        """Mean log length of each class's drawings, in the page's units."""
        lengths = [[d.length for d in self.drawings.get(label, ())] for label in self.labels]
        return np.array([np.log(of_class or [DEFAULT_LENGTH]).mean() for of_class in lengths])

    @cached_property
    def inverse_temperature(self) -> float:
        """Inverse temperature of the scores of the recurrent view alone, by cross-validation."""
        assert self.classifier is not None
        model = self.classifier.model_
        batch = model.preparation.apply(list(model.exemplars.cases))
        settings = model.settings
        return choose_metric(
            batch, model.exemplars.classes, settings.metric, settings.shrinkage
        ).inverse_temperature

    @cached_property
    def labels(self) -> list[str]:
        """Names of the classes."""
        return [] if self.classifier is None else [str(c) for c in self.classifier.classes_]

    def typed(self, label: str) -> Any:
        """Return a class's label with the classifier's type: it may be a number."""
        assert self.classifier is not None
        return self.classifier.classes_[self.labels.index(label)]

    def drawings_of(self, label: str) -> tuple[Drawing, ...]:
        """Return the drawings of a class; made from its cases if it was not drawn here."""
        if label in self.drawings:
            return self.drawings[label]
        paths = [np.round(fit_to_square(case), 5).tolist() for case in self.cases(label)]
        return tuple(Drawing(x, y, [], DEFAULT_LENGTH) for x, y in paths)

    def cases(self, label: str) -> list[Case]:
        """Return the training cases of a class that the classifier stores."""
        assert self.classifier is not None
        return self.classifier.exemplars_.of_class(self.labels.index(label))


def check_class(snapshot: Snapshot, label: str) -> EGEMClassifier:
    """Refuse an unknown label, and return the classifier.

    Raises
    ------
    ApiError
        With the existing classes.
    """
    if label not in snapshot.labels:
        shown = ", ".join(snapshot.labels[:20])
        remedy = f"The classes are {shown}." if shown else "Train a class first."
        raise ApiError(404, f"There is no class {label!r}.", remedy)
    assert snapshot.classifier is not None
    return snapshot.classifier


def check_drawings(snapshot: Snapshot) -> None:
    """Refuse a model of series other than drawings.

    Raises
    ------
    ApiError
        With what to do.
    """
    if snapshot.kind == "series":
        raise ApiError(
            409,
            "The current model was fitted to series that are not drawings.",
            "Undo the fit, or start over, to draw.",
        )


def write_details(snapshot: Snapshot) -> bytes:
    """Serialise everything but the classifier as JSON."""
    details = {
        "format": FORMAT,
        "change": snapshot.change,
        "title": snapshot.title,
        "fit": snapshot.fit,
        "drawings": {label: [d._asdict() for d in of] for label, of in snapshot.drawings.items()},
    }
    return json.dumps(details, separators=(",", ":")).encode()


def read_snapshot(details: bytes, classifier: Path) -> Snapshot:
    """Read what :func:`write_details` wrote, and the classifier if its file exists."""
    read = json.loads(details)
    drawings = {
        label: tuple(Drawing(**each) for each in of) for label, of in read["drawings"].items()
    }
    clf = EGEMClassifier.load(classifier) if classifier.exists() else None
    fit = read["fit"] if read["format"] == FORMAT else None
    return Snapshot(clf, drawings, read["change"], read["title"], fit)


def normalised(x: list[float], y: list[float], lifts: list[int]) -> tuple[Case, Drawing]:
    """Convert a stroke to its normal form and to a drawing for display."""
    path = PenPath.of(x, y)
    return path.case(), Drawing.of(x, y, lifts, path.length)
