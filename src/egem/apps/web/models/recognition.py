"""Classification of finished and unfinished drawings.

A finished drawing is a case like any other. Of an unfinished one the final length ``L`` is unknown
(see :mod:`egem.apps.web.models.strokes`), and with it the finished share and the final size. Each
class is therefore scored at the length that suits it best. The energy of class ``c`` at length
``L`` combines the deviation from the ink *on the page* with a penalty on lengths unusual for the
class::

    energy_c(L) = beta_c log(L^2 score_c(L)) + (log L - mean_c)^2 / (2 sd^2)

``score`` is a mean square in units of the normal form, ``L^2 score`` one in units of the page.
``beta_c`` is the inverse temperature of the recurrent view's scores of whole drawings, times the
drawn share of the class's usual length: little ink decides little. Lengths are compared by the
codebooks, decoded once; from the best length each expert's code is searched for. Probabilities are
proportional to ``exp(-energy)``.
"""

import logging
import time
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import softmax

from egem.apps.web.models.snapshot import Snapshot, check_drawings
from egem.apps.web.models.strokes import MIN_LENGTH, N_POINTS, PenPath
from egem.apps.web.models.training import train
from egem.apps.web.requests import Stroke
from egem.apps.web.responses import Curve, Heat, Neighbour, RankedClass, Verdict
from egem.classifier import EGEMClassifier
from egem.data.cases import Case
from egem.ensemble.inversion import invert_now
from egem.ensemble.result import Inversion

log = logging.getLogger(__name__)

N_RANKED = 5
N_NEIGHBOURS = 4
UNKNOWN_LEVEL = 0.05  # p-value below which a finished drawing is unknown
N_LENGTHS = 10  # final lengths compared
LENGTH_SD = 0.3  # of the log of a class's length on the page
MAX_SEARCHED = 24  # experts whose codes are searched for, the best by their codebooks
MAX_STEPS = 5  # of that search
MIN_SQUARE = 1e-6  # smallest mean square, standardised
N_COMPILED = 3  # classes of the first training; with two, some shapes would not be compiled
EMPTY = Verdict(done=False, unknown=None, p_value=None, ranking=[], heat=None, neighbours=[])


def classify(snapshot: Snapshot, stroke: Stroke, done: bool) -> Verdict:
    """Classify a drawing.

    Parameters
    ----------
    snapshot : Snapshot
        A model of drawings; without classes the ranking is empty.
    stroke : Stroke
        The drawing so far.
    done : bool
        Whether it is finished.

    Returns
    -------
    Verdict

    Raises
    ------
    ApiError
        If the model is not one of drawings, or a finished drawing is a dot.
    """
    check_drawings(snapshot)
    is_dot = max(np.ptp(stroke.x), np.ptp(stroke.y)) < MIN_LENGTH
    if snapshot.classifier is None or (is_dot and not done):
        return EMPTY.model_copy(update={"done": done})
    path = PenPath.of(stroke.x, stroke.y)
    if done:
        return _finished(snapshot.classifier, path)
    return _unfinished(snapshot, snapshot.classifier, path)


def _finished(clf: EGEMClassifier, path: PenPath) -> Verdict:
    case = path.case()
    explanation = clf.explain(
        [case],
        N_RANKED,
        N_NEIGHBOURS,
        inversion=invert_now(clf.model_, [case], among=True),
        paths=False,
    )
    ranking = [
        _ranked(
            explanation.labels[0, m],
            explanation.probabilities[0, m],
            explanation.losses[0, m],
            explanation.scores[0, m],
            path.to_page(explanation.reconstructions[0, m]),
            N_POINTS,
        )
        for m in range(explanation.labels.shape[1])
    ]
    x, y = np.round(path.to_page(case), 5).tolist()
    best = np.argmax(clf.classes_ == explanation.labels[0, 0])
    first = np.searchsorted(clf.exemplars_.classes, best)
    p_value = float(explanation.p_values[0])
    return Verdict(
        done=True,
        unknown=is_unknown(clf, p_value),
        p_value=p_value,
        ranking=ranking,
        heat=Heat(x=x, y=y, share=explanation.shares[0, 0].tolist()),
        neighbours=[
            Neighbour(label=ranking[0].label, case=int(i - first))
            for i in explanation.near[0]
            if i >= 0
        ],
    )


def is_unknown(clf: EGEMClassifier, p_value: float) -> bool | None:
    """Return whether a case fits no class; None where no training case was held out."""
    return bool(p_value < UNKNOWN_LEVEL) if len(clf.held_out_.truth) else None


