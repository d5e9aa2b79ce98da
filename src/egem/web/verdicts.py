"""What the experts make of a drawing, finished or not.

A finished drawing is a case like any other. Of one that is not, the whole length ``L`` is unknown
(see :mod:`egem.web.strokes`), and with it how much of the way is done and how large the drawing
will be. Several lengths are tried, each a case of its own, cut off where the pen is; they are
searched for side by side. What an expert ``c`` makes of length ``L`` is priced by how far, *on the
page*, it stays from the ink, and by how usual the length is for its class::

    energy_c(L) = s_c (log score_c(L) + 2 w log L) + (log L - mean_c)^2 / (2 sd^2)

``score`` is the classifier's, a square of the normal form's units, of which the second term makes
the page's; ``w`` is the weight of what is measured in those units. ``s_c`` is the classifier's
sharpness times the share of the way that is done for the class's usual length: little ink decides
little. Each expert takes its best length, and probabilities are proportional to ``exp(-energy)``;
at ``L`` equal to the length drawn they are those of the finished drawing.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import softmax

from ..classifier import EGEMClassifier
from ..inversion import Inversion
from ..validation import Case
from .models import Model
from .schema import Drawn, Heat, Near, Ranked, Stroke, Verdict
from .strokes import N_POINTS, SHORTEST, Path
from .teaching import check_drawn

BEST = 5
NEAREST = 4
UNKNOWN_BELOW = 0.02  # p-value of a finished drawing
N_LENGTHS = 12  # tried; those of one expert fill one tile of the search up to 16
LENGTH_SD = 0.3  # of the log of a class's length on the page
USUAL_LENGTH = 1.5  # of a class that was never drawn, in widths of the pad
NOTHING = Verdict(done=False, unknown=None, novelty=None, ranking=[], heat=None, near=[])


def verdict(model: Model, stroke: Stroke, done: bool) -> Verdict:
    """Let the experts compete for a drawing.

    Parameters
    ----------
    model : Model
        Of drawings; without classes nobody competes.
    stroke : Stroke
        The drawing so far.
    done : bool
        Whether that is all of it.

    Returns
    -------
    Verdict

    Raises
    ------
    Trouble
        Where the model is of other series, or a finished drawing is a dot.
    """
    check_drawn(model)
    if model.classifier is None or (not done and _is_dot(stroke)):
        return NOTHING.model_copy(update={"done": done})
    path = Path.of(stroke.x, stroke.y)
    return _finished(model, path) if done else _unfinished(model, path)


def _is_dot(stroke: Stroke) -> bool:
    return max(np.ptp(stroke.x), np.ptp(stroke.y)) < SHORTEST


def _finished(model: Model, path: Path) -> Verdict:
    clf = model.classifier
    assert clf is not None
    case = path.case()
    found = clf.explain([case], BEST, NEAREST, inversion=clf.invert([case]), paths=False)
    rows = zip(
        found.labels[0],
        found.probabilities[0],
        found.losses[0],
        found.scores[0],
        found.reconstructions[0],
        strict=True,
    )
    ranking = [
        _ranked(label, p, float(loss), float(score), path.onto_page(imagined), N_POINTS)
        for label, p, loss, score, imagined in rows
    ]
    x, y = path.onto_page(case).tolist()
    winner = str(found.labels[0, 0])
    first = int(np.searchsorted(clf.cases_.classes, np.argmax(clf.classes_ == found.labels[0, 0])))
    novelty = float(found.novelty[0])
    return Verdict(
        done=True,
        unknown=novelty < UNKNOWN_BELOW,
        novelty=novelty,
        ranking=ranking,
        heat=Heat(x=x, y=y, share=found.shares[0, 0].tolist()),
        near=[Near(label=winner, case=int(i) - first) for i in found.near[0] if i >= 0],
    )


class Contest(NamedTuple):
    """What experts make of a drawing at several whole lengths.

    Attributes
    ----------
    lengths : array (m,)
        The lengths tried, in the page's units.
    inversion : Inversion
        Of the cases they make of the drawing.
    energies : array (m, n_classes)
        Lowest for the likeliest.
    """

    lengths: Float[np.ndarray, " m"]
    inversion: Inversion
    energies: Float[np.ndarray, "m n_classes"]


def contest(model: Model, path: Path) -> Contest:
    """Let the experts of a model compete for a drawing that is not finished."""
    clf = model.classifier
    assert clf is not None
    usual = usual_lengths(model)
    low = max(path.length, float(np.exp(usual.min() - 2 * LENGTH_SD)))
    high = max(path.length, float(np.exp(usual.max() + 2 * LENGTH_SD)))
    lengths = np.geomspace(low, high, N_LENGTHS if high > low else 1)
    cases = [path.case(whole) for whole in lengths]
    inversion = clf.invert(cases)
    log_lengths = np.log(lengths)[:, None]
    done = np.minimum(path.length / np.exp(usual), 1.0)
    own = np.log(np.maximum(inversion.scores, 1e-12)) + 2 * _weight(inversion) * log_lengths
    price = (log_lengths - usual) ** 2 / (2 * LENGTH_SD**2)
    return Contest(lengths, inversion, clf.sharpness_ * done * own + price)


def usual_lengths(model: Model) -> Float[np.ndarray, " n_classes"]:
    """Return the mean log length of each class's drawings on the page."""
    of = [[d.length for d in model.drawings.get(label, ())] for label in model.labels]
    return np.array([np.mean(np.log(each)) if each else np.log(USUAL_LENGTH) for each in of])


def _weight(inversion: Inversion) -> Float[np.ndarray, "m 1"] | float:
    """Weight of what the score measures in squares of the normal form's units."""
    return 1.0


def _unfinished(model: Model, path: Path) -> Verdict:
    clf = model.classifier
    assert clf is not None
    found = contest(model, path)
    at = found.energies.argmin(axis=0)
    rows = np.arange(len(at))
    energies = found.energies[at, rows]
    chances = softmax(-energies)
    ranking = []
    for e in np.argsort(energies, kind="stable")[:BEST]:
        j, whole = at[e], float(found.lengths[at[e]])
        imagined = _imagined(clf, int(e), found.inversion.codes[j, e])
        reached = int(np.floor(path.length / whole * (N_POINTS - 1) + 1e-9)) + 1
        ranking.append(
            _ranked(
                clf.classes_[e],
                chances[e],
                float(found.inversion.losses[j, e]),
                float(found.inversion.scores[j, e]),
                path.onto_page(imagined, whole),
                reached,
            )
        )
    return NOTHING.model_copy(update={"ranking": ranking})


def _imagined(clf: EGEMClassifier, e: int, code: Float[np.ndarray, " k"]) -> Case:
    return clf.ensemble_.imagine(e, code[None])[0]


def _ranked(
    label: object, p: float, loss: float, score: float, on_page: Case, ahead_from: int
) -> Ranked:
    x, y = np.round(on_page, 5).tolist()
    return Ranked(
        label=str(label),
        probability=float(p),
        loss=loss,
        score=score,
        imagined=Drawn(x=x, y=y),
        ahead_from=ahead_from,
    )


def warm_up(model: Model) -> None:
    """Ask for one finished and one unfinished drawing, so that no user waits for compilations."""
    if model.kind != "strokes":
        return
    x, y = model.cases(model.labels[0])[0].tolist()
    for n, done in ((N_POINTS, True), (N_POINTS // 2, False)):
        verdict(model, Stroke(x=x[:n], y=y[:n]), done)
