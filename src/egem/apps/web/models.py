"""A workspace's model: a classifier, the drawings it was taught, and where they come from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path as File
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from egem.apps.web.strokes import FRAME, Path, fitted, is_normal
from egem.apps.web.trouble import Trouble
from egem.calibration.temperature import choose_metric
from egem.classifier import EGEMClassifier
from egem.data.validation import Case

Kind = Literal["strokes", "series"]
USUAL_LENGTH = 1.5  # of a drawing that was never on a page, in widths of the pad
MOST_SHOWN = 256  # points of a drawing that are kept to be shown
MOST_CLASSES = 100
LONGEST_LABEL = 40
MOST_CASES = 256  # of a class that is drawn


class Drawing(NamedTuple):
    """A taught drawing, as it is shown again.

    Attributes
    ----------
    x, y : list of float
        In the page's units, thinned.
    lifts : list of int
        Points at which the pen was put down again.
    length : float
        Of its path, in the page's units.
    """

    x: list[float]
    y: list[float]
    lifts: list[int]
    length: float

    @staticmethod
    def of(x: list[float], y: list[float], lifts: list[int], length: float) -> "Drawing":
        """Thin a stroke; places where the pen came down, or left, stay."""
        n = len(x)
        ends = {0, n - 1, *lifts, *(i - 1 for i in lifts)}
        kept = sorted(ends | set(np.linspace(0, n - 1, min(n, MOST_SHOWN)).astype(int).tolist()))
        place = {i: at for at, i in enumerate(kept)}
        return Drawing(
            [round(x[i], 5) for i in kept],
            [round(y[i], 5) for i in kept],
            [place[i] for i in lifts],
            length,
        )


@dataclass(frozen=True, eq=False)
class Model:
    """What a workspace holds at a time; never changed, only replaced.

    Attributes
    ----------
    classifier : EGEMClassifier or None
        None where there is no class yet.
    drawings : mapping of str to tuple of Drawing
        Of classes that were drawn, in the order of the classifier's cases.
    how : str
        What made it of the one before, for the button that undoes it.
    title : str
        What the page calls it.
    fit : mapping or None
        How a fit to data went, as :class:`egem.apps.web.schema.FitResult`.
    """

    classifier: EGEMClassifier | None = None
    drawings: Mapping[str, tuple[Drawing, ...]] = field(default_factory=dict)
    how: str = ""
    title: str = ""
    fit: Mapping[str, Any] | None = None

    @cached_property
    def kind(self) -> Kind | None:
        """Whether it knows drawings or other series; None where it knows nothing."""
        if self.classifier is None:
            return None
        grid = self.classifier.preparation_
        drawn = grid.n_timepoints == FRAME.n_timepoints and is_normal(self.classifier.cases_.cases)
        return "strokes" if drawn else "series"

    @cached_property
    def usual_lengths(self) -> Float[np.ndarray, " n_classes"]:
        """Mean log length of each class's drawings, in the page's units."""
        of = [[d.length for d in self.drawings.get(label, ())] for label in self.labels]
        return np.array([np.log(each or [USUAL_LENGTH]).mean() for each in of])

    @cached_property
    def sharpness(self) -> float:
        """How sharply the experts' own scores tell whole drawings apart, by leaving cases out."""
        clf = self.classifier
        assert clf is not None
        batch = clf.preparation_.apply(list(clf.cases_.cases))
        return choose_metric(batch, clf.cases_.classes, clf.ensemble_.metric).sharpness

    @cached_property
    def labels(self) -> list[str]:
        """Names of the classes."""
        return [] if self.classifier is None else [str(c) for c in self.classifier.classes_]

    def own(self, label: str) -> Any:
        """Return a label as the classifier has it: a class may be called by a number."""
        assert self.classifier is not None
        return self.classifier.classes_[self.labels.index(label)]

    def drawings_of(self, label: str) -> tuple[Drawing, ...]:
        """Return the drawings of a class; of one that was not drawn here, how its cases look."""
        if label in self.drawings:
            return self.drawings[label]
        paths = [np.round(fitted(case), 5).tolist() for case in self.cases(label)]
        return tuple(Drawing(x, y, [], USUAL_LENGTH) for x, y in paths)

    def cases(self, label: str) -> list[Case]:
        """Training cases of a class that the classifier keeps."""
        assert self.classifier is not None
        return self.classifier.cases_.of(self.labels.index(label))


def check_label(label: str) -> None:
    """Refuse what the page could not call a class by.

    Raises
    ------
    Trouble
        With what is allowed.
    """
    bad = label in (".", "..") or not label.isprintable() or label != label.strip()
    if bad or not 0 < len(label) <= LONGEST_LABEL:
        raise Trouble(
            422,
            f"The label {label[:60]!r} is no name for a class here.",
            f"Give 1 to {LONGEST_LABEL} characters that can be seen, without blanks at the ends.",
        )


def write_about(model: Model) -> bytes:
    """Lay down all but the classifier as JSON."""
    about = {
        "format": 1,
        "how": model.how,
        "title": model.title,
        "fit": model.fit,
        "drawings": {label: [d._asdict() for d in of] for label, of in model.drawings.items()},
    }
    return json.dumps(about, separators=(",", ":")).encode()


def read_model(about: bytes, classifier: File) -> Model:
    """Read what :func:`write_about` wrote, and the classifier where there is one."""
    told = json.loads(about)
    drawings = {
        label: tuple(Drawing(**each) for each in of) for label, of in told["drawings"].items()
    }
    clf = EGEMClassifier.load(classifier) if classifier.exists() else None
    return Model(clf, drawings, told["how"], told["title"], told["fit"])


def drawn(x: list[float], y: list[float], lifts: list[int]) -> tuple[Case, Drawing]:
    """Bring a stroke to its normal form, and to one that is shown."""
    path = Path.of(x, y)
    return path.case(), Drawing.of(x, y, lifts, path.length)