def _unfinished(snapshot: Snapshot, clf: EGEMClassifier, path: PenPath) -> Verdict:
    found = search_lengths(snapshot, clf, path)
    proba = softmax(-found.energies)
    ranking = []
    for e in np.argsort(found.energies, kind="stable")[:N_RANKED].tolist():
        row, length = int(found.row[e]), float(found.lengths[e])
        code = found.inversion.codes[row, e]
        imagined = clf.model_.imagine(e, code[None])[0]
        ranking.append(
            _ranked(
                clf.classes_[e],
                proba[e],
                found.inversion.losses[row, e],
                found.inversion.scores[row, e],
                path.to_page(imagined, length),
                path.n_points(length),
            )
        )
    return EMPTY.model_copy(update={"ranking": ranking})


class LengthSearch(NamedTuple):
    """The best final length of an unfinished drawing for each class.

    Attributes
    ----------
    lengths : array (n_classes,)
        Best final length, in the page's units.
    row : array of int (n_classes,)
        The case of ``inversion`` that is the drawing at that length.
    inversion : Inversion
        Result of the search; inf for an expert that was not searched.
    energies : array (n_classes,)
        Lowest for the likeliest class; inf for an expert that was not searched.
    """

    lengths: Float[np.ndarray, " n_classes"]
    row: Int[np.ndarray, " n_classes"]
    inversion: Inversion
    energies: Float[np.ndarray, " n_classes"]


def search_lengths(snapshot: Snapshot, clf: EGEMClassifier, path: PenPath) -> LengthSearch:
    """Score an unfinished drawing at the best final length of each class."""
    usual = snapshot.log_lengths
    low, high = np.exp(usual.min() - 2 * LENGTH_SD), np.exp(usual.max() + 2 * LENGTH_SD)
    lengths = np.geomspace(max(path.length, low), max(path.length, high), N_LENGTHS)
    penalty = (np.log(lengths)[:, None] - usual) ** 2 / (2 * LENGTH_SD**2)
    beta = snapshot.inverse_temperature * np.minimum(path.length / np.exp(usual), 1.0)
    cases = [path.case(length) for length in lengths]
    rough = beta * np.log(_codebook_squares(clf, cases, lengths)) + penalty
    best, experts = rough.argmin(axis=0), np.arange(len(usual))
    rows, row = np.unique(best, return_inverse=True)
    among = np.zeros((len(rows), len(usual)), bool)
    searched = rough[best, experts].argsort(kind="stable")[:MAX_SEARCHED]
    among[row[searched], searched] = True
    some = [cases[i] for i in rows]
    inversion = invert_now(clf.model_, some, among=among, max_steps=MAX_STEPS, views=False)
    squares = inversion.scores[row, experts] * lengths[best] ** 2
    energies = beta * np.log(np.maximum(squares, MIN_SQUARE)) + penalty[best, experts]
    return LengthSearch(lengths[best], row, inversion, energies)


def _codebook_squares(
    clf: EGEMClassifier, cases: list[Case], lengths: Float[np.ndarray, " m"]
) -> Float[np.ndarray, "m n_classes"]:
    """Return the least mean square, on the page, between cases and each expert's codebook."""
    codebook = clf.model_.bank.codebook
    n_experts, n_codes = codebook.penalties.shape
    squares = np.zeros((len(cases), n_experts))
    batch = clf.preparation_.apply(cases)
    for i, (case, length) in enumerate(zip(cases, lengths, strict=True)):
        values = batch.values[i, : case.shape[1]].ravel()
        decoded = codebook.values[:, : len(values)]
        sums = np.einsum("bp,bp->b", decoded, decoded) - 2.0 * (decoded @ values) + values @ values
        nearest = sums.reshape(n_experts, n_codes).min(axis=1) / len(values)
        squares[i] = np.maximum(nearest, MIN_SQUARE) * length**2
    return squares


def _ranked(
    label: object, p: float, loss: float, score: float, on_page: Case, ahead_from: int
) -> RankedClass:
    x, y = np.round(on_page, 5).tolist()
    return RankedClass(
        label=str(label),
        probability=float(p),
        loss=float(loss),
        score=float(score),
        imagined=Curve(x=x, y=y),
        ahead_from=ahead_from,
    )


def warm_up(snapshot: Snapshot) -> None:
    """Classify a finished and an unfinished drawing, so that no user waits for compilation."""
    if snapshot.kind != "strokes":
        return
    x, y = snapshot.cases(snapshot.labels[0])[0].tolist()
    for n, done in ((N_POINTS, True), (N_POINTS // 2, False)):
        classify(snapshot, Stroke(x=x[:n], y=y[:n]), done)


def compile_ahead() -> None:
    """Train and discard a small model, so that the first training does not wait for compilation."""
    start = time.perf_counter()
    snapshot = Snapshot()
    x = np.linspace(0.0, 1.0, 60)
    for n in range(1, N_COMPILED + 1):
        waves = [
            Stroke(x=x.tolist(), y=(height * np.sin(n * np.pi * x)).tolist())
            for height in (0.1, 0.2, 0.3, 0.4)
        ]
        snapshot = train(snapshot, f"wave {n}", waves)
        warm_up(snapshot)
    log.info("training compiled in %.1f s", time.perf_counter() - start)
