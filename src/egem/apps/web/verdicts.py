"""What the experts make of a drawing, finished or not.

A finished drawing is a case like any other. Of one that is not, the whole length ``L`` is unknown
(see :mod:`egem.apps.web.strokes`), and with it how much of the way is done and how large the
drawing will be. So each expert is asked at the length that suits it best. What expert ``c`` makes
of the drawing at length ``L`` is priced by how far it stays from the ink *on the page*, and by how
usual the length is for its class::

    energy_c(L) = s_c log(L^2 score_c(L)) + (log L - mean_c)^2 / (2 sd^2)

``score`` is a square of the normal form's units, ``L^2 score`` one of the page's. ``s_c`` is how
sharply the experts' scores tell whole drawings apart, times the share of its usual length that
class ``c`` would have done: little ink decides little. Lengths are compared by the codes of the
experts' books, decoded once for all; from the best each expert searches for its code.
Probabilities are proportional to ``exp(-energy)``.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import softmax

from egem.apps.web.models import Model
from egem.apps.web.schema import Drawn, Heat, Near, Ranked, Stroke, Verdict
from egem.apps.web.strokes import N_POINTS, SHORTEST, Path
from egem.apps.web.teaching import check_drawn
from egem.classifier import EGEMClassifier
from egem.data.validation import Case
from egem.ensemble.result import Inversion

BEST = 5
NEAREST = 4
UNKNOWN_BELOW = 0.05  # p-value of a finished drawing
# Beyond the strangest of few held-out cases a p-value is an extrapolation; what is well below the
# least that rank alone can say is unknown as well.
BELOW_RANK = 0.4
N_LENGTHS = 10  # tried
LENGTH_SD = 0.3  # of the log of a class's length on the page
SEARCHING = 24  # experts that search, of those whose books come nearest
N_STEPS = 5  # of such a search
LEAST = 1e-6  # mean square, standardised, that counts as none
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
    if done:
        return _finished(model.classifier, path)
    return _unfinished(model, model.classifier, path)


def _is_dot(stroke: Stroke) -> bool:
    return max(np.ptp(stroke.x), np.ptp(stroke.y)) < SHORTEST


def _finished(clf: EGEMClassifier, path: Path) -> Verdict:
    case = path.case()
    found = clf.explain([case], BEST, NEAREST, inversion=clf.glance([case]), paths=False)
    ranking = [
        _ranked(
            found.labels[0, m],
            found.probabilities[0, m],
            found.losses[0, m],
            found.scores[0, m],
            path.onto_page(found.reconstructions[0, m]),
            N_POINTS,
        )
        for m in range(found.labels.shape[1])
    ]
    x, y = np.round(path.onto_page(case), 5).tolist()
    first = np.searchsorted(clf.cases_.classes, np.argmax(clf.classes_ == found.labels[0, 0]))
    novelty, n_held_out = float(found.novelty[0]), len(clf.held_out_.truth)
    return Verdict(
        done=True,
        unknown=novelty < max(UNKNOWN_BELOW, BELOW_RANK / (n_held_out + 1)) if n_held_out else None,
        novelty=novelty,
        ranking=ranking,
        heat=Heat(x=x, y=y, share=found.shares[0, 0].tolist()),
        near=[Near(label=ranking[0].label, case=int(i - first)) for i in found.near[0] if i >= 0],
    )


def _unfinished(model: Model, clf: EGEMClassifier, path: Path) -> Verdict:
    found = contest(model, clf, path)
    chances = softmax(-found.energies)
    ranking = []
    for e in np.argsort(found.energies, kind="stable")[:BEST].tolist():
        row, whole = int(found.row[e]), float(found.lengths[e])
        code = found.inversion.codes[row, e]
        imagined = clf.ensemble_.imagine(e, code[None])[0]
        ranking.append(
            _ranked(
                clf.classes_[e],
                chances[e],
                found.inversion.losses[row, e],
                found.inversion.scores[row, e],
                path.onto_page(imagined, whole),
                path.n_points(whole),
            )
        )
    return NOTHING.model_copy(update={"ranking": ranking})


class Contest(NamedTuple):
    """What experts make of a drawing that is not finished, each at its own length.

    Attributes
    ----------
    lengths : array (n_classes,)
        Whole length that suits each expert best, in the page's units.
    row : array of int (n_classes,)
        Which case of ``inversion`` is the drawing at that length.
    inversion : Inversion
        What came of it; inf where an expert did not search.
    energies : array (n_classes,)
        Lowest for the likeliest; inf where an expert did not search.
    """

    lengths: Float[np.ndarray, " n_classes"]
    row: Int[np.ndarray, " n_classes"]
    inversion: Inversion
    energies: Float[np.ndarray, " n_classes"]


def contest(model: Model, clf: EGEMClassifier, path: Path) -> Contest:
    """Let the experts compete for a drawing that is not finished."""
    usual = model.usual_lengths
    low, high = np.exp(usual.min() - 2 * LENGTH_SD), np.exp(usual.max() + 2 * LENGTH_SD)
    lengths = np.geomspace(max(path.length, low), max(path.length, high), N_LENGTHS)
    price = (np.log(lengths)[:, None] - usual) ** 2 / (2 * LENGTH_SD**2)
    sharpness = model.sharpness * np.minimum(path.length / np.exp(usual), 1.0)
    cases = [path.case(whole) for whole in lengths]
    at_first = sharpness * np.log(_nearest_of_books(clf, cases, lengths)) + price
    best, experts = at_first.argmin(axis=0), np.arange(len(usual))
    rows, row = np.unique(best, return_inverse=True)
    among = np.zeros((len(rows), len(usual)), bool)
    searching = at_first[best, experts].argsort(kind="stable")[:SEARCHING]
    among[row[searching], searching] = True
    inversion = clf.glance([cases[i] for i in rows], among, N_STEPS, spaces=False)
    on_page = inversion.scores[row, experts] * lengths[best] ** 2
    return Contest(
        lengths[best],
        row,
        inversion,
        sharpness * np.log(np.maximum(on_page, LEAST)) + price[best, experts],
    )


def _nearest_of_books(
    clf: EGEMClassifier, cases: list[Case], lengths: Float[np.ndarray, " m"]
) -> Float[np.ndarray, "m n_classes"]:
    """Return the least mean square, on the page, of each expert's book from cases cut off."""
    books = clf.ensemble_.arena.books
    n_experts, n_book = books.prices.shape
    least = np.zeros((len(cases), n_experts))
    batch = clf.preparation_.apply(cases)
    for i, (case, whole) in enumerate(zip(cases, lengths, strict=True)):
        values = batch.values[i, : case.shape[1]].ravel()
        shown = books.values[:, : len(values)]
        squares = np.einsum("bp,bp->b", shown, shown) - 2.0 * (shown @ values) + values @ values
        nearest = squares.reshape(n_experts, n_book).min(axis=1) / len(values)
        least[i] = np.maximum(nearest, LEAST) * whole**2
    return least


def _ranked(
    label: object, p: float, loss: float, score: float, on_page: Case, ahead_from: int
) -> Ranked:
    x, y = np.round(on_page, 5).tolist()
    return Ranked(
        label=str(label),
        probability=float(p),
        loss=float(loss),
        score=float(score),
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
